"""Images of nano-porosity maps: opened and checked, told apart by their pixels, and squares of them filtered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError, PixelSizeError
from cemvis.images.micrograph import Micrograph, open_micrograph
from cemvis.images.pixel_size import TOLERANCE, PixelSize
from cemvis.workflows._npm_sources import MapPlace

_TRUNCATE = 4.0
_DIGEST_ROWS = 512


class ImagesRead:
    """What is noticed while images are read one after the other."""

    def __init__(self, size_px: int, pixel_size_um: float | None) -> None:
        self.size_px, self.given = size_px, pixel_size_um
        self.um: float | None = None
        self.first: Path | None = None
        self.digests: dict[Path, str] = {}
        self.owners: dict[str, MapPlace] = {}
        self.shapes: dict[str, set[tuple[int, int]]] = {}

    def places(self, found: MapPlace) -> list[MapPlace]:
        """Check one image and return its maps."""
        size = self.size_px
        with open_map(found.path, self.given) as image:
            rows, cols = image.shape
            if min(rows, cols) < size:
                msg = f"{found.path} is {rows} x {cols} px, smaller than a map of {size} x {size}; give a smaller size"
                raise InputError(msg)
            self._same_pixel_size(found.path, image.require_pixel_size().um)
            digest = _pixel_digest(image)
        other = self.owners.setdefault(digest, found)
        if other is not found:
            one, two = (f"{each.path} ({each.class_name})" if each.class_name else each.path for each in (found, other))
            where = ", in one class" if found.class_name else ""
            msg = f"{one} holds the same pixels as {two}; wanted each region once{where}"
            raise InputError(msg)
        self.digests[found.path] = digest
        self.shapes.setdefault(found.class_name, set()).add((rows, cols))
        return [
            MapPlace(found.path, found.class_name, found.specimen, found.region, row, col, found.session)
            for row in range(0, rows - size + 1, size)
            for col in range(0, cols - size + 1, size)
        ]

    def notes(self) -> Iterator[str]:
        """Yield what a reader of the results ought to know."""
        shapes = set().union(*self.shapes.values())
        if len(shapes) > 1:
            yield f"images are of {len(shapes)} sizes; all are cut into maps of {self.size_px} x {self.size_px} px"
        if len(shapes) > 1 and len({frozenset(each) for each in self.shapes.values()}) > 1:
            yield "classes differ in the sizes of their images: perhaps in how they were taken as well"
        if any(side % self.size_px for shape in shapes for side in shape):
            yield f"what is left over at the right and below after cutting maps of {self.size_px} px is not used"

    def _same_pixel_size(self, path: Path, um: float) -> None:
        if self.um is None:
            self.um, self.first = um, path
        elif abs(um - self.um) > TOLERANCE * self.um:
            msg = (
                f"{path} has pixels of {um * 1e3:.6g} nm, {self.first} of {self.um * 1e3:.6g} nm; wanted one pixel "
                "size: resample the maps, or give the right one with --pixel-size"
            )
            raise PixelSizeError(msg)


def open_map(path: Path, pixel_size_um: float | None) -> Micrograph:
    """Open an image of a nano-porosity map, with a pixel size instead of its own if one is given."""
    option = None if pixel_size_um is None else PixelSize(pixel_size_um, "option")
    image = open_micrograph(path, pixel_size=option, info_bar=False)
    if image.dtype != np.uint8:
        image.close()
        msg = f"{path} is {image.dtype}; wanted a nano-porosity map, 8 bit with level = 255 x porosity"
        raise InputError(msg)
    return image


def _pixel_digest(image: Micrograph) -> str:
    rows, cols = image.shape
    digest = hashlib.sha256(f"{rows} {cols}\n".encode())
    for row in range(0, rows, _DIGEST_ROWS):
        digest.update(image.read(row, 0, min(_DIGEST_ROWS, rows - row), cols).data)
    return digest.hexdigest()


def map_levels(image: Micrograph, place: MapPlace, size: int, sigma_px: float | None) -> NDArray[np.uint8]:
    """Return a square of an image, through a Gaussian over the whole image if `sigma_px` says so."""
    row, col = place.row_px, place.column_px
    if sigma_px is None:
        return image.read(row, col, size, size)
    from scipy.ndimage import gaussian_filter

    # So much around the map that the filter sees all it would see in the whole image.
    halo = int(_TRUNCATE * sigma_px + 0.5)
    top, left = max(0, row - halo), max(0, col - halo)
    below, right = min(image.shape[0], row + size + halo), min(image.shape[1], col + size + halo)
    around = image.read(top, left, below - top, right - left).astype(np.float64)
    smooth = gaussian_filter(around, sigma_px, mode="nearest", truncate=_TRUNCATE)
    cut = smooth[row - top : row - top + size, col - left : col - left + size]
    levels: NDArray[np.uint8] = np.rint(cut).astype(np.uint8)
    return levels
