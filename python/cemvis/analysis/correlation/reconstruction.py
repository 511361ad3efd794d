"""From a two-point correlation back to an image: simulated annealing after Yeong and Torquato.

Swaps of two pixels of different phase keep the fractions; each changes the energy, the sum over rings ``r >= 1`` and
pairs of phases of ``(P[r, ij] - target[r, ij])^2``. The temperature begins where a given share of swaps is made, and
falls by a factor from stage to stage. The image found is one of many with these statistics, not the one that they were
measured in: two-point statistics say nothing of, for instance, how a phase hangs together.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import thread_count
from cemvis.analysis.correlation.reconstruction_annealing import Candidate, Options, Schedule, Stage
from cemvis.analysis.correlation.reconstruction_target import TwoPointTarget
from cemvis.errors import InputError
from cemvis.kernels.two_point import PairCounts

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Reconstructed:
    """The best candidate, and how all came about.

    Attributes
    ----------
    image : (rows, cols) uint8
    counts : PairCounts
        Of the image, as they were followed.
    energy, rms : float
        Of the image.
    candidate : int
        Which one it is.
    stages : tuple of Stage
        Of all candidates.
    ended : str
        Why the best one's annealing ended: "tolerance", "frozen" (too few swaps were made), "stages" or "interrupted".
    """

    image: NDArray[np.uint8]
    counts: PairCounts
    energy: float
    rms: float
    candidate: int
    stages: tuple[Stage, ...]
    ended: str

    @property
    def trials(self) -> int:
        """All swaps that were tried."""
        return sum(each.trials for each in self.stages)

    def to_frame(self) -> pd.DataFrame:
        """Return the energy curve: a row a stage of each candidate."""
        import pandas as pd

        return pd.DataFrame([asdict(each) for each in self.stages], columns=list(Stage.__dataclass_fields__))

    def to_json(self) -> dict[str, Any]:
        """Return what came out, without the image."""
        accepted = sum(each.accepted for each in self.stages)
        return {
            "energy": self.energy,
            "rms_deviation": self.rms,
            "ended": self.ended,
            "candidate": self.candidate,
            "stages": len(self.stages),
            "trials": self.trials,
            "accepted": accepted,
        }


def reconstruct(
    target: TwoPointTarget,
    shape: tuple[int, int],
    *,
    schedule: Schedule | None = None,
    options: Options | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Reconstructed:
    """Find an image of a given two-point correlation.

    Parameters
    ----------
    target : TwoPointTarget
    shape : (rows, cols)
    schedule : Schedule, optional
    options : Options, optional
    seed : int
        The same seed gives the same image, on any number of threads.
    threads : int, optional
        Candidates side by side; one alone takes one.
    progress : callable, optional
        Called with what is being done, how far the slowest candidate is in thousandths, and 1000.

    Returns
    -------
    Reconstructed
        What there is of the best candidate if it was interrupted from the keyboard.

    Raises
    ------
    InputError
        If the target does not fit the shape: r_max beyond half the shorter side (not periodic: the shorter side - 1),
        or a phase with less than a pixel.
    """
    schedule, options = schedule or Schedule(), options or Options()
    _check_reach(target, shape, periodic=options.periodic)
    seeds = np.random.SeedSequence(seed).spawn(options.candidates)
    team = min(thread_count(threads), options.candidates)
    with ThreadPoolExecutor(team) as pool:
        runs = list(pool.map(lambda n: Candidate(n, target, shape, schedule, options, seeds[n]), range(len(seeds))))
        try:
            while going := [each for each in runs if not each.ended]:
                list(pool.map(Candidate.advance, going))
                if progress is not None:
                    progress("annealing", round(1000 * min(each.progress for each in runs)), 1000)
        except KeyboardInterrupt:
            pool.shutdown(wait=True, cancel_futures=True)
            for each in runs:
                each.interrupt()
    best = min(runs, key=lambda each: each.state.energy)
    stages = tuple(stage for each in runs for stage in each.stages)
    energy = best.state.energy
    return Reconstructed(
        best.state.image(), best.state.counts(), energy, best.rms(energy), best.number, stages, best.ended
    )


def _check_reach(target: TwoPointTarget, shape: tuple[int, int], *, periodic: bool) -> None:
    most = min(shape) // 2 if periodic else min(shape) - 1
    if target.r_max > most:
        what = f"half the shorter side, {most}" if periodic else f"the shorter side - 1, {most}"
        msg = f"r_max is {target.r_max} and the size {shape[0]} x {shape[1]}; wanted r_max up to {what}"
        raise InputError(msg)
