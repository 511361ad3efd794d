"""One image on its way down: stages of falling temperature, from pixels laid out at random."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import fraction
from cemvis.analysis.correlation.reconstruction_target import TwoPointTarget
from cemvis.errors import InputError
from cemvis.kernels.reconstruction import Reconstruction, Selection, Terms

_SAMPLED_CHANGES = 1000
_LOOKS_A_CALL = 2 * 10**8  # displacements looked at between two chances to stop: some 0.1 s


@dataclass(frozen=True)
class Schedule:
    """How the temperature falls, and when it is enough.

    Attributes
    ----------
    start_acceptance : float
        Share of the first swaps that the first temperature lets happen.
    cooling : float
        The temperature of a stage over that of the one before it.
    trials_per_pixel : float
        Swaps tried in each stage, over the number of pixels.
    tolerance : float
        Done once the root mean square deviation of the probabilities is no more than this.
    least_acceptance : float
        Given up once a smaller share of a stage's swaps is made; a last stage without heat follows.
    max_stages : int
    """

    start_acceptance: float = 0.2
    cooling: float = 0.7
    trials_per_pixel: float = 1.0
    tolerance: float = 1e-4
    least_acceptance: float = 2e-4
    max_stages: int = 200

    def __post_init__(self) -> None:
        fraction(self.start_acceptance, name="start_acceptance")
        fraction(self.cooling, name="cooling")
        fraction(self.least_acceptance, name="least_acceptance")
        for name in ("trials_per_pixel", "tolerance"):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0 or (name == "trials_per_pixel" and value == 0):
                msg = f"{name} is {value!r}; wanted a finite number above 0"
                raise InputError(msg)
        if self.max_stages < 1:
            msg = f"max_stages is {self.max_stages}; wanted at least 1"
            raise InputError(msg)


@dataclass(frozen=True)
class Stage:
    """One temperature of one candidate, and where it ended.

    Attributes
    ----------
    candidate, stage : int
    temperature, energy : float
        The energy at the stage's end.
    rms : float
        Root mean square deviation of the probabilities from the target.
    trials, accepted, worse : int
        Swaps tried, made, and made although they cost energy.
    """

    candidate: int
    stage: int
    temperature: float
    energy: float
    rms: float
    trials: int
    accepted: int
    worse: int


@dataclass(frozen=True)
class Options:
    """What counts, and how it is looked for.

    Attributes
    ----------
    periodic : bool
        Whether the image repeats without end.
    terms : {"all", "autocorrelations"}
        Every pair of phases counts, or each phase with itself alone.
    selection : {"interface", "random"}
        Whether swapped pixels have a neighbour of another phase, or lie anywhere.
    weights : tuple of float, optional
        Of the rings 0 to r_max, ring 0 ignored; 1 by default.
    candidates : int
        Annealed beside each other from different beginnings; the best is kept.
    """

    periodic: bool = True
    terms: Terms = "all"
    selection: Selection = "interface"
    weights: tuple[float, ...] | None = None
    candidates: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.candidates <= 1024:
            msg = f"candidates is {self.candidates}; wanted 1 to 1024"
            raise InputError(msg)


def random_image(target: TwoPointTarget, shape: tuple[int, int], *, seed: int = 0) -> NDArray[np.uint8]:
    """Return an image of phases at random places with the target's fractions, (rows, cols).

    Raises
    ------
    InputError
        If a phase that is there would get no pixel.
    """
    if min(shape) < 2:
        msg = f"the size is {shape[0]} x {shape[1]}; wanted at least 2 x 2 pixels"
        raise InputError(msg)
    pixels = shape[0] * shape[1]
    exact = target.fractions * pixels
    counts = np.floor(exact).astype(np.int64)
    short = pixels - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:short]] += 1
    lost = np.flatnonzero((counts == 0) & (target.fractions > 0))
    if lost.size:
        share = target.fractions[lost[0]]
        msg = f"phase {lost[0]} has a fraction of {share:.3g}, less than a pixel of {pixels:,}; make the size larger"
        raise InputError(msg)
    image = np.repeat(np.arange(len(counts), dtype=np.uint8), counts)
    return np.random.default_rng(seed).permutation(image).reshape(shape)


class Candidate:
    """One image on its way down; `ended` says why it got no farther, and is empty before."""

    def __init__(
        self,
        number: int,
        target: TwoPointTarget,
        shape: tuple[int, int],
        schedule: Schedule,
        options: Options,
        seed: np.random.SeedSequence,
    ) -> None:
        at_start, at_swaps = (int(each) for each in seed.generate_state(2, np.uint64))
        weights = None if options.weights is None else np.array(options.weights, np.float64)
        self.number, self.schedule, self._pixels = number, schedule, shape[0] * shape[1]
        self.state = Reconstruction(
            random_image(target, shape, seed=at_start),
            target.probabilities,
            phases=target.phases,
            periodic=options.periodic,
            directions=target.directions,
            terms=options.terms,
            selection=options.selection,
            weights=weights,
            seed=at_swaps,
            threads=1,
        )
        cells = target.phases if options.terms == "autocorrelations" else target.probabilities.shape[1]
        self._terms = cells * (target.r_max if weights is None else float(weights[1:].sum()))
        self.temperature = start_temperature(self.state.sample_changes(_SAMPLED_CHANGES), schedule.start_acceptance)
        self.stages: list[Stage] = []
        self.ended = ""
        self._cold, self._reason = schedule.max_stages == 1, "stages"  # the last stage is one without heat
        self._first = self.rms(self.state.energy)
        self._begin_stage()

    def rms(self, energy: float) -> float:
        """Return the root mean square deviation of the probabilities that an energy stands for."""
        return math.sqrt(max(energy, 0.0) / self._terms) if self._terms else 0.0

    @property
    def progress(self) -> float:
        """How far it is from its beginning to the tolerance, in orders of magnitude: 0 to 1."""
        if self.ended:
            return 1.0
        if self.schedule.tolerance == 0 or self._first <= self.schedule.tolerance:
            return len(self.stages) / self.schedule.max_stages
        now = max(self.rms(self.state.energy), self.schedule.tolerance)
        return max(0.0, math.log(self._first / now) / math.log(self._first / self.schedule.tolerance))

    def _begin_stage(self) -> None:
        self._trials = self._accepted = self._worse = 0

    def advance(self) -> None:
        """Try some of a stage's swaps, and end the stage if these were its last."""
        wanted = max(1, round(self.schedule.trials_per_pixel * self._pixels))
        most = max(1, _LOOKS_A_CALL // (2 * self.state.neighbours))
        run = self.state.anneal(min(wanted - self._trials, most), 0.0 if self._cold else self.temperature)
        self._trials += run.trials
        self._accepted += run.accepted
        self._worse += run.worse
        if self._trials >= wanted:
            self._end_stage()

    def interrupt(self) -> None:
        """End now, with what there is of the stage."""
        if self._trials:
            self._record_stage()
        self.ended = self.ended or "interrupted"

    def _record_stage(self) -> float:
        energy = self.state.energy
        temperature = 0.0 if self._cold else self.temperature
        rms = self.rms(energy)
        counts = (self._trials, self._accepted, self._worse)
        self.stages.append(Stage(self.number, len(self.stages), temperature, energy, rms, *counts))
        return rms

    def _end_stage(self) -> None:
        rms = self._record_stage()
        if rms <= self.schedule.tolerance:
            self.ended = "tolerance"
        elif self._cold:
            self.ended = self._reason
        elif self._accepted < self.schedule.least_acceptance * self._trials:
            self._cold, self._reason = True, "frozen"
        elif len(self.stages) + 1 >= self.schedule.max_stages:
            self._cold, self._reason = True, "stages"
        self.temperature *= self.schedule.cooling
        self._begin_stage()


def start_temperature(changes: NDArray[np.float64], acceptance: float) -> float:
    """Return the temperature at which swaps that cost these energies are made with a probability of `acceptance`.

    Only changes above 0 count, since others are made at any temperature. 0 if there are none.
    """
    uphill = changes[changes > 0]
    if uphill.size == 0:
        return 0.0
    low, high = 0.0, float(uphill.max()) / -math.log(acceptance)  # there even the dearest is made often enough
    for _ in range(60):
        middle = 0.5 * (low + high)
        if middle > 0 and float(np.exp(-uphill / middle).mean()) < acceptance:
            low = middle
        else:
            high = middle
    return high
