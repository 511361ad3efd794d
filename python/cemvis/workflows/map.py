"""Maps of modulus and hardness over a mosaic: ``cemvis map`` and `cemvis.map_mosaic`."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError, PixelSizeError
from cemvis.images.grey_scale import GreyScale
from cemvis.images.micrograph import Micrograph, open_micrograph
from cemvis.images.pixel_size import PixelSize
from cemvis.models.inference import Backend
from cemvis.models.model import Model
from cemvis.workflows._map_files import check_map_free, names_of
from cemvis.workflows._map_inputs import default_model, given_model, open_mask
from cemvis.workflows._map_plan import BLOCK_BYTES
from cemvis.workflows._map_result import Anchors, MapConfig, MapResult
from cemvis.workflows._map_run import collected_warnings, run_map
from cemvis.workflows._map_store import unfinished
from cemvis.workflows._map_write import Progress

__all__ = ["Anchors", "MapConfig", "MapResult", "Progress", "map_mosaic", "unfinished"]


def map_mosaic(
    mosaic: str | os.PathLike[str] | Micrograph | NDArray[Any],
    model: str | os.PathLike[str] | Model | None = None,
    *,
    output: str | os.PathLike[str],
    step_um: float | None = None,
    pixel_size: PixelSize | str | None = None,
    anchors: Anchors | tuple[float, float] = "auto",
    mask: str | os.PathLike[str] | Micrograph | NDArray[Any] | None = None,
    threads: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    block_bytes: int = BLOCK_BYTES,
    device: str = "auto",
    backend: Backend = "auto",
    batch: int | None = None,
    tile_samples: int | None = None,
    progress: Progress | None = None,
    notify: Callable[[str], None] | None = None,
) -> MapResult:
    """Map modulus and hardness over a BSE mosaic and write maps, a table of cells, figures and a summary.

    Windows of the model's size are laid over the mosaic `step_um` apart, and only those wholly inside it count. The
    mean grey of each, brought to the model's grey scale, gives the prediction. A model with a network reads a square of
    its own size around each window, and where that reaches over the mosaic's border its mirror image. A network without
    padding runs over whole tiles of the mosaic, where that is cheaper than window by window: once for steps of whole
    multiples of its stride, and up to once for each 8 x 8 px of a square of that stride for finer ones. The mosaic is
    read block by block; memory does not grow with it. All files get their names at the end, together.

    Parameters
    ----------
    mosaic : path, Micrograph or ndarray
        TIFF, BigTIFF, OME-TIFF, PNG, JPEG or Zarr, 8 or 16 bit grey; or (rows, cols) uint8 or uint16.
    model : path, Model or None
        A model file, or "table" or "resnet" for one of those that come with cemvis, which are for demonstration. None
        for the network that comes with cemvis, or the table where that network does not fit the pixel size or the
        mosaic is too small for it.
    output : path
        The folder for the files; made if needed.
    step_um : float, optional
        Distance between cells in um, rounded to whole pixels, and for dense maps to whole multiples of 8 px; the
        model's window if not given.
    pixel_size : PixelSize or str, optional
        Of the mosaic, for example ``"40 nm"``, instead of what its file says. An array has none of its own.
    anchors : "auto", "none", GreyScale or (matrix, clinker)
        See `MapConfig`.
    mask : path, Micrograph or ndarray, optional
        An image of the mosaic's size, nonzero where it is to be mapped; 1 bit and palette images will do as well. A
        cell is mapped if all of its window is.
    threads : int, optional
        All cores if not given.
    resume, overwrite : bool
        See `MapConfig`.
    block_bytes, device, backend, batch, tile_samples
        See `MapConfig`.
    progress : callable, optional
        Called with what is being done, how many steps are done, and how many there are.
    notify : callable, optional
        Called with each note on what was decided, before the long work begins.

    Returns
    -------
    MapResult

    Raises
    ------
    PixelSizeError
        If the pixel size is unknown, or the window is under 8 px or larger than the mosaic, or no whole number of
        pixels makes a sample of the model's network.
    GreyScaleError
        If the histogram shows no matrix and clinker peaks and `anchors` is "auto".
    InputError
        If an argument is out of range, the mask has another size or leaves nothing, another map is to be resumed, or
        a device is not there.
    DeviceMemoryError
        If the network's tiles or batches are too large for the device; the line says what to give.
    OutputExistsError
        If files would be replaced, or an unfinished map is there, and neither `overwrite` nor `resume` allows it.
    FileFormatError, FileAccessError
        If a file cannot be read or written. What was finished until then can be resumed.

    Warns
    -----
    CemvisWarning
        If what the network reads reaches over the border of the mosaic or of the mask at every cell.
    GreyScaleWarning
        If the grey scale could not be made sure of, or over 5 % of the cells lie outside the model's training range.
    PixelSizeWarning
        If the pixel size is more than a factor of 1.5 from the model's.
    """
    config = MapConfig(
        output=_path(output, name="output"),
        step_um=step_um,
        anchors=_anchors(anchors),
        threads=threads,
        resume=resume,
        overwrite=overwrite,
        block_bytes=block_bytes,
        device=device,
        backend=backend,
        batch=batch,
        tile_samples=tile_samples,
    )
    trained, notes = given_model(model), tuple[str, ...]()
    warned: list[str] = []
    with ExitStack() as stack:
        with collected_warnings(warned):
            image = _opened(mosaic, _typed(pixel_size), stack)
            if trained is None:
                trained, notes = default_model(image, step_um=step_um)
            check_map_free(config.output, names_of(trained), overwrite=overwrite, resume=resume)
            region = None if mask is None else open_mask(mask, stack)
        return run_map(
            image, trained, config, region=region, warned=warned, notes=notes, progress=progress, notify=notify
        )


def _path(path: object, *, name: str) -> Path:
    if not isinstance(path, (str, os.PathLike)):
        msg = f"{name} is a {type(path).__name__}; wanted a path"
        raise InputError(msg)
    return Path(path)


def _anchors(anchors: Anchors | tuple[float, float]) -> Anchors:
    if not isinstance(anchors, (tuple, list)):
        return anchors
    numbers = [each for each in anchors if isinstance(each, (int, float, np.number))]
    if len(anchors) != 2 or len(numbers) != 2:
        msg = f"anchors is {anchors!r}; wanted two grey levels, (matrix, clinker)"
        raise InputError(msg)
    return GreyScale(*(float(each) for each in numbers))


def _typed(pixel_size: PixelSize | str | None) -> PixelSize | None:
    if pixel_size is None or isinstance(pixel_size, PixelSize):
        return pixel_size
    if isinstance(pixel_size, str):
        return PixelSize.parse(pixel_size)
    msg = f"pixel_size is {pixel_size!r}; wanted a length with its unit, such as '40 nm', or a PixelSize"
    raise PixelSizeError(msg)


def _opened(
    image: str | os.PathLike[str] | Micrograph | NDArray[Any], pixel_size: PixelSize | None, stack: ExitStack
) -> Micrograph:
    if isinstance(image, np.ndarray):
        return Micrograph.from_array(image, pixel_size=pixel_size)
    if not isinstance(image, Micrograph):
        return stack.enter_context(open_micrograph(_path(image, name="mosaic"), pixel_size=pixel_size))
    if pixel_size is not None:
        msg = "pixel_size goes with a path; an opened Micrograph has its own"
        raise InputError(msg)
    return image
