"""The two anchors of a session's grey scale: the grey of C-S-H without metal and that of the metal.

They are given, measured in regions that a person points out, or found in the images. What is looked for there are flat
places: windows of 7 x 7 px that vary no more than noise does. Large enough regions of one material are flat, fine
pores are not. Among the means of flat windows metal is the brightest peak, and C-S-H the darkest unless the peaks of
other phases say that this is portlandite or clinker: then C-S-H follows from their known brightness. Where too little
is flat, the ends of all pixels have to do, and the result says that it is not reliable.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.porosity.flat_places import FlatSample
from cemvis.analysis.porosity.peaks import flat_peaks
from cemvis.analysis.porosity.phases import DarkPhase, csh_from, identify_dark_phase
from cemvis.errors import GreyScaleError, InputError

Origin = Literal["given", "regions", "histogram"]

LEAST_CSH_SHARE, LEAST_PHASE_SHARE, LEAST_METAL_SHARE = (
    0.05,
    0.01,
    0.002,
)  # of the flat windows, that their peak has to hold
BLACK = 1.0  # grey: flat places this dark are clipped, or empty
LEAST_FLAT = 400  # windows, for their peaks to mean something
MOST_BRIGHTER = 0.005  # share of the pixels clearly brighter than metal's peak: more, and it is not metal
METAL_QUANTILE, CSH_QUANTILE = 0.999, 0.02  # of all pixels, where nothing is flat


@dataclass(frozen=True)
class GreyAnchors:
    """Greys of C-S-H (n = 0) and of metal (n = 1), with their standard errors.

    Attributes
    ----------
    csh, metal : float
    csh_error, metal_error : float
        Standard errors, in grey levels.
    csh_source, metal_source : {"given", "regions", "histogram"}
    reliable : bool
    note : str
        What was found, and what is wrong with it.

    Raises
    ------
    GreyScaleError
        If they are not finite, equal or in the wrong order, or an error is negative.
    """

    csh: float
    metal: float
    csh_error: float = 0.0
    metal_error: float = 0.0
    csh_source: Origin = "given"
    metal_source: Origin = "given"
    reliable: bool = True
    note: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.csh) and math.isfinite(self.metal) and self.metal - self.csh >= 1):
            msg = (
                f"the anchors are C-S-H {self.csh:g} and metal {self.metal:g}; wanted two greys, the metal's at least "
                "1 above that of C-S-H: metal is the brightest in an image of backscattered electrons"
            )
            raise GreyScaleError(msg)
        if not (0 <= self.csh_error < math.inf and 0 <= self.metal_error < math.inf):
            msg = f"the anchors' errors are {self.csh_error:g} and {self.metal_error:g}; wanted 0 or more grey levels"
            raise GreyScaleError(msg)

    def relative(self, grey: NDArray[Any]) -> NDArray[np.float64]:
        """Return (G - G_CSH) / (G_m - G_CSH)."""
        return (np.asarray(grey, np.float64) - self.csh) / (self.metal - self.csh)

    def to_json(self) -> dict[str, Any]:
        """Return them for a record."""
        return {
            "csh_grey": self.csh,
            "csh_error": self.csh_error,
            "csh_source": self.csh_source,
            "metal_grey": self.metal,
            "metal_error": self.metal_error,
            "metal_source": self.metal_source,
            "reliable": self.reliable,
            "note": self.note,
        }


@dataclass(frozen=True)
class FoundGrey:
    """One anchor as found: its grey, whether to trust it, and why (not)."""

    grey: float
    reliable: bool
    note: str


def dark_phase(sample: FlatSample, metal: float, signals: Mapping[str, float]) -> DarkPhase:
    """Return which phase the darkest peak of flat windows is of, by those of the other phases.

    Parameters
    ----------
    sample : FlatSample
    metal : float
        Grey of metal.
    signals : mapping
        Greys of phases from 0 at C-S-H to 1 at metal; without any, the darkest peak is taken for C-S-H.
    """
    peaks = [(peak.grey, peak.share) for peak in flat_peaks(sample.flat_counts(), sample.greys)]
    dark = [each for each in peaks if each[1] >= LEAST_CSH_SHARE and each[0] > BLACK][:1]
    if not dark:
        return DarkPhase()
    others = [each for each in peaks if each[1] >= LEAST_PHASE_SHARE and dark[0][0] < each[0] < metal]
    return identify_dark_phase([*dark, *others], metal, signals)


def find_csh(
    sample: FlatSample, weights: NDArray[np.int64] | None = None, *, metal: float = 0.0, phase: DarkPhase | None = None
) -> FoundGrey:
    """Return the grey of C-S-H from the darkest peak of flat windows with at least 5 % of them.

    Black places are passed over: clipped, or empty.

    Without such a peak it is the 2 % quantile of all pixels, not reliable.

    Parameters
    ----------
    sample : FlatSample
    weights : (tiles,) int64, optional
        How often each tile counts; once without.
    metal : float
        Grey of metal; wanted if the peak is not C-S-H's own.
    phase : DarkPhase, optional
        What the peak is of, C-S-H without.
    """
    phase = phase or DarkPhase()
    flat, every = sample.flat_counts(weights), sample.counts(weights)
    peaks = [peak for peak in flat_peaks(flat, sample.greys) if peak.share >= LEAST_CSH_SHARE and peak.grey > BLACK]
    if flat.sum() < LEAST_FLAT or not peaks:
        grey = _quantile(every, sample.greys, CSH_QUANTILE)
        return FoundGrey(grey, False, f"C-S-H: nothing is flat, so {CSH_QUANTILE:.0%} of the pixels are darker")
    first = peaks[0]
    share = f"darkest peak of flat places ({first.share:.0%} of them)"
    known = f", confirmed by the peaks of {', '.join(phase.confirmed_by)}" if phase.confirmed_by else ""
    if phase.relative == 0:
        return FoundGrey(first.grey, True, f"C-S-H: {share}{known}")
    found = csh_from(first.grey, metal, phase.relative)
    note = f"C-S-H: no flat places of its own; from {phase.name}, the {share} at {first.grey:.1f}{known}"
    if phase.rivals:
        note += f", but it may as well be {' or '.join(phase.rivals)}"
    return FoundGrey(found, not phase.rivals, note)


def find_metal(sample: FlatSample, weights: NDArray[np.int64] | None = None) -> FoundGrey:
    """Return the grey of metal: the brightest peak of flat windows with at least 0.2 % of them.

    If more than 0.5 % of the pixels are brighter than that by more than 3 standard deviations of the noise, the peak is
    of something else (clinker), and the 99.9 % quantile of all pixels is taken, not reliable.

    Parameters
    ----------
    sample : FlatSample
    weights : (tiles,) int64, optional
        How often each tile counts; once without.
    """
    flat, every = sample.flat_counts(weights), sample.counts(weights)
    least = max(LEAST_METAL_SHARE, 50 / max(1.0, float(flat.sum())))
    peaks = [peak for peak in flat_peaks(flat, sample.greys) if peak.share >= least]
    if flat.sum() >= LEAST_FLAT and len(peaks) > 1:
        last = peaks[-1]
        sd = math.sqrt(float(sample.noise.variance(np.array([last.grey]))[0]))
        brighter = float(every[sample.greys > last.grey + 3 * sd + sample.step].sum() / every.sum())
        if brighter <= MOST_BRIGHTER:
            return FoundGrey(last.grey, True, f"metal: brightest peak of flat places ({last.share:.1%} of them)")
    grey = _quantile(every, sample.greys, METAL_QUANTILE)
    why = "no large region of metal stands out"
    return FoundGrey(grey, False, f"metal: {why}, so only {1 - METAL_QUANTILE:.1%} of the pixels are brighter")


def _quantile(counts: NDArray[Any], greys: NDArray[np.float64], q: float) -> float:
    below = np.cumsum(counts)
    return float(greys[int(np.searchsorted(below, q * below[-1]))])


def bootstrap_anchors(
    sample: FlatSample, *, resamplings: int, seed: int, phase: DarkPhase | None = None, metal: float | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the greys of C-S-H and of metal found in resamplings of whole tiles, (resamplings,) each.

    Parameters
    ----------
    sample : FlatSample
    resamplings, seed : int
    phase : DarkPhase, optional
        What the darkest peak is of.
    metal : float, optional
        Grey of metal, if it is known.

    Raises
    ------
    InputError
        If there are fewer than two tiles, of which nothing can be resampled.
    """
    tiles = len(sample)
    if tiles < 2:
        msg = f"the anchors' errors need at least 2 tiles to resample; the images hold {tiles}"
        raise InputError(msg)
    rng = np.random.default_rng(seed)
    csh, bright = np.empty(resamplings), np.empty(resamplings)
    for draw in range(resamplings):
        weights = rng.multinomial(tiles, np.full(tiles, 1 / tiles))
        bright[draw] = find_metal(sample, weights).grey if metal is None else metal
        csh[draw] = find_csh(sample, weights, metal=bright[draw], phase=phase).grey
    return csh, bright


def region_grey(blocks: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean grey of regions that a person points out, and its standard error.

    Parameters
    ----------
    blocks : (n,) float64
        Means of small squares of the regions, large enough to be independent of each other.
    """
    if blocks.size == 0:
        msg = "the region holds no whole square of 8 x 8 px; give a larger one"
        raise InputError(msg)
    error = float(blocks.std(ddof=1) / math.sqrt(blocks.size)) if blocks.size > 1 else 0.0
    return float(blocks.mean()), error
