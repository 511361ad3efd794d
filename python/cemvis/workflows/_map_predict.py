"""From window sums, and what a network said, to predictions, a chunk of cells at a time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cemvis.models.prediction import Flag
from cemvis.workflows._map_network_pass import NetworkGrids
from cemvis.workflows._map_network_plan import NetworkPlan, at_border
from cemvis.workflows._map_pass import WindowGrids
from cemvis.workflows._map_plan import CellGrid
from cemvis.workflows._map_store import GridFile, WorkFolder

if TYPE_CHECKING:
    from cemvis.images.grey_scale import GreyTransform
    from cemvis.models.model import Model
    from cemvis.models.prediction import Prediction
    from cemvis.models.window_network import WindowNetwork

CHUNK_CELLS = 1_000_000
STATISTICS_CELLS = 4_000_000
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class PropertyGrids:
    """The predictions of one property in the work folder: float32, NaN where a cell is masked or has no interval."""

    value: GridFile
    lower: GridFile
    upper: GridFile

    def half_width(self, first: int = 0, last: int | None = None) -> NDArray[np.float32]:
        """Return half the length of the prediction intervals of the rows `first` to `last` (left out)."""
        half: NDArray[np.float32] = (self.upper.read(first, last) - self.lower.read(first, last)) / np.float32(2)
        return half


@dataclass(frozen=True)
class CellCounts:
    """How many cells a map has, and how many of them have which flag.

    Attributes
    ----------
    cells, masked : int
        All cells, and those that the region of interest leaves out.
    outside : int
        Mapped cells whose mean grey lies outside the model's training range.
    unseen_level : int
        Mapped cells with a grey level that no training window had.
    border : int
        Mapped cells for which a network reads beyond the border of the mosaic or of the region of interest.
    """

    cells: int
    masked: int
    outside: int
    unseen_level: int
    border: int = 0

    @property
    def mapped(self) -> int:
        """Cells that have a value."""
        return self.cells - self.masked

    @property
    def outside_share(self) -> float:
        """Share of the mapped cells that lie outside the model's training range; 0 if none is mapped."""
        return self.outside / self.mapped if self.mapped else 0.0


@dataclass(frozen=True)
class Statistics:
    """How a property is distributed over the mapped cells, in its unit.

    Attributes
    ----------
    cells_used : int
        Mapped cells behind the numbers: all, or in maps of more than four million cells every k-th row and column.
    mean, sd : float
        NaN if no cell is mapped. The standard deviation is the population's.
    quantiles : dict
        Value at the 5, 25, 50, 75 and 95 % quantile.
    """

    cells_used: int
    mean: float
    sd: float
    quantiles: dict[float, float]

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> Statistics:
        """Return the statistics of the finite `values`."""
        finite = values[np.isfinite(values)].astype(np.float64)
        if finite.size == 0:
            return cls(0, math.nan, math.nan, dict.fromkeys(QUANTILES, math.nan))
        at = np.quantile(finite, QUANTILES)
        return cls(
            finite.size, float(finite.mean()), float(finite.std()), dict(zip(QUANTILES, map(float, at), strict=True))
        )


def chunks(shape: tuple[int, int], *, multiple: int = 1) -> Iterator[tuple[int, int]]:
    """Yield the rows (first, last left out) of pieces of about a million cells, whole multiples of `multiple` rows."""
    rows = max(1, CHUNK_CELLS // (shape[1] * multiple)) * multiple
    for first in range(0, shape[0], rows):
        yield first, min(first + rows, shape[0])


def mean_grey(total: NDArray[np.uint64], grid: CellGrid) -> NDArray[np.float64]:
    """Return the mean grey levels of windows, on the mosaic's own scale, from the sums of their pixels."""
    return total / np.float64(grid.window_px**2)


def predict_cells(
    grids: WindowGrids,
    grid: CellGrid,
    transform: GreyTransform,
    model: Model,
    work: WorkFolder,
    network: NetworkCells | None,
) -> tuple[dict[str, PropertyGrids], GridFile, CellCounts]:
    """Predict every property of every cell; return the grids of each by name, the grid of flags, and the counts.

    The mean of a window is brought to the model's grey scale as a whole: the transform is linear, so that is the mean
    of the transformed pixels. `network` has the outputs of the model's network, if it has one.
    """
    flags_file = work.grid("flags", grid.shape, "uint8")
    properties = {
        each.name: PropertyGrids(*(work.grid(f"{each.name}_{part}", grid.shape, "float32") for part in _PARTS))
        for each in model.properties
    }
    counted: Counter[Flag] = Counter()
    every = slice(0, grid.shape[1])
    for first, last in chunks(grid.shape):
        rows = slice(first, last)
        grey = transform.apply(mean_grey(grids.total.read(first, last), grid))
        mapped = np.ones(grey.shape, bool) if grids.inside is None else grids.inside.read(first, last).astype(bool)
        flags = np.where(mapped, 0, Flag.MASKED.value).astype(np.uint8)
        if network is None:
            predictions = {each.name: each.predict(grey[mapped]) for each in model.properties}
        else:
            predictions = network.predict(model, grey, mapped, first, last)
        for name, prediction in predictions.items():
            flags[mapped] |= prediction.flags
            _write(prediction, mapped, properties[name], rows)
        flags_file.write(rows, every, flags)
        for which in _COUNTED:
            counted[which] += int(np.count_nonzero(flags & which))
    return properties, flags_file, CellCounts(grid.shape[0] * grid.shape[1], *(counted[which] for which in _COUNTED))


_PARTS = ("value", "lower", "upper")
_COUNTED = (Flag.MASKED, Flag.CLIPPED_LOW | Flag.CLIPPED_HIGH, Flag.UNSEEN_LEVEL, Flag.BORDER)


@dataclass(frozen=True)
class NetworkCells:
    """What a network said about the cells, and where what it read lies.

    `around` is 1 where what it read for a cell lies in the region of interest; None if it does for every mapped cell.
    """

    plan: NetworkPlan
    grids: NetworkGrids
    around: GridFile | None
    network: WindowNetwork

    def predict(
        self, model: Model, grey: NDArray[np.float64], mapped: NDArray[np.bool_], first: int, last: int
    ) -> dict[str, Prediction]:
        """Return the predictions of the `mapped` cells of the rows `first` to `last`, whose mean grey is `grey`."""
        beyond = at_border(self.plan, first, last)
        if self.around is not None:
            beyond |= self.around.read(first, last) == 0
        flags = self.network.grey_flags(grey) | np.where(beyond, np.uint8(Flag.BORDER), np.uint8(0))
        outputs = self.grids.read(first, last)
        chosen = type(outputs)(outputs.value_gpa[mapped], outputs.spread_gpa[mapped])
        return model.predict_outputs(chosen, flags[mapped])


def _write(prediction: Prediction, mapped: NDArray[np.bool_], into: PropertyGrids, rows: slice) -> None:
    """Write the predictions of the `mapped` cells of some rows."""
    for part in _PARTS:
        values = np.full(mapped.shape, np.nan, np.float32)
        values[mapped] = getattr(prediction, part)
        getattr(into, part).write(rows, slice(0, mapped.shape[1]), values)


def sampled(file: GridFile) -> NDArray[np.float32]:
    """Return the values of a grid, thinned evenly to about four million where there are more."""
    return file.read_every(sampling_step(file.shape))


def sampling_step(shape: tuple[int, int], *, most: int = STATISTICS_CELLS) -> int:
    """Return the step at which rows and columns have to be taken so that at most about `most` cells are left."""
    return max(1, math.ceil(math.sqrt(shape[0] * shape[1] / most)))
