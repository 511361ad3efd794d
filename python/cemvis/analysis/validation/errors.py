"""Real errors of predicted fields where the truth is known, with intervals over blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.indentation.deconvolution.bootstrap import FEWEST_BATCHES, tails
from cemvis.analysis.indentation.deconvolution.populations import Estimate
from cemvis.errors import InputError

Floats = NDArray[np.float64]

EVERYWHERE = "all"
_SUMS = ("n", "error", "magnitude", "squared", "truth", "truth_squared", "value", "value_squared", "bounded", "inside")


@dataclass(frozen=True)
class Errors:
    """How wrong predicted values are in one phase or everywhere, in the property's unit.

    Attributes
    ----------
    phase : str
        "all" for everywhere.
    n : int
        Cells compared.
    rmse, mae, bias : Estimate
        Root mean square, mean magnitude and mean of predicted minus true.
    r2 : Estimate
        ``1 - sum((truth - value)^2) / sum((truth - mean(truth))^2)``; NaN where the truth does not vary.
    sd_ratio : Estimate
        Standard deviation of the predicted values over that of the true ones.
    bounded : int
        Cells with an interval.
    coverage : Estimate or None
        Share of those whose interval holds the truth; None without any.
    """

    phase: str
    n: int
    rmse: Estimate
    mae: Estimate
    bias: Estimate
    r2: Estimate
    sd_ratio: Estimate
    bounded: int
    coverage: Estimate | None

    def to_json(self) -> dict[str, Any]:
        """Return all numbers, ready for JSON: None in place of NaN."""
        said = asdict(self)
        for value in said.values():
            if isinstance(value, dict):
                value |= {name: None for name, number in value.items() if not np.isfinite(number)}
        return said


class ErrorSums:
    """Sums over cells by phase and block, from which errors and their intervals follow.

    Parameters
    ----------
    phases : sequence of str
        Names of the phases that cells may be of.
    blocks : int
        Number of blocks that are resampled.
    """

    def __init__(self, phases: Sequence[str], blocks: int) -> None:
        self.phases = tuple(phases)
        self._sums = np.zeros((len(self.phases), blocks, len(_SUMS)))

    def add(
        self,
        truth: Floats,
        value: Floats,
        *,
        phase: NDArray[np.intp],
        block: NDArray[np.intp],
        lower: Floats,
        upper: Floats,
    ) -> None:
        """Add cells; those without a true or a predicted value are left out.

        Parameters
        ----------
        truth, value : (n,) float64
        phase, block : (n,) int
        lower, upper : (n,) float64
            Ends of the intervals, NaN where there is none.
        """
        there = np.isfinite(truth) & np.isfinite(value)
        truth, value, lower, upper = (each[there] for each in (truth, value, lower, upper))
        error = value - truth
        bounded = np.isfinite(lower) & np.isfinite(upper)
        inside = bounded & (lower <= truth) & (truth <= upper)
        weights = (
            *(np.ones(len(error)), error, np.abs(error), error**2, truth, truth**2, value, value**2),
            *(bounded.astype(np.float64), inside.astype(np.float64)),
        )
        shape = self._sums.shape[:2]
        at = phase[there] * shape[1] + block[there]
        for number, weight in enumerate(weights):
            self._sums[..., number] += np.bincount(at, weight, shape[0] * shape[1]).reshape(shape)

    @property
    def cells(self) -> int:
        """Cells that were added and had both values."""
        return round(float(self._sums[..., 0].sum()))

    def errors(self, *, resamplings: int = 400, level: float = 0.95, seed: int = 0) -> tuple[Errors, ...]:
        """Return errors everywhere and in each phase that has cells, with intervals by resampling whole blocks.

        Blocks that hold no cell are no blocks. With fewer than eight of them there is no interval: its ends are NaN.

        Raises
        ------
        InputError
            If no cell has both a true and a predicted value.
        """
        used = self._sums[..., 0].sum(axis=0) > 0
        if not used.any():
            msg = "no cell has both a true and a predicted value; wanted a map of the area that the truth is of"
            raise InputError(msg)
        sums = self._sums[:, used]
        count = sums.shape[1]
        drawn = np.random.default_rng([seed, 2]).multinomial(count, np.full(count, 1 / count), resamplings)
        ends = tails(count, level) if count >= FEWEST_BATCHES else None
        found = [_errors(EVERYWHERE, sums.sum(axis=0), drawn, ends)]
        found += [
            _errors(name, of, drawn, ends) for name, of in zip(self.phases, sums, strict=True) if of[:, 0].sum() > 0
        ]
        return tuple(found)


def _errors(phase: str, sums: Floats, drawn: NDArray[np.int64], ends: tuple[float, float] | None) -> Errors:
    whole = _scores(sums.sum(axis=0)[None])
    resampled = _scores(drawn @ sums)

    def estimate(name: str) -> Estimate:
        value, draws = float(whole[name][0]), resampled[name][np.isfinite(resampled[name])]
        if ends is None or not len(draws):
            return Estimate(value, float("nan"), float("nan"))
        return Estimate(value, float(np.quantile(draws, ends[0])), float(np.quantile(draws, ends[1])))

    total = dict(zip(_SUMS, sums.sum(axis=0), strict=True))
    return Errors(
        phase=phase,
        n=round(total["n"]),
        **{name: estimate(name) for name in ("rmse", "mae", "bias", "r2", "sd_ratio")},
        bounded=round(total["bounded"]),
        coverage=estimate("coverage") if total["bounded"] else None,
    )


def _scores(sums: Floats) -> dict[str, Floats]:
    """Return the scores of each row of (draws, sums); NaN where there is nothing to divide by."""
    s = dict(zip(_SUMS, sums.T, strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        truth_mean, value_mean = s["truth"] / s["n"], s["value"] / s["n"]
        truth_variance = np.maximum(s["truth_squared"] / s["n"] - truth_mean**2, 0)
        value_variance = np.maximum(s["value_squared"] / s["n"] - value_mean**2, 0)
        found = {
            "rmse": np.sqrt(s["squared"] / s["n"]),
            "mae": s["magnitude"] / s["n"],
            "bias": s["error"] / s["n"],
            "r2": 1 - s["squared"] / s["n"] / truth_variance,
            "sd_ratio": np.sqrt(value_variance / truth_variance),
            "coverage": s["inside"] / s["bounded"],
        }
    return {name: np.where(np.isfinite(each), each, np.nan) for name, each in found.items()}
