"""The pass of a window network over a mosaic: tile by tile, gathering the next windows while the network runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis.kernels.tiling import gather_windows
from cemvis.workflows._map_network_plan import NetworkPlan, Tile
from cemvis.workflows._map_plan import CellGrid
from cemvis.workflows._map_read import read_ahead
from cemvis.workflows._map_store import GridFile, WorkFolder

if TYPE_CHECKING:
    from cemvis.images.micrograph import Micrograph
    from cemvis.models.inference import Outputs, Predictor
    from cemvis.models.window_network import WindowNetwork

Samples = NDArray[np.float32]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class NetworkGrids:
    """What a network said about the cells, in the work folder: float32 in GPa, anything where a cell is masked.

    Attributes
    ----------
    value, spread : mapping of str to GridFile
        By target.
    """

    value: Mapping[str, GridFile]
    spread: Mapping[str, GridFile]

    @staticmethod
    def kinds(grid: CellGrid, targets: Sequence[str]) -> dict[str, tuple[tuple[int, int], str]]:
        """Return shape and type of each grid by its name, for the work folder."""
        return {_name(target, part): (grid.shape, "float32") for target in targets for part in ("value", "spread")}

    @classmethod
    def in_folder(cls, work: WorkFolder, targets: Sequence[str]) -> NetworkGrids:
        """Return the grids in `work`."""
        value, spread = ({each: work.grids[_name(each, part)] for each in targets} for part in ("value", "spread"))
        return cls(value, spread)

    def read(self, first: int, last: int) -> Outputs:
        """Return the outputs of the rows `first` to `last` (left out), (rows, cols, targets)."""
        from cemvis.models.inference import Outputs

        value, spread = (
            np.stack([file.read(first, last).astype(np.float64) for file in files.values()], axis=-1)
            for files in (self.value, self.spread)
        )
        return Outputs(value, spread)


def _name(target: str, part: str) -> str:
    return f"network_{target}_{part}"


@dataclass(frozen=True)
class Part:
    """Cells that the network predicts at once.

    Attributes
    ----------
    tile : int
        Number of their tile.
    rows, cols : (n,) int64
        Of the cells. In a dense pass every row goes with every column, else the first with the first and so on.
    share : float
        How much of the tile is done with this part.
    """

    tile: int
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    share: float


@dataclass(frozen=True)
class NetworkJob:
    """A network that is ready to run over a mosaic.

    Attributes
    ----------
    plan : NetworkPlan
    network : WindowNetwork
    predictor : Predictor
    """

    plan: NetworkPlan
    network: WindowNetwork
    predictor: Predictor


class Gatherer:
    """Gathers what the network reads from pieces of a mosaic.

    Parameters
    ----------
    micrograph : Micrograph
    plan : NetworkPlan
    standard : (float, float)
        Grey levels of the mosaic: the one that becomes 0, and how many become 1.
    threads : int
    """

    def __init__(
        self, micrograph: Micrograph, plan: NetworkPlan, standard: tuple[float, float], *, threads: int
    ) -> None:
        self._micrograph = micrograph
        self._plan = plan
        self._grey_mean, self._grey_sd = standard
        self._threads = threads
        self._tiles = plan.tiles
        self._held = -1
        self._top = self._left = 0
        self._pixels: NDArray[Any] = np.empty((0, 0), micrograph.dtype)

    def gather(self, part: Part) -> Samples:
        """Return standardised samples: a tile (1, rows, cols) in a dense pass, else windows (n, window, window)."""
        if part.tile != self._held:
            self._read(self._tiles[part.tile])
            self._held = part.tile
        plan, step = self._plan, self._plan.grid.step_px
        tops = part.rows * step + plan.offset_px - self._top
        lefts = part.cols * step + plan.offset_px - self._left
        size = (plan.field_px, plan.field_px)
        if plan.dense:
            size = (int(tops[-1] - tops[0]) + size[0], int(lefts[-1] - lefts[0]) + size[1])
            tops, lefts = tops[:1], lefts[:1]
        # A window with its centre here begins at a whole pixel, so that nothing is interpolated.
        centres = np.column_stack([tops + (size[0] - 1) / 2, lefts + (size[1] - 1) / 2])
        return gather_windows(
            self._pixels,
            centres,
            window_px=size,
            border="reflect",
            downsample=plan.layout.downsample,
            grey_mean=self._grey_mean,
            grey_sd=self._grey_sd,
            threads=self._threads,
        )

    def _read(self, tile: Tile) -> None:
        """Read the fields of all cells of `tile`, as far as they lie in the mosaic.

        Where a field leaves the mosaic the piece ends with it, so that the piece's mirror image is the mosaic's. A
        field reaches further into the mosaic than out of it, so that the piece holds what is mirrored.
        """
        plan = self._plan

        def along(first: int, last: int, side: int) -> tuple[int, int]:
            begin = first * plan.grid.step_px + plan.offset_px
            return max(0, begin), min(side, begin + (last - 1 - first) * plan.grid.step_px + plan.field_px)

        rows, cols = self._micrograph.shape
        self._top, bottom = along(tile.top, tile.bottom, rows)
        self._left, right = along(tile.left, tile.right, cols)
        self._pixels = self._pixels[:0]  # held until here, they would be in memory beside the new ones
        self._pixels = self._micrograph.read(
            self._top, self._left, bottom - self._top, right - self._left, threads=self._threads
        )


def run_network(
    job: NetworkJob,
    gatherer: Gatherer,
    work: WorkFolder,
    grids: NetworkGrids,
    *,
    inside: GridFile | None,
    first_block: int,
    finished: set[int],
    progress: Progress,
) -> None:
    """Predict every cell that lies `inside` the region of interest, tile by tile, and fill `grids`.

    In the journal of `work` the tiles are blocks, counted from `first_block`; those that are `finished` are left out.
    """
    plan, tiles = job.plan, job.plan.tiles
    todo = [number for number in range(len(tiles)) if first_block + number not in finished]
    done = sum(each.cells for each in tiles) - sum(tiles[number].cells for number in todo)
    all_cells = plan.grid.shape[0] * plan.grid.shape[1]
    progress(done, all_cells)

    def read(part: Part) -> Samples | None:
        return gatherer.gather(part) if part.rows.size else None

    parts = (part for number in todo for part in _parts(plan, number, tiles[number], inside))
    found: _TileOutputs | None = None
    try:
        with closing(read_ahead(read, parts)) as gathered:  # so that no thread reads on after an error or Ctrl-C
            for part, samples in gathered:
                tile = tiles[part.tile]
                if found is None:
                    found = _TileOutputs(tile, len(grids.value))
                if samples is not None:
                    found.put(part, plan, _outputs(job.predictor, samples, plan))
                if part.share == 1:
                    found.write(grids)
                    found = None
                    work.finish_block(first_block + part.tile)
                    done += tile.cells
                    progress(done, all_cells)
                else:
                    progress(done + int(part.share * tile.cells), all_cells)
    finally:
        work.write_journal()


def _outputs(predictor: Predictor, samples: Samples, plan: NetworkPlan) -> Outputs:
    """Return the outputs of the cells of a part: (rows, cols, targets) in a dense pass, else (n, targets)."""
    if not plan.dense:
        return predictor.windows(samples)
    outputs, keep = predictor.dense(samples[0]), plan.keep
    return type(outputs)(outputs.value_gpa[::keep, ::keep], outputs.spread_gpa[::keep, ::keep])


class _TileOutputs:
    """The outputs of a tile while its parts come in."""

    def __init__(self, tile: Tile, targets: int) -> None:
        shape = (tile.bottom - tile.top, tile.right - tile.left, targets)
        self._tile = tile
        self._value, self._spread = np.zeros(shape, np.float32), np.zeros(shape, np.float32)

    def put(self, part: Part, plan: NetworkPlan, outputs: Outputs) -> None:
        rows, cols = part.rows - self._tile.top, part.cols - self._tile.left
        at = np.ix_(rows, cols) if plan.dense else (rows, cols)
        self._value[at], self._spread[at] = outputs.value_gpa, outputs.spread_gpa

    def write(self, grids: NetworkGrids) -> None:
        rows, cols = slice(self._tile.top, self._tile.bottom), slice(self._tile.left, self._tile.right)
        for files, values in ((grids.value, self._value), (grids.spread, self._spread)):
            for index, file in enumerate(files.values()):
                file.write(rows, cols, values[..., index])


def _parts(plan: NetworkPlan, number: int, tile: Tile, inside: GridFile | None) -> Iterator[Part]:
    """Yield the parts of a tile; a single one without cells if all of them are masked."""
    wanted = np.ones((tile.bottom - tile.top, tile.right - tile.left), bool)
    if inside is not None:
        wanted = inside.read(tile.top, tile.bottom)[:, tile.left : tile.right].astype(bool)
    chosen = list(_passes(plan, wanted) if plan.dense else _batches(plan, wanted))
    if not chosen:
        chosen = [(np.empty(0, np.int64), np.empty(0, np.int64))]
    for count, (rows, cols) in enumerate(chosen, start=1):
        yield Part(number, rows + tile.top, cols + tile.left, count / len(chosen))


def _batches(plan: NetworkPlan, wanted: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.int64], ...]]:
    rows, cols = np.nonzero(wanted)
    for first in range(0, len(rows), plan.batch):
        yield rows[first : first + plan.batch], cols[first : first + plan.batch]


def _passes(plan: NetworkPlan, wanted: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.int64], ...]]:
    """Yield rows and columns of the cells of each pass, no further than its wanted cells reach."""
    for down in range(plan.phases):
        for across in range(plan.phases):
            rows, cols = np.nonzero(wanted[down :: plan.phases, across :: plan.phases])
            if len(rows):
                yield (
                    np.arange(rows.min(), rows.max() + 1) * plan.phases + down,
                    np.arange(cols.min(), cols.max() + 1) * plan.phases + across,
                )
