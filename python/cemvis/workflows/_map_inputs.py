"""What a map is made from: the model, the region of interest, and where the images come from."""

from __future__ import annotations

import os
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis._files import file_digest
from cemvis.errors import CemvisError, FileFormatError, InputError, PixelSizeError, PixelSizeWarning
from cemvis.images.micrograph import Micrograph, open_micrograph
from cemvis.images.pixel_size import PixelSize
from cemvis.models.model import Model
from cemvis.models.model_file import EMBEDDED, embedded_kinds, embedded_model, load_model
from cemvis.workflows._map_network_plan import fitted_layout, plan_network, some_inside
from cemvis.workflows._map_plan import BLOCK_BYTES, cell_grid, pixel_size_warning

NO_SIZE = PixelSize(1.0, "mask")  # a mask lies on the mosaic pixel by pixel, whatever its file says


def notes_on(image: Micrograph) -> tuple[str, ...]:
    """Return what was decided while an image was opened: pages and metadata left aside, an info bar left out."""
    if not image.info_bar_rows:
        return image.notes
    bar = f"the info bar, {image.info_bar_rows} rows at the bottom, is left out (by the {image.info_bar_source})"
    return (*image.notes, bar)


def image_origin(image: Micrograph) -> dict[str, Any]:
    """Return the name, shape, type and digest of an image, for the summary and for --resume."""
    about: dict[str, Any] = {"shape_px": list(image.shape), "dtype": str(image.dtype), "notes": list(notes_on(image))}
    if image.path is not None and image.path.is_file():
        return {"file": image.path.name} | file_digest(image.path) | about
    name = {} if image.path is None else {"file": image.path.name}
    return name | {"sha256": image.digest()} | about


def path_of(image: Micrograph) -> str | None:
    """Return where an image's file lies, with slashes; None of an array and of the sample that comes with cemvis.

    The path is absolute: maps of one mosaic are then the same wherever they are written.
    """
    if image.path is None:
        return None
    place, package = image.path.parent.resolve(), Path(__file__).resolve().parents[1]
    return None if place.is_relative_to(package) else (place / image.path.name).as_posix()


def given_model(model: object) -> Model | None:
    """Return the model that a name or a path stands for; None stands for the default.

    The kinds of `EMBEDDED` name the models that come with cemvis; a file of that name is meant by ``./table``.
    """
    if model is None or isinstance(model, Model):
        return model
    if not isinstance(model, (str, os.PathLike)):
        msg = f"model is a {type(model).__name__}; wanted a path"
        raise InputError(msg)
    kind = os.fspath(model)
    return embedded_model(kind) if kind in EMBEDDED else load_model(Path(model))


def default_model(image: Micrograph, *, step_um: float | None) -> tuple[Model, tuple[str, ...]]:
    """Return the embedded network where it fits `image`, else the embedded table, and what there is to say.

    It fits where its values may be trusted at the pixel size, and at least one cell has all that it reads in the image.
    """
    if "resnet" not in embedded_kinds():
        return embedded_model("table"), ()
    model = embedded_model("resnet")
    misfit = _misfit(model, image, step_um)
    if misfit:
        return embedded_model("table"), (f"the embedded table model is used, not the network: {misfit}",)
    return model, ()


def _misfit(model: Model, image: Micrograph, step_um: float | None) -> str:
    """Return why the network of `model` should not map `image`; empty if it may."""
    network, pixel_size = model.window_network, image.require_pixel_size()
    if network is None:
        return ""
    warning = pixel_size_warning(pixel_size.um, model.pixel_size_um)
    if warning is not None:
        return f"it was trained at {model.pixel_size_um * 1000:g} nm/px, the mosaic has {pixel_size.um * 1000:g} nm/px"
    try:
        layout = fitted_layout(network.layout, pixel_size_um=pixel_size.um, model_pixel_size_um=model.pixel_size_um)
        grid = cell_grid(image.shape, pixel_size.um, window_um=model.window_um, step_um=step_um)
        plan, _ = plan_network(
            layout, grid, step_given=step_um is not None, tile_samples=None, block_px=BLOCK_BYTES, batch=None
        )
    except PixelSizeError as error:
        return str(error)
    if some_inside(plan):
        return ""
    return f"the {plan.field_px} px that it reads around a cell reach over the mosaic's border at every cell"


def open_mask(mask: str | os.PathLike[str] | Micrograph | NDArray[Any], stack: ExitStack) -> Micrograph:
    """Open a mask, nonzero where the mosaic is to be mapped.

    Grey images are read by window, as mosaics are. Arrays, and images of 1 bit or with a palette, of which the index
    counts, are held in memory as a byte a pixel.

    Raises
    ------
    InputError
        If it is neither an image nor the path of one.
    FileFormatError, FileAccessError
        If the file cannot be read.
    """
    if isinstance(mask, Micrograph):
        return mask
    if isinstance(mask, np.ndarray):
        return _in_memory(mask)
    if not isinstance(mask, (str, os.PathLike)):
        msg = f"mask is a {type(mask).__name__}; wanted a path, a Micrograph or an array"
        raise InputError(msg)
    try:
        chosen = _indexed_tiff(Path(mask)) if _is_tiff(Path(mask)) else _indexed_raster(Path(mask))
        if chosen is not None:
            return _in_memory(chosen)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PixelSizeWarning)
            return stack.enter_context(open_micrograph(mask, pixel_size=NO_SIZE, info_bar=False))
    except CemvisError as error:
        msg = f"mask: {error}"
        raise type(error)(msg) from error


def check_mask(mask: Micrograph, mosaic: Micrograph) -> None:
    """Check that `mask` has the size of `mosaic`, with or without its info bar.

    Raises
    ------
    InputError
        If it has another size.
    """
    rows, cols = mosaic.shape
    if mask.shape not in ((rows, cols), (rows + mosaic.info_bar_rows, cols)):
        msg = (
            f"the mask has {mask.shape[0]} x {mask.shape[1]} px, the mosaic {rows} x {cols} px; "
            "wanted a mask of the mosaic's size, nonzero where it is to be mapped"
        )
        raise InputError(msg)


def _in_memory(mask: NDArray[Any]) -> Micrograph:
    if mask.ndim != 2 or mask.size == 0 or mask.dtype.kind not in "buif":
        msg = f"mask is an array of shape {mask.shape} and type {mask.dtype}; wanted numbers or bool, (rows, cols)"
        raise InputError(msg)
    return Micrograph.from_array((mask != 0).view(np.uint8), pixel_size=NO_SIZE)


def _is_tiff(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    except OSError:  # a folder may be a Zarr store; everything else is told when the image is opened
        return False


def _indexed_tiff(path: Path) -> NDArray[Any] | None:
    """Return the pixels of a TIFF of 1 bit or with a palette; None of any other."""
    from tifffile import PHOTOMETRIC, TiffFile

    try:
        with TiffFile(path) as tiff:
            page = tiff.pages.first
            if page.bitspersample != 1 and page.photometric != PHOTOMETRIC.PALETTE:
                return None
            pixels: NDArray[Any] = page.asarray()  # as stored: bool arrays are often written as "white is zero"
            return pixels
    except Exception as error:  # tifffile and its codecs raise errors of every kind on damaged files
        msg = f"{path} cannot be read as a TIFF: {error}"
        raise FileFormatError(msg) from error


def _indexed_raster(path: Path) -> NDArray[Any] | None:
    """Return the pixels of a PNG, GIF or BMP of 1 bit or with a palette; None of any other file."""
    from PIL import Image, UnidentifiedImageError

    if not path.is_file():
        return None
    try:
        with Image.open(path) as image:
            return np.asarray(image) if image.mode in ("1", "P") else None
    except UnidentifiedImageError:
        return None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        msg = f"{path} cannot be read: {error}"
        raise FileFormatError(msg) from error
