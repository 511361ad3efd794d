"""The two-point correlation of phases that an image is to have: from an image, or from counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import image_2d
from cemvis.errors import InputError
from cemvis.kernels.reconstruction import MOST_PHASES, Directions
from cemvis.kernels.two_point import PairCounts, pair_cell, pair_counts

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class TwoPointTarget:
    """Probabilities of the pairs of phases, ring by ring.

    Attributes
    ----------
    probabilities : (r_max + 1, phases (phases + 1) / 2) float64
        Of unordered pairs: phases ``i <= j`` have column ``j (j + 1) / 2 + i``. Each row adds up to 1; row 0 holds the
        fractions of the phases, and 0 for pairs of different ones.
    phases : int
    directions : {"all", "axes"}
        The displacements of ring r: all with ``|h|`` rounded to r, or (0, r) and (r, 0) alone.
    """

    probabilities: NDArray[np.float64]
    phases: int
    directions: Directions = "all"

    def __post_init__(self) -> None:
        if self.directions not in get_args(Directions):
            msg = f"directions is {self.directions!r}; wanted {' or '.join(get_args(Directions))}"
            raise InputError(msg)
        if not 2 <= self.phases <= MOST_PHASES:
            msg = f"there are {self.phases} phases; wanted 2 to {MOST_PHASES}"
            raise InputError(msg)
        values, cells = self.probabilities, self.phases * (self.phases + 1) // 2
        if values.ndim != 2 or values.shape[1] != cells or len(values) < 2:
            msg = f"probabilities have shape {values.shape}; wanted (r_max + 1, {cells}) for {self.phases} phases"
            raise InputError(msg)
        if not np.isfinite(values).all() or values.min() < 0 or np.abs(values.sum(1) - 1).max() > 1e-6:
            msg = "probabilities are not finite, below 0, or do not add up to 1 at each distance"
            raise InputError(msg)
        if np.abs(self.fractions.sum() - 1) > 1e-6:
            msg = "pairs of different phases have probabilities above 0 at distance 0; wanted fractions there"
            raise InputError(msg)
        if np.count_nonzero(self.fractions) < 2:
            msg = "only one phase is there, so that nothing can be rearranged; wanted at least two"
            raise InputError(msg)

    @property
    def r_max(self) -> int:
        """The largest ring, in pixels."""
        return len(self.probabilities) - 1

    @property
    def fractions(self) -> NDArray[np.float64]:
        """Of the phases, (phases,)."""
        return self.probabilities[0, [pair_cell(i, i) for i in range(self.phases)]]

    @classmethod
    def from_counts(cls, counts: PairCounts, *, directions: Directions = "all") -> TwoPointTarget:
        """Return the probabilities that counts in one image, or their sum over several, give."""
        if counts.ordered:
            msg = "these are counts between two images; wanted those of one"
            raise InputError(msg)
        if counts.pairs.min() == 0:
            msg = f"there are no pairs at a distance of {int(np.argmin(counts.pairs))} px; wanted some at each"
            raise InputError(msg)
        return cls(counts.counts / counts.pairs[:, None].astype(np.float64), counts.levels, directions)

    @classmethod
    def from_image(
        cls,
        image: NDArray[np.uint8],
        *,
        r_max: int,
        phases: int | None = None,
        periodic: bool = False,
        directions: Directions = "all",
        threads: int | None = None,
    ) -> TwoPointTarget:
        """Return the probabilities of an image of phases, (rows, cols) uint8, whose numbers begin at 0.

        Raises
        ------
        InputError
            If a phase is not below `phases`, there is but one, or `r_max` is beyond the image (periodic: half of it).
        """
        counts = phase_pair_counts(
            image, r_max=r_max, phases=phases, periodic=periodic, directions=directions, threads=threads
        )
        return cls.from_counts(counts, directions=directions)

    def with_steady_fractions(self) -> TwoPointTarget:
        """Return the target with the same fractions at every distance, as a periodic image has them.

        Pairs in an image with edges leave out more of its margin the longer they are, so the fractions ``f(r)`` among
        their pixels wander from those of the image, ``f``: by less than 0.01 in most images, and yet far more than an
        annealed image deviates. Their part is exchanged: ``P[ij] + 2 f_i f_j - 2 f_i(r) f_j(r)``, halved for i = j.
        What falls below 0 by that becomes 0, and the row is scaled to add up to 1.
        """
        names = self.pair_names()
        at_ring = np.zeros((self.r_max + 1, self.phases))
        for n, (i, j) in enumerate(names):
            at_ring[:, i] += 0.5 * self.probabilities[:, n]
            at_ring[:, j] += 0.5 * self.probabilities[:, n]
        values = self.probabilities.copy()
        for n, (i, j) in enumerate(names):
            twice = 1.0 if i == j else 2.0
            values[1:, n] += twice * (self.fractions[i] * self.fractions[j] - at_ring[1:, i] * at_ring[1:, j])
        values = np.maximum(values, 0.0)
        return TwoPointTarget(values / values.sum(1, keepdims=True), self.phases, self.directions)

    def pair_names(self) -> list[tuple[int, int]]:
        """Return the two phases of each column."""
        return [(i, j) for j in range(self.phases) for i in range(j + 1)]

    def to_frame(self, reached: NDArray[np.float64] | None = None) -> pd.DataFrame:
        """Return a row for each distance and pair of phases; `reached`, shaped as the probabilities, goes beside."""
        import pandas as pd

        names = np.array(self.pair_names() * (self.r_max + 1))
        columns = {
            "r_px": np.repeat(np.arange(self.r_max + 1), len(self.pair_names())),
            "phase_i": names[:, 0],
            "phase_j": names[:, 1],
            "target": self.probabilities.ravel(),
        }
        if reached is not None:
            columns |= {"reached": reached.ravel(), "deviation": (reached - self.probabilities).ravel()}
        return pd.DataFrame(columns)


def phase_pair_counts(
    image: NDArray[np.uint8],
    *,
    r_max: int,
    phases: int | None = None,
    periodic: bool = False,
    directions: Directions = "all",
    threads: int | None = None,
) -> PairCounts:
    """Count the pairs of phases of an image, (rows, cols) uint8, in all directions or along its axes alone.

    Raises
    ------
    InputError
        If a phase is not below `phases` (default: those up to the largest there), or `r_max` is beyond the image
        (periodic: half its shorter side).
    """
    image_2d(image, dtypes=("uint8",))
    found = int(image.max()) + 1
    phases = found if phases is None else phases
    if found > min(phases, MOST_PHASES):
        msg = f"the image has phase {found - 1}; wanted 0 to {min(phases, MOST_PHASES) - 1}"
        raise InputError(msg)
    most = min(image.shape) // 2 if periodic else min(image.shape) - 1
    if not 1 <= r_max <= most:
        what = "half its shorter side" if periodic else "its shorter side - 1"
        msg = f"r_max is {r_max} and the image {image.shape[0]} x {image.shape[1]}; wanted 1 to {what}, {most}"
        raise InputError(msg)
    if directions == "all":
        return pair_counts(image, r_max=r_max, periodic=periodic, levels=phases, threads=threads)
    cells = phases * (phases + 1) // 2
    counts = np.zeros((r_max + 1, cells), np.uint64)
    for r in range(r_max + 1):
        for axis in (0, 1) if r else (0,):
            if periodic:
                one, other = image, np.roll(image, -r, axis)
            else:
                size = image.shape[axis]
                one, other = (image.take(range(*ends), axis) for ends in ((0, size - r), (r, size)))
            cell = pair_cell(one.astype(np.intp), other.astype(np.intp))
            counts[r] += np.bincount(cell.ravel(), minlength=cells).astype(np.uint64)
    return PairCounts(counts, counts.sum(1, dtype=np.uint64), phases, False, "axes")
