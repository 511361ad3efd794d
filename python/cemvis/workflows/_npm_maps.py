"""Nano-porosity maps of several classes: found in folders or a list, cut into squares, read when they are asked for.

A map is (rows, cols) uint8, level = round(255 n), n = equivalent porosity from 0 to 1. MulF is the map as calibrated;
MicF is MulF through a Gaussian of 10 px (truncated at 4 sigma, the nearest pixel repeated beyond the image's edges),
rounded to levels again. The filter runs over the region's image, so that maps cut from it have no seams.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import InputError, PixelSizeWarning
from cemvis.workflows._npm_images import ImagesRead, map_levels, open_map
from cemvis.workflows._npm_sources import MapPlace, check_paths, images_of, natural_key, region_of

__all__ = ["MICF_SIGMA_PX", "SIZE_PX", "MapPlace", "MapSet", "natural_key", "read_map_set", "read_maps"]

SIZE_PX = 384
"""Edge of a map: the paper's."""
MICF_SIGMA_PX = 10.0
"""Standard deviation of the Gaussian that turns MulF into MicF: the paper's."""


@dataclass(frozen=True)
class MapSet:
    """Maps of one size and pixel size, of several classes.

    Attributes
    ----------
    places : tuple of MapPlace
        In natural order of class, specimen and region; those of one image follow each other.
    classes : tuple of str
        In natural order: part2 comes before part10.
    size_px : int
        Edge of a map.
    pixel_size_um : float
    digest : str
        SHA-256 over the size, classes, specimens, regions and sessions, and the pixels of all images; no path is in it.
    notes : tuple of str
        What was decided while reading.
    image_digests : tuple of str
        SHA-256 of the pixels of each image, in the order of `images`.
    """

    places: tuple[MapPlace, ...]
    classes: tuple[str, ...]
    size_px: int
    pixel_size_um: float
    digest: str
    notes: tuple[str, ...] = ()
    image_digests: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.places)

    def labels(self) -> NDArray[np.intp]:
        """Return the class of each map, (n,), as an index into `classes`."""
        number = {name: index for index, name in enumerate(self.classes)}
        return np.array([number[each.class_name] for each in self.places], dtype=np.intp)

    def images(self) -> NDArray[np.intp]:
        """Return the image that each map was cut from, (n,), numbered in the order of `places`."""
        return _numbered(each.path for each in self.places)

    def regions(self) -> NDArray[np.intp]:
        """Return the region of each map, (n,), numbered in the order of `places`; several images may show one."""
        return _numbered((each.class_name, each.specimen, each.region) for each in self.places)

    def specimens(self) -> NDArray[np.intp]:
        """Return the specimen of each map, (n,), numbered in the order of `places`."""
        return _numbered((each.class_name, each.specimen) for each in self.places)

    def levels(self, indices: Iterable[int], *, sigma_px: float | None = None) -> NDArray[np.uint8]:
        """Return maps, (n, size, size) uint8.

        Parameters
        ----------
        indices : iterable of int
            Into `places`.
        sigma_px : float, optional
            Standard deviation of a Gaussian over the whole region's image, before the map is cut; 10 gives MicF.

        Raises
        ------
        FileAccessError, FileFormatError
            If an image cannot be read, or is not uint8 any more.
        """
        wanted = [int(index) for index in indices]
        found = np.empty((len(wanted), self.size_px, self.size_px), np.uint8)
        by_file: dict[Path, list[int]] = {}
        for row, index in enumerate(wanted):
            by_file.setdefault(self.places[index].path, []).append(row)
        for path, rows in by_file.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", PixelSizeWarning)  # given when the set was read
                image = open_map(path, self.pixel_size_um)
            with image:
                for row in rows:
                    found[row] = map_levels(image, self.places[wanted[row]], self.size_px, sigma_px)
        return found


def read_map_set(
    sources: Sequence[Path],
    *,
    size_px: int = SIZE_PX,
    pixel_size_um: float | None = None,
    least_maps: int = 1,
    least_classes: int = 1,
) -> MapSet:
    """Find the maps of several classes and where each is; no more than bands of images is held in memory.

    Parameters
    ----------
    sources : sequence of Path
        Folders with a sub-folder a class, ``<class>/<specimen>/<region>.tif`` or ``<class>/<region>.tif`` (then one
        specimen, named after the class), or lists, ``maps.csv`` with the columns file, class, specimen, region and
        perhaps session (files relative to the list). Images that share class, specimen and region are of one region,
        which no split divides: maps that were cut beforehand say in this way which image they came from. A folder that
        holds a maps.csv is that list. In others, names that end in .micf, .clinker, .modified, .truth or .bse before
        their suffix are passed over, as is all in folders beginning with "." or "_".
    size_px : int
        Larger images are cut into maps that do not overlap; what is left at the right and below is not used.
    pixel_size_um : float, optional
        Taken instead of what the files say.
    least_maps, least_classes : int
        How many maps a class, and how many classes, there have to be.

    Raises
    ------
    InputError
        If there are no maps or too few, an image is smaller than a map or not uint8, pixel sizes differ by more than
        1 %, or two files hold the same pixels.
    PixelSizeError
        If a file says no pixel size and none is given.
    FileAccessError, FileFormatError
    """
    if isinstance(size_px, bool) or not 8 <= size_px <= 65536:
        msg = f"size_px is {size_px!r}; wanted 8 to 65536"
        raise InputError(msg)
    found = sorted((each for source in sources for each in images_of(Path(source))), key=_order)
    if not found:
        where = ", ".join(map(str, sources)) or "nothing"
        msg = f"no maps in {where}; wanted <class>/<specimen>/<region>.tif in a folder"
        raise InputError(msg)
    check_paths(found)
    classes = tuple(dict.fromkeys(each.class_name for each in found))
    _check_names(classes)
    if len(classes) < least_classes:
        msg = f"all maps are of one class, {classes[0]!r}; wanted at least {least_classes} sub-folders, one a class"
        raise InputError(msg)
    return _cut(found, classes, size_px, pixel_size_um, least_maps)


def read_maps(paths: Sequence[Path], *, size_px: int, pixel_size_um: float | None = None) -> MapSet:
    """Find the maps in image files whose class nobody knows: one class without a name, a specimen a folder.

    Parameters
    ----------
    paths : sequence of Path
        Image files.
    size_px, pixel_size_um
        As for `read_map_set`.

    Raises
    ------
    InputError, PixelSizeError, FileAccessError, FileFormatError
        As `read_map_set` does.
    """
    found = [region_of(Path(path)) for path in paths]
    check_paths(found)
    return _cut(found, ("",), size_px, pixel_size_um, 1)


def _cut(
    found: Sequence[MapPlace], classes: tuple[str, ...], size_px: int, pixel_size_um: float | None, least_maps: int
) -> MapSet:
    """Open each image once: check it, and note where its maps are."""
    read = ImagesRead(size_px, pixel_size_um)
    places = tuple(place for image in found for place in read.places(image))
    _check_counts(places, classes, least_maps, size_px)
    digest = hashlib.sha256(f"{size_px} {read.um!r}\n".encode())
    for image in found:
        digest.update("\0".join((*_names(image), read.digests[image.path], "")).encode())
    assert read.um is not None
    digests = tuple(read.digests[image.path] for image in found)
    return MapSet(places, classes, size_px, read.um, digest.hexdigest(), tuple(read.notes()), digests)


def _names(found: MapPlace) -> tuple[str, str, str, str]:
    return found.class_name, found.specimen, found.region, found.session


def _order(found: MapPlace) -> tuple[Any, ...]:
    return tuple(natural_key(name) for name in (*_names(found), str(found.path)))


def _numbered(keys: Iterable[object]) -> NDArray[np.intp]:
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.intp)


def _check_names(classes: Sequence[str]) -> None:
    """Refuse names that a model's file could not hold: they are shown on terminals."""
    for name in classes:
        if not name.isprintable():
            msg = f"the name of class {name!a} holds a character that cannot be shown; wanted letters and plain spaces"
            raise InputError(msg)


def _check_counts(places: Sequence[MapPlace], classes: Sequence[str], least: int, size_px: int) -> None:
    for name in classes:
        count = sum(each.class_name == name for each in places)
        if count < least:
            msg = (
                f"class {name!r} has {count} maps of {size_px} x {size_px} px; wanted at least {least}: "
                "give more images, or cut smaller maps"
            )
            raise InputError(msg)
