"""An image of phases whose pair counts follow each swap of two pixels: annealing towards a two-point correlation.

Counts are those of `cemvis.kernels.two_point.pair_counts`, and stay equal to them whatever has been swapped: they are
whole numbers, moved by what the neighbourhoods of the two pixels say. A trial therefore looks at the displacements up
to `r_max` twice, and at no other pixel: ``2 pi r_max^2`` looks or so, however large the image is. Memory: about 9
bytes a pixel, and 4, 8, 16 or 32 for up to 2, 4, 8 or 16 phases, margins of `r_max` included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cemvis import _core
from cemvis._checks import image_2d, thread_count
from cemvis.errors import InputError
from cemvis.kernels._refusals import input_errors
from cemvis.kernels.two_point import PairCounts

MOST_PHASES = 16

Directions = Literal["all", "axes"]
"""Every displacement up to r_max, or those along rows and columns alone."""
Terms = Literal["all", "autocorrelations"]
"""Every pair of phases counts in the energy, or each phase with itself alone."""
Selection = Literal["random", "interface"]
"""Swapped pixels are any of different phases, or such as have a neighbour (of 4) of another phase."""


@dataclass(frozen=True)
class AnnealingRun:
    """What became of some trials: how many there were, how many swaps were made, how many of these cost energy."""

    trials: int
    accepted: int
    worse: int


class Reconstruction:
    """An image that is annealed, with its pair counts and its energy.

    The energy is the sum over rings ``r = 1 .. r_max`` and pairs of phases ``i <= j`` of
    ``weights[r] (counts[r, ij] / pairs[r] - target[r, ij])^2``. It is computed from the counts after each swap, so that
    it never drifts. The same arguments, seed and calls give the same image and energy, bit by bit.

    Parameters
    ----------
    image : (rows, cols) uint8
        Where to begin; levels are the phases. What is swapped keeps the number of pixels of each phase.
    target : (r_max + 1, phases (phases + 1) / 2) float64
        Probabilities; phases ``i <= j`` have column ``j (j + 1) / 2 + i``. Row 0 is not looked at.
    phases : int
        From 2 to 16.
    periodic : bool
        Whether the image repeats without end; else pairs reach to its edge, as in `pair_counts`.
    directions : {"all", "axes"}
        With "axes", ring r holds the displacements (0, r) and (r, 0) alone.
    terms : {"all", "autocorrelations"}
    selection : {"random", "interface"}
    weights : (r_max + 1,) float64, optional
        Of the rings; 1 by default.
    seed : int
        From 0 to 2^64 - 1.
    threads : int, optional
        For the first counts; everything else is one thread's work.

    Raises
    ------
    InputError
        If an argument has the wrong type, shape or range, or `image` has one phase alone.

    References
    ----------
    Yeong, C. L. Y. and Torquato, S. (1998). Reconstructing random media. Physical Review E 57, 495-506.
    doi:10.1103/PhysRevE.57.495

    Examples
    --------
    >>> import numpy as np
    >>> stripes = np.array([[0.5, 0, 0.5], [0.25, 0.5, 0.25]])
    >>> image = np.array([[0, 0, 0, 0], [1, 1, 1, 1]] * 2, dtype=np.uint8)
    >>> Reconstruction(image, stripes, phases=2, directions="axes").energy
    0.0
    """

    def __init__(
        self,
        image: NDArray[np.uint8],
        target: NDArray[np.float64],
        *,
        phases: int,
        periodic: bool = True,
        directions: Directions = "all",
        terms: Terms = "all",
        selection: Selection = "random",
        weights: NDArray[np.float64] | None = None,
        seed: int = 0,
        threads: int | None = None,
    ) -> None:
        image_2d(image, dtypes=("uint8",))
        for name, value, known in (
            ("directions", directions, Directions),
            ("terms", terms, Terms),
            ("selection", selection, Selection),
        ):
            if value not in get_args(known):
                msg = f"{name} is {value!r}; wanted {' or '.join(get_args(known))}"
                raise InputError(msg)
        if isinstance(phases, bool) or not isinstance(phases, (int, np.integer)) or not 2 <= phases <= MOST_PHASES:
            msg = f"phases is {phases!r}; wanted a whole number from 2 to {MOST_PHASES}"
            raise InputError(msg)
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
            msg = f"seed is {seed!r}; wanted a whole number from 0 to 2^64 - 1"
            raise InputError(msg)
        cells = phases * (phases + 1) // 2
        target = np.ascontiguousarray(target, np.float64)
        if target.ndim != 2 or target.shape[1] != cells or len(target) < 2:
            msg = f"target has shape {target.shape}; wanted (r_max + 1, {cells}) for {phases} phases and r_max from 1"
            raise InputError(msg)
        self._r_max = len(target) - 1
        weights = np.ones(len(target)) if weights is None else np.ascontiguousarray(weights, np.float64)
        self._shape = (int(image.shape[0]), int(image.shape[1]))
        self._phases = int(phases)
        with input_errors():
            self._core = _core.Reconstruction(
                image,
                self._phases,
                self._r_max,
                bool(periodic),
                directions == "axes",
                terms == "autocorrelations",
                selection == "interface",
                target,
                weights,
                int(seed),
                thread_count(threads),
            )

    @property
    def r_max(self) -> int:
        """The largest ring, in pixels."""
        return self._r_max

    @property
    def energy(self) -> float:
        """How far the counts are from the target."""
        return self._core.energy()

    @property
    def neighbours(self) -> int:
        """How many displacements a trial looks at, from each of two pixels."""
        return self._core.neighbours()

    def image(self) -> NDArray[np.uint8]:
        """Return a copy of the image as it is now, (rows, cols)."""
        return self._read()[0]

    def counts(self) -> PairCounts:
        """Return a copy of the counts as they are now."""
        _, counts, pairs = self._read()
        return PairCounts(counts, pairs, self._phases, False, "incremental")

    def _read(self) -> tuple[NDArray[np.uint8], NDArray[np.uint64], NDArray[np.uint64]]:
        image = np.empty(self._shape, np.uint8)
        counts = np.empty((self._r_max + 1, self._phases * (self._phases + 1) // 2), np.uint64)
        pairs = np.empty(self._r_max + 1, np.uint64)
        self._core.read(image, counts, pairs)
        return image, counts, pairs

    def swap(self, first: tuple[int, int], second: tuple[int, int]) -> None:
        """Swap the pixels at two places (row, col), whatever it costs.

        Raises
        ------
        InputError
            If a place lies outside the image.
        """
        for row, col in (first, second):
            if not (0 <= row < self._shape[0] and 0 <= col < self._shape[1]):
                msg = f"the pixel ({row}, {col}) lies outside the image of {self._shape[0]} x {self._shape[1]}"
                raise InputError(msg)
        with input_errors():
            self._core.swap(*(int(row) * self._shape[1] + int(col) for row, col in (first, second)))

    def sample_changes(self, samples: int) -> NDArray[np.float64]:
        """Return by how much each of some swaps, drawn as `anneal` draws them, would change the energy, (samples,)."""
        changes = np.empty(samples, np.float64)
        self._core.sample_changes(changes)
        return changes

    def anneal(self, trials: int, temperature: float) -> AnnealingRun:
        """Draw swaps, and make those that lower the energy and others with probability exp(-change / temperature).

        Parameters
        ----------
        trials : int
        temperature : float
            In units of the energy; at 0 no swap that costs energy is made.

        Raises
        ------
        InputError
            If a number is below 0 or not finite.
        """
        with input_errors():
            accepted, worse = self._core.anneal(trials, temperature)
        return AnnealingRun(trials, accepted, worse)
