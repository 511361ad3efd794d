"""Locating indents: two mosaics and an indenter's table in; positions, scores, flags and pictures out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import positive
from cemvis.analysis.indentation.located import LocatedIndents
from cemvis.analysis.indentation.micro_positioning.appearance import learned_appearance
from cemvis.analysis.indentation.micro_positioning.batch import Appearance, FoundBatch, Search, locate_batch
from cemvis.analysis.indentation.micro_positioning.each import judged_each
from cemvis.analysis.indentation.micro_positioning.grid import Grid
from cemvis.analysis.indentation.micro_positioning.search import Near, find_table
from cemvis.errors import InputError
from cemvis.images.micrograph import open_micrograph
from cemvis.images.pixel_size import PixelSize
from cemvis.images.registration import RegistrationConfig
from cemvis.workflows._locate_files import assembled, check_output, origin_of, output_folder, write_pictures
from cemvis.workflows._locate_image import difference_image
from cemvis.workflows._locate_judge import judged_indents, refuse_overlaps, refuse_rearranged
from cemvis.workflows._locate_register import registered
from cemvis.workflows._locate_table import (
    AXES,
    StageTable,
    check_extent,
    expected_grid,
    pixel_size_um_of,
    read_stage_table,
)
from cemvis.workflows.indent_tables import IndentTablesConfig

LEAST_EVIDENCE = 6.0  # about N(0, 1) where there are no imprints, and up to 4 after a search for a small table
_TRIED = 4  # batches that are asked what imprints look like, before there are said to be none
_REACH = 0.45  # of the pitch, by which the first test may lie off where it is said to: a neighbour would be met
_TOLERANCE = 0.15  # of the pitch: how far places are off their table, for the coarse search

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class LocateConfig:
    """How indents are located.

    Attributes
    ----------
    axes : str
        Which of the stage's axes point right and down on the image: "+x-y" for a stage whose y points up.
    origin_um : float
        How far each batch may lie from where the table puts it.
    walk_um : float
        Standard deviation of the stage's error per step; re-estimated from each batch.
    turn_deg : float
        How far the table may be turned against the image; each batch may be turned a fifth of it beside.
    first_um : tuple of float, optional
        x and y of the table's first test on the before-image, if known to `origin_um` and less than half a pitch.
    table : IndentTablesConfig
        How the indenter's file is read.
    registration : RegistrationConfig
    """

    axes: str = "+x+y"
    origin_um: float = 3.0
    walk_um: float = 0.2
    turn_deg: float = 2.5
    first_um: tuple[float, float] | None = None
    table: IndentTablesConfig = field(default_factory=IndentTablesConfig)
    registration: RegistrationConfig = field(default_factory=RegistrationConfig)

    def __post_init__(self) -> None:
        if self.axes not in AXES:
            msg = f"axes are {self.axes!r}; wanted one of {', '.join(AXES)}"
            raise InputError(msg)
        positive(self.origin_um, name="origin_um")
        positive(self.walk_um, name="walk_um")
        if not 0 <= self.turn_deg <= 45:
            msg = f"turn_deg is {self.turn_deg:g}; wanted 0 to 45"
            raise InputError(msg)


@dataclass(frozen=True)
class LocateResult:
    """What was located, and the files that say so."""

    located: LocatedIndents
    files: tuple[Path, ...]


def locate(
    before: Path,
    after: Path,
    indents: Path,
    output: Path,
    config: LocateConfig | None = None,
    *,
    before_pixel_size: PixelSize | None = None,
    after_pixel_size: PixelSize | None = None,
    threads: int | None = None,
    overwrite: bool = False,
    command: str = "",
    progress: Progress | None = None,
) -> LocateResult:
    """Locate an indenter's tests on the mosaic taken before they were made.

    The after-image is registered to the before-image (the result stands in `output`/registration and is taken from
    there again), the imprints are found in what it shows beyond the before-image, and each test gets a position,
    a score and a flag.

    Parameters
    ----------
    before, after : Path
        Mosaics.
    indents : Path
        The indenter's table, in any format that `cemvis indents` reads.
    output : Path
        Folder for located.csv, located.json, figures and the review page.
    config : LocateConfig, optional
    before_pixel_size, after_pixel_size : PixelSize, optional
        Taken instead of what the files say.
    threads : int, optional
    overwrite : bool
        Whether results that are there are replaced; decisions.csv never is.
    command : str
        For the record.
    progress : callable, optional
        Called with the stage, steps done and steps there are.

    Raises
    ------
    OutputExistsError
        If a result is there and `overwrite` is not set.
    InputError
        If the table cannot lie on the mosaic, no such grid of imprints is there, or it fits another way round.
    CemvisError
        If a file cannot be used.
    """
    config = config or LocateConfig()
    say: Progress = progress or (lambda stage, done, steps: None)  # noqa: ARG005
    check_output(output, overwrite=overwrite)
    stage = read_stage_table(indents, config.table, axes=config.axes)
    with (
        open_micrograph(before, pixel_size=before_pixel_size) as first,
        open_micrograph(after, pixel_size=after_pixel_size) as second,
        output_folder(output),
    ):
        size_um = pixel_size_um_of(first, before)
        check_extent(indents, stage, first.shape, size_um)
        sizes = before_pixel_size, after_pixel_size
        displacement, registration = registered(
            before, after, output, config.registration, sizes, threads, command, say
        )
        image = difference_image(first, second, displacement, folder=output, threads=threads, progress=say)
        found, appearance = _found(image, stage, config, size_um, say, indents)
        refuse_overlaps(found, appearance, indents, [batch.name for batch in stage.batches])
        judged = judged_indents(first, displacement, stage, found, appearance, size_um)
        refuse_rearranged(judged, stage, indents, config.axes, size_um)
        about = origin_of(first, second, indents, asdict(config), appearance, command)
        located = assembled(stage, judged, size_um, about)
        files = located.save(output)
        say("pictures", 0, 1)
        files += write_pictures(located, first, second, displacement, output, threads=threads, overwrite=overwrite)
    return LocateResult(located, (*files, *registration))


def _found(
    image: NDArray[np.uint8], stage: StageTable, config: LocateConfig, pixel_size_um: float, say: Progress, path: Path
) -> tuple[list[FoundBatch], Appearance]:
    """Return the batches in the order of the table, and what imprints look like."""
    say("looking for the grid", 0, 1)
    expected = _expected_places(image, stage, config, pixel_size_um)
    grids = []
    for batch in stage.batches:
        at = stage.members(batch)
        grids.append(expected_grid(batch, stage.table.row[at], stage.table.column[at], expected[at]))
    search = Search(
        origin_px=config.origin_um / pixel_size_um,
        walk_px=max(config.walk_um / pixel_size_um, 0.3),
        turn_rad=np.radians(config.turn_deg) / 5,
    )
    appearance = _learned(image, grids, search, say, path)
    found = []
    for n, grid in enumerate(grids):
        found.append(judged_each(image, locate_batch(image, grid, appearance, search), appearance))
        say("batches", n + 1, len(grids))
    if max(each.evidence for each in found) < LEAST_EVIDENCE:
        raise _no_grid(path, max(each.evidence for each in found))
    return found, appearance


def _expected_places(
    image: NDArray[np.uint8], stage: StageTable, config: LocateConfig, pixel_size_um: float
) -> NDArray[np.float64]:
    """Return where the table's tests are expected on the before-image, (n, 2) px."""
    positions = stage.positions_um / pixel_size_um
    pitch = stage.pitch_um / pixel_size_um
    near = None
    if config.first_um is not None:
        x, y = config.first_um
        near = Near((x / pixel_size_um, y / pixel_size_um), min(config.origin_um / pixel_size_um, _REACH * pitch))
    place = find_table(
        image,
        positions,
        pitch_px=pitch,
        tolerance_px=_TOLERANCE * pitch,
        turn_rad=np.radians(config.turn_deg),
        near=near,
    )
    return np.asarray(place.apply(positions))


def _learned(image: NDArray[np.uint8], grids: list[Grid], search: Search, say: Progress, path: Path) -> Appearance:
    """Return what imprints look like, from the batch of those tried that shows them best."""
    chosen = sorted(range(len(grids)), key=lambda n: -int(grids[n].present.sum()))[:_TRIED]
    best: tuple[float, Appearance] | None = None
    for n in chosen:
        say("what imprints look like", 0, 1)
        appearance, found = learned_appearance(image, grids[n], search)
        if best is None or found.evidence > best[0]:
            best = found.evidence, appearance
        if found.evidence > 3 * LEAST_EVIDENCE:
            break
    assert best is not None
    if best[0] < LEAST_EVIDENCE:
        raise _no_grid(path, best[0])
    return best[1]


def _no_grid(path: Path, evidence: float) -> InputError:
    msg = (
        f"the after-image shows no such grid of imprints as {path} tells of (evidence {evidence:.1f}, wanted at "
        f"least {LEAST_EVIDENCE:g}); is it the mosaic taken after indentation, and does the table belong to it?"
    )
    return InputError(msg)
