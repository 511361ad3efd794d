"""What a run of pair counts is asked for, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import fraction, thread_count
from cemvis.analysis.correlation.bands import RESAMPLINGS, Bands
from cemvis.analysis.correlation.counting import Counted
from cemvis.analysis.correlation.lengths import (
    TOLERANCE,
    boundary_slopes,
    change,
    characteristic_length,
    correlation_length,
    drift,
    least_noise,
    plateau,
    plateau_start,
)
from cemvis.analysis.correlation.phases import Phases
from cemvis.analysis.correlation.two_point import Unit, in_use, mean_difference, probabilities
from cemvis.errors import InputError
from cemvis.images.pixel_size import PixelSize
from cemvis.kernels.two_point import DifferenceCounts
from cemvis.workflows._two_point_count import Tiling
from cemvis.workflows._two_point_inputs import Distance, Image
from cemvis.workflows._two_point_read import Quantisation


@dataclass(frozen=True)
class TwoPointConfig:
    """What is counted, and how.

    Attributes
    ----------
    r_max : Distance, optional
        By default half the shortest side, up to 256 px.
    masks : tuple of Path
        Images that are not 0 where pixels are valid: one for all, or one for each image.
    phases : Phases, optional
        Ranges of levels; with `quantisation`, of the levels after it.
    cross : Path, optional
        Pairs of a pixel of the image and one of this.
    quantisation : Quantisation
    full : bool
        Pairs of levels too: 8 bytes for each ring and pair, 50 MB at r_max = 191 and 256 levels, several times in use.
    directional : Distance, optional
        Differences by displacement, too, up to this each way.
    lineal, clusters : bool
        Lineal path and two-point cluster functions of the phases; clusters of images up to 67 Mpx.
    tiles : int, optional
        Count only so many tiles of each image, drawn with `seed`: for mosaics of which all pairs would take hours.
    periodic : bool
        Images wrap around, and are held whole.
    pixel_size : PixelSize, optional
    resamplings, level, seed
        Of the bands; 0 resamplings for none.
    tolerance : float
        Of the correlation length, as a share of the change from r = 0 to the plateau.
    threads : int, optional
    """

    r_max: Distance | None = None
    masks: tuple[Path, ...] = ()
    phases: Phases | None = None
    cross: Path | None = None
    quantisation: Quantisation = field(default_factory=Quantisation)
    full: bool = False
    directional: Distance | None = None
    lineal: bool = False
    clusters: bool = False
    tiles: int | None = None
    periodic: bool = False
    pixel_size: PixelSize | None = None
    resamplings: int = RESAMPLINGS
    level: float = 0.95
    seed: int = 0
    tolerance: float = TOLERANCE
    threads: int | None = None

    def __post_init__(self) -> None:
        fraction(self.level, name="level")
        fraction(self.tolerance, name="tolerance")
        thread_count(self.threads)
        if self.phases is None and (self.lineal or self.clusters):
            msg = "lineal path and clusters are those of phases; give --phases"
            raise InputError(msg)
        if self.cross is not None and (self.lineal or self.clusters):
            msg = "lineal path and clusters are of one image, not of pairs between two; leave out --cross"
            raise InputError(msg)
        if self.tiles is not None and (self.tiles < 1 or self.periodic or self.clusters):
            msg = f"{self.tiles} tiles are wanted; wanted at least 1, and neither --periodic nor --clusters"
            raise InputError(msg)
        if self.periodic and self.lineal:
            msg = "lineal path does not wrap around; leave out --periodic"
            raise InputError(msg)
        if self.clusters and (self.masks or self.periodic):
            msg = "clusters are counted in whole images that do not wrap around; leave out --mask and --periodic"
            raise InputError(msg)


@dataclass(frozen=True, eq=False)
class TwoPointResult:
    """What was found.

    Attributes
    ----------
    config : TwoPointConfig
    images : tuple of Image
    cross : Image or None
    total : Counted
    clusters : dict of DifferenceCounts
        By phase; empty if they were not counted.
    bands : Bands or None
        None where there are too few images or tiles, or none were wanted.
    unit, units
        What they were drawn from.
    tiling : Tiling
    notes : tuple of str
    files : tuple of Path
    """

    config: TwoPointConfig
    images: tuple[Image, ...]
    cross: Image | None
    total: Counted
    clusters: dict[str, DifferenceCounts]
    bands: Bands | None
    unit: Unit
    units: int
    tiling: Tiling
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()

    @property
    def r_max(self) -> int:
        """Largest ring in px."""
        return self.total.differences.r_max

    @property
    def pixel_size(self) -> PixelSize | None:
        """Of all images."""
        return self.images[0].pixel_size

    @property
    def phase_names(self) -> tuple[str, ...]:
        """Names of the phases, "rest" last if there is one."""
        phases = self.config.phases
        return () if phases is None else phases.names(self.config.quantisation.levels)

    @cached_property
    def shown(self) -> DifferenceCounts:
        """The counts of differences that some pair has."""
        return in_use(self.total.differences)

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """P(dn | r), (r_max + 1, differences in use)."""
        return probabilities(self.shown)

    @property
    def same(self) -> NDArray[np.float64]:
        """P(dn = 0 | r), (r_max + 1,)."""
        return self.probabilities[:, 0]

    @property
    def mean_difference(self) -> NDArray[np.float64]:
        """Mean of |i - j| in the units of the pixels, (r_max + 1,)."""
        return self.config.quantisation.step * mean_difference(self.probabilities)

    @property
    def change(self) -> NDArray[np.float64]:
        """How far the differences' distribution is from the plateau's, (r_max + 1,)."""
        return change(self.probabilities, plateau(self.shown))

    @property
    def noise(self) -> NDArray[np.float64]:
        """Change that sampling explains, (r_max + 1,): by the bands, else that of independent pixels."""
        return least_noise(self.shown) if self.bands is None else self.bands.noise

    @property
    def correlation_px(self) -> int | None:
        """Where D[r, .] stops changing; None if it doesn't before the plateau."""
        noise = self.noise
        shares = self.probabilities
        drifted = float(drift(shares[plateau_start(self.r_max)], shares[-1], plateau(self.shown)))
        return correlation_length(self.change, noise, tolerance=self.config.tolerance, drifted=drifted)

    @property
    def characteristic_px(self) -> int:
        """Where P(dn = 0 | r) is least."""
        return characteristic_length(self.same)

    @property
    def slopes(self) -> NDArray[np.float64] | None:
        """``-S2'(0)`` of each phase in 1/px; None between two images, and without phases."""
        counts = self.total.phases
        return None if counts is None or counts.ordered else boundary_slopes(counts)
