"""How a mosaic is to be mapped, and what a finished map is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import thread_count
from cemvis.errors import FileAccessError, InputError
from cemvis.images.grey_scale import GreyScale, GreyTransform
from cemvis.images.pixel_size import PixelSize
from cemvis.models.inference import Backend
from cemvis.workflows import _map_files as names
from cemvis.workflows._map_plan import BLOCK_BYTES, CellGrid
from cemvis.workflows._map_predict import CellCounts, Statistics

if TYPE_CHECKING:
    import pandas as pd

Anchors = Literal["auto", "none"] | GreyScale


@dataclass(frozen=True)
class MapConfig:
    """How a mosaic is mapped.

    Attributes
    ----------
    output : Path
        The folder for the files.
    step_um : float or None
        Distance between neighbouring cells in um, rounded to whole pixels, and for dense maps, if it is below the
        window, to whole multiples of 8 px: within an eighth of it to the one of fewest passes. None for the model's
        window.
    anchors : "auto", "none" or GreyScale
        How the mosaic is brought to the model's grey scale: by the matrix and clinker peaks of its histogram, not at
        all, or by these two grey levels of the mosaic.
    threads : int or None
        Threads that decode and sum, and that a network runs with on the CPU; None for all cores. Sums do not depend on
        it, what a network says by rounding only.
    resume : bool
        Continue an unfinished map of the same inputs and settings, if there is one.
    overwrite : bool
        Replace the files of an earlier map and drop an unfinished one.
    block_bytes : int
        Pixels held at a time, in bytes, if what a network reads for one cell is not more; two or three times that are
        in memory. An unfinished map goes on with the same number only. Sums do not depend on it, what a network says
        by rounding only.
    device : str
        That a network runs on: "cpu", "cuda", "cuda:1", "mps", or "auto" for the fastest there is. As with the three
        settings that follow, results differ by rounding only. A model without a network has no use for any of them.
    backend : "auto", "torch" or "onnx"
        That a network runs with.
    batch : int or None
        Windows that a network is given at once, at most, where it predicts them one by one; None for as many as are
        fast on a CPU. A batch ends with its tile, which holds at most 22 x 22 cells, and on the CPU PyTorch takes large
        windows in smaller parts.
    tile_samples : int or None
        Samples along the edge of the tiles of a dense map, at most, if one window is not larger, and no more than
        `block_bytes` hold. The default is 1,024, or five windows where that is more, up to 5,000, which take some
        1.3 GB.
    """

    output: Path
    step_um: float | None = None
    anchors: Anchors = "auto"
    threads: int | None = None
    resume: bool = False
    overwrite: bool = False
    block_bytes: int = BLOCK_BYTES
    device: str = "auto"
    backend: Backend = "auto"
    batch: int | None = None
    tile_samples: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.anchors, GreyScale) and self.anchors not in ("auto", "none"):
            msg = f"anchors is {self.anchors!r}; wanted 'auto', 'none' or a GreyScale(matrix=..., clinker=...)"
            raise InputError(msg)
        thread_count(self.threads)
        if self.backend not in get_args(Backend):
            msg = f"backend is {self.backend!r}; wanted one of {', '.join(get_args(Backend))}"
            raise InputError(msg)
        sizes = {"batch": self.batch, "tile_samples": self.tile_samples}
        given = {name: size for name, size in sizes.items() if size is not None}
        for name, size in ({"block_bytes": self.block_bytes} | given).items():
            if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
                msg = f"{name} is {size!r}; wanted a whole number above 0"
                raise InputError(msg)


@dataclass(frozen=True)
class MapResult:
    """A finished map: where its files are and what is in them.

    Attributes
    ----------
    output : Path
    files : tuple of Path
    grid : CellGrid
    pixel_size : PixelSize
    transform : GreyTransform
        From the mosaic's grey levels to the model's.
    counts : CellCounts
    statistics : Mapping
        `Statistics` of each property by its name.
    units : Mapping
        Unit of each property by its name.
    warnings : tuple of str
    notes : tuple of str
        What was decided on the way, such as leaving out an info bar or rounding the step.
    interval_notes : Mapping
        Why a property has no prediction interval, by its name.
    network : str
        What the model's network read and how it was computed, in words; empty if it has none.
    """

    output: Path
    files: tuple[Path, ...]
    grid: CellGrid
    pixel_size: PixelSize
    transform: GreyTransform
    counts: CellCounts
    statistics: Mapping[str, Statistics]
    units: Mapping[str, str]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    interval_notes: Mapping[str, str]
    network: str = ""

    def values(self, name: str) -> NDArray[np.float32]:
        """Read the map of a property, (rows, cols) float32 in its unit, NaN where a cell is masked."""
        return _read_raster(self.output / names.raster_name(name))

    def half_width(self, name: str) -> NDArray[np.float32]:
        """Read the half width of a property's prediction intervals, NaN where none can be promised."""
        return _read_raster(self.output / names.half_width_name(name))

    def to_frame(self) -> pd.DataFrame:
        """Read the table of cells: position, mean grey, predictions, interval ends and flags."""
        import pandas as pd

        return pd.read_parquet(self.output / names.CELLS_PARQUET)


def _read_raster(path: Path) -> NDArray[np.float32]:
    from tifffile import imread

    if not path.is_file():
        msg = f"there is no {path}: the map has no such property or no interval for it"
        raise FileAccessError(msg)
    values: NDArray[np.float32] = imread(path)
    return values
