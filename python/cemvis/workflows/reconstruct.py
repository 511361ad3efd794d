"""From a two-point correlation back to an image: ``cemvis reconstruct``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cemvis._checks import thread_count
from cemvis._files import access_errors, check_free
from cemvis.analysis.correlation.reconstruction import Reconstructed, reconstruct
from cemvis.analysis.correlation.reconstruction_annealing import Options, Schedule
from cemvis.analysis.correlation.reconstruction_target import TwoPointTarget
from cemvis.errors import InputError
from cemvis.images.pixel_size import PixelSize
from cemvis.kernels.reconstruction import Directions
from cemvis.workflows._reconstruct_files import output_names, write_results
from cemvis.workflows._reconstruct_sources import (
    CountedPhases,
    LabelImage,
    counted_target,
    is_counted,
    read_counted,
    read_labels,
)

Progress = Callable[[str, int, int], None]

USUAL_R_MAX = 32
USUAL_SIDE = 256
MOST_PX = 1 << 26


@dataclass(frozen=True)
class ReconstructConfig:
    """What is reconstructed, and how.

    Attributes
    ----------
    size : (rows, cols), optional
        Of the reconstruction. By default that of the image, up to 256 px a side; 256 x 256 from counts.
    r_max : int, optional
        Largest distance in px; by default 32, or as far as the source and the size go.
    directions : {"all", "axes"}
    source_periodic : bool
        Whether the image of labels repeats without end. For counts: whether they are those of such an image.
    schedule : Schedule
    options : Options
    seed : int
    pixel_size : PixelSize, optional
    threads : int, optional
    """

    size: tuple[int, int] | None = None
    r_max: int | None = None
    directions: Directions = "all"
    source_periodic: bool = False
    schedule: Schedule = field(default_factory=Schedule)
    options: Options = field(default_factory=Options)
    seed: int = 0
    pixel_size: PixelSize | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        thread_count(self.threads)
        if self.size is not None and (min(self.size) < 4 or self.size[0] * self.size[1] > MOST_PX):
            msg = f"the size is {self.size[0]} x {self.size[1]} px; wanted sides from 4 px and at most {MOST_PX:,} px"
            raise InputError(msg)
        if self.r_max is not None and self.r_max < 1:
            msg = f"r_max is {self.r_max}; wanted at least 1 px"
            raise InputError(msg)
        if self.seed < 0:
            msg = f"the seed is {self.seed}; wanted 0 or more"
            raise InputError(msg)


@dataclass(frozen=True, eq=False)
class ReconstructResult:
    """What was wanted and found.

    Attributes
    ----------
    config : ReconstructConfig
    source : LabelImage or CountedPhases
    target : TwoPointTarget
    found : Reconstructed
    reached : (r_max + 1, cells) float64
        Probabilities of the image found, counted anew.
    notes : tuple of str
    files : tuple of Path
    """

    config: ReconstructConfig
    source: LabelImage | CountedPhases
    target: TwoPointTarget
    found: Reconstructed
    reached: np.ndarray
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()

    @property
    def interrupted(self) -> bool:
        """Whether it was stopped from the keyboard."""
        return self.found.ended == "interrupted"

    @property
    def largest_deviation(self) -> float:
        """The largest of all |reached - target|."""
        return float(np.abs(self.reached[1:] - self.target.probabilities[1:]).max())


def reconstruct_file(
    path: Path,
    output: Path,
    config: ReconstructConfig | None = None,
    *,
    overwrite: bool = False,
    command: str = "",
    progress: Progress | None = None,
) -> ReconstructResult:
    """Find an image that has the two-point correlation of another, and write it to the folder `output`.

    Parameters
    ----------
    path : Path
        An image of labels, or the folder (or phases.csv) of `cemvis two-point --phases`.
    output : Path
    config : ReconstructConfig, optional
    overwrite : bool
    command : str
        As it goes into the summary.
    progress : callable, optional
        Called with what is being done, steps done and all steps.

    Returns
    -------
    ReconstructResult
        If it was interrupted from the keyboard, the best candidate as it was then, in files with ".partial" in their
        names.

    Raises
    ------
    InputError
        If the source, r_max and size do not go together.
    OutputExistsError
        If an output is there and `overwrite` is not set; tested before work starts.
    FileAccessError, FileFormatError
    """
    config, path, output = config or ReconstructConfig(), Path(path), Path(output)
    check_free(output, output_names(), overwrite=overwrite)
    source: LabelImage | CountedPhases
    if is_counted(path):
        source = read_counted(path, pixel_size=config.pixel_size)
    else:
        source = read_labels(path, pixel_size=config.pixel_size)
    size = _size(source, config)
    target, notes = _target(source, size, config)
    found = reconstruct(
        target,
        size,
        schedule=config.schedule,
        options=config.options,
        seed=config.seed,
        threads=config.threads,
        progress=progress,
    )
    reached = TwoPointTarget.from_image(
        found.image,
        r_max=target.r_max,
        phases=target.phases,
        periodic=config.options.periodic,
        directions=config.directions,
        threads=config.threads,
    ).probabilities
    if found.ended != "tolerance":
        notes = (*notes, _why(found, config))
    with access_errors(output):
        output.mkdir(parents=True, exist_ok=True)
    return write_results(ReconstructResult(config, source, target, found, reached, notes), output, command=command)


def _size(source: LabelImage | CountedPhases, config: ReconstructConfig) -> tuple[int, int]:
    if config.size is not None:
        return config.size
    if isinstance(source, CountedPhases):
        return USUAL_SIDE, USUAL_SIDE
    rows, cols = source.phases.shape
    return min(rows, USUAL_SIDE), min(cols, USUAL_SIDE)


def _target(
    source: LabelImage | CountedPhases, size: tuple[int, int], config: ReconstructConfig
) -> tuple[TwoPointTarget, tuple[str, ...]]:
    periodic = config.options.periodic
    usual = min(USUAL_R_MAX, min(size) // 2 if periodic else min(size) - 1)
    if isinstance(source, CountedPhases):
        if config.directions != "all":
            msg = f"{source.path} has counts of all directions; wanted an image of labels for the axes alone"
            raise InputError(msg)
        target = counted_target(source, min(usual, source.counts.r_max) if config.r_max is None else config.r_max)
    else:
        side = min(source.phases.shape)
        usual = min(usual, side // 2)
        target = TwoPointTarget.from_image(
            source.phases,
            r_max=usual if config.r_max is None else config.r_max,
            phases=len(source.labels),
            periodic=config.source_periodic,
            directions=config.directions,
            threads=config.threads,
        )
    if config.source_periodic or not periodic:
        return target, ()
    steady = target.with_steady_fractions()
    moved = float(np.abs(steady.probabilities - target.probabilities).max())
    note = (
        "the source has edges and the reconstruction has none: fractions among pairs were made the same at all "
        f"distances, which moved probabilities by up to {moved:.2g}"
    )
    return steady, (note,)


def _why(found: Reconstructed, config: ReconstructConfig) -> str:
    why = {
        "frozen": f"fewer than {config.schedule.least_acceptance:g} of the swaps were made",
        "stages": f"all {config.schedule.max_stages} stages were done",
        "interrupted": "it was interrupted",
    }[found.ended]
    return (
        f"the deviation is {found.rms:.2g}, above the tolerance of {config.schedule.tolerance:g}: annealing ended "
        f"because {why}"
    )
