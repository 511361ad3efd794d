"""The mosaic that a run was made from: where it is now, whether it is the same, and how it looks as a whole."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis._files import DIGESTS
from cemvis.errors import CemvisError, CemvisWarning
from cemvis.images.micrograph import Micrograph, open_micrograph
from cemvis.images.pixel_size import PixelSize
from cemvis.kernels.indent_search import downsampled
from cemvis.report.page.content import ImageLayer
from cemvis.report.page.packing import LARGEST_PX, grey_picture
from cemvis.workflows._map_inputs import image_origin
from cemvis.workflows._report_folder import there

_BAND_BYTES = 64 * 2**20
_ANY_SIZE = PixelSize(1.0, "record")  # the run's own pixel size counts, whatever the file says

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Overview:
    """A mosaic made small: mean grey over squares of `factor` px, cut off at the last whole square."""

    grey: NDArray[np.float32]
    factor: int

    def layer(self, pixel_size_um: float, name: str) -> ImageLayer:
        """Return it as a layer; x and y are 0 at the centre of the mosaic's top-left pixel."""
        size = pixel_size_um * self.factor
        rows, cols = self.grey.shape
        edge = -pixel_size_um / 2
        extent = (edge, edge + cols * size, edge, edge + rows * size)
        return ImageLayer(name, grey_picture(self.grey), extent, size)


@dataclass(frozen=True)
class FoundMosaic:
    """Where a mosaic is; without a path, `why` says in a sentence why it is not shown."""

    path: Path | None
    why: str = ""


def find_mosaic(about: Mapping[str, Any], folder: Path, *, places: Sequence[Path] = ()) -> FoundMosaic:
    """Look for the image that a record speaks of: where it says, in the folder, above it, and in `places`.

    Parameters
    ----------
    about : mapping
        With "path" or "file", and "sha256" or "sha256_of_samples".
    folder : Path
        That the record lies in.
    places : sequence of Path
        Folders to look in as well, and files that may be the image under another name.
    """
    said = about.get("path") or about.get("file")
    if not isinstance(said, str) or not said:
        return FoundMosaic(None, "The image is not shown: the record names no file.")
    name = Path(said).name
    near = [folder / said, folder / name, folder.resolve().parent / name]
    near += [place if _is_image(place) else place / name for place in places]
    others = []
    for path in dict.fromkeys(near):
        if not there(path):
            continue
        try:
            if _is_it(path, about):
                return FoundMosaic(path)
            others.append(f"{path} is another image than the one of this run (its digest differs)")
        except (CemvisError, OSError) as error:
            others.append(str(error))
    why = "; ".join(others) or f"{said} is not there, nor is {name} in the folder or the one above"
    return FoundMosaic(None, f"The image is not shown: {why}. Bring it back, or name it with --mosaic.")


def _is_image(place: Path) -> bool:
    """Return whether a path is an image itself, a file or a Zarr store, and no folder to look in."""
    return place.is_file() or any((place / name).is_file() for name in ("zarr.json", ".zarray", ".zgroup"))


def _is_it(path: Path, about: Mapping[str, Any]) -> bool:
    with _opened(path) as image:
        own = image_origin(image)
    wanted = {key: about[key] for key in DIGESTS if isinstance(about.get(key), str)}
    return any(own.get(key) == digest for key, digest in wanted.items()) if wanted else True


def _opened(path: Path) -> Micrograph:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CemvisWarning)
        return open_micrograph(path, pixel_size=_ANY_SIZE)


def overview(path: Path, *, largest: int = LARGEST_PX, progress: Progress | None = None) -> Overview:
    """Return a mosaic made small, its longer side at most `largest` px; a band of rows is held at a time.

    Raises
    ------
    FileFormatError, FileAccessError
        If it cannot be read.
    InputError
        If it is over 256 times as long as `largest`.
    """
    with _opened(path) as image:
        rows, cols = image.shape
        factor = -(-max(rows, cols) // largest)
        per_row = cols * image.dtype.itemsize
        chunk = image.chunk_shape[0]
        high = max(1, _BAND_BYTES // per_row // chunk) * chunk if chunk * per_row <= _BAND_BYTES else factor
        kept: list[NDArray[np.float32]] = []
        rest = np.empty((0, cols), image.dtype)
        for first in range(0, rows, high):
            band = image.read(first, 0, min(high, rows - first), cols)
            stack = np.concatenate([rest, band]) if len(rest) else band
            whole = len(stack) // factor * factor
            if whole and cols >= factor:
                kept.append(downsampled(stack[:whole], factor, threads=1))
            rest = stack[whole:]
            if progress is not None:
                progress("mosaic", min(first + high, rows), rows)
        if not kept:
            kept.append(np.full((1, 1), float(rest.mean()), np.float32))
    return Overview(np.concatenate(kept), factor)
