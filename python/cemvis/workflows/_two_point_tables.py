"""Tables of two-point correlations: one row a ring, a ring and difference, a ring and pair of phases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.correlation.phases import threshold_counts
from cemvis.analysis.correlation.two_point import pair_probabilities, ring_moments

if TYPE_CHECKING:
    import pandas as pd

    from cemvis.workflows._two_point_result import TwoPointResult


def tables(result: TwoPointResult) -> dict[str, pd.DataFrame]:
    """Return the tables by name: curves, differences, and phases and thresholds if they were counted."""
    found = {"curves": curves(result), "differences": differences(result)}
    if result.total.phases is not None:
        found["phases"] = phases(result)
    if result.total.full is not None:
        found["thresholds"] = thresholds(result)
    return found


def curves(result: TwoPointResult) -> pd.DataFrame:
    """Return a row a ring: pairs, P(dn = 0), mean difference and change, with their bands."""
    import pandas as pd

    bands = result.bands
    columns: dict[str, Any] = {
        **_rings(result, 1),
        "distance_px": ring_moments(result.r_max)[0],
        "pairs": result.total.differences.pairs,
        "same_probability": result.same,
        "mean_difference": result.mean_difference,
        "change": result.change,
    }
    if bands is not None:
        step = result.config.quantisation.step
        columns |= {
            "same_probability_low": bands.same.low,
            "same_probability_high": bands.same.high,
            "mean_difference_low": step * bands.mean_difference.low,
            "mean_difference_high": step * bands.mean_difference.high,
            "change_by_noise": bands.noise,
        }
    return pd.DataFrame(columns)


def differences(result: TwoPointResult) -> pd.DataFrame:
    """Return a row a ring and difference of levels: the exact count, and the probability."""
    import pandas as pd

    counts = result.shown.counts
    levels = counts.shape[1]
    steps = np.arange(levels)
    return pd.DataFrame(
        {
            **_rings(result, levels),
            "difference_levels": np.tile(steps, len(counts)),
            "difference": np.tile(steps * result.config.quantisation.step, len(counts)),
            "count": counts.ravel(),
            "probability": result.probabilities.ravel(),
        }
    )


def phases(result: TwoPointResult) -> pd.DataFrame:
    """Return a row a ring and pair of phases: the exact count, S2, and of one phase what else was found of it."""
    import pandas as pd

    counts, names = result.total.phases, result.phase_names
    if counts is None:
        msg = "no phases were counted"
        raise ValueError(msg)
    s2 = pair_probabilities(counts)
    lineal = None if result.total.lineal is None else result.total.lineal.probabilities()
    parts = []
    for i, first in enumerate(names):
        for j, second in enumerate(names):
            if j < i and not counts.ordered:
                continue
            part: dict[str, Any] = {**_rings(result, 1), "first": first, "second": second}
            part |= {"count": counts.level_pairs(i, j), "s2": s2[:, i, j]}
            if i == j:
                if result.bands is not None and result.bands.phases is not None:
                    part |= {"s2_low": result.bands.phases.low[:, i], "s2_high": result.bands.phases.high[:, i]}
                if lineal is not None:
                    part["lineal_path"] = lineal[i]
                if result.clusters:
                    found = result.clusters.get(first)
                    part["cluster"] = np.nan if found is None else found.counts[:, 0] / found.pairs
            parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)


def thresholds(result: TwoPointResult) -> pd.DataFrame:
    """Return a row a ring and threshold: pairs of pixels both at or above it, and both below."""
    import pandas as pd

    full = result.total.full
    if full is None:
        msg = "pairs of levels were not counted"
        raise ValueError(msg)
    above, below = (values[:, 1:] for values in threshold_counts(full))
    used = np.flatnonzero((above[0] > 0) & (below[0] > 0))
    pairs = full.pairs[:, None].astype(np.float64)
    with np.errstate(invalid="ignore"):
        shares = above[:, used] / pairs, below[:, used] / pairs
    return pd.DataFrame(
        {
            **_rings(result, len(used)),
            "threshold": np.tile(used + 1, len(above)),
            "both_above": above[:, used].ravel(),
            "both_below": below[:, used].ravel(),
            "s2_above": shares[0].ravel(),
            "s2_below": shares[1].ravel(),
        }
    )


def exact_counts(result: TwoPointResult) -> dict[str, NDArray[np.generic]]:
    """Return the counts, exact, as arrays by name."""
    total = result.total
    arrays: dict[str, NDArray[np.generic]] = {
        "differences": total.differences.counts,
        "pairs": total.differences.pairs,
    }
    if total.phases is not None:
        arrays |= {"phases": total.phases.counts, "phase_names": np.array(result.phase_names)}
    if total.full is not None:
        arrays["levels"] = total.full.counts
    if total.lineal is not None:
        arrays |= {"lineal": total.lineal.counts, "lineal_segments": total.lineal.segments}
    if total.directional is not None:
        arrays |= {
            "directional": total.directional.counts,
            "directional_pairs": total.directional.pairs,
            "dy_px": total.directional.dy_px,
            "dx_px": total.directional.dx_px,
        }
    for name, found in result.clusters.items():
        arrays[f"cluster_{name}"] = found.counts
    return arrays


def _rings(result: TwoPointResult, each: int) -> dict[str, NDArray[Any]]:
    rings = np.repeat(np.arange(result.r_max + 1), each)
    if result.pixel_size is None:
        return {"r_px": rings}
    return {"r_px": rings, "r_um": rings * result.pixel_size.um}
