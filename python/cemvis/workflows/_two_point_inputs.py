"""What a run of pair counts is given, checked before anything is counted."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cemvis.analysis.correlation.counting import largest_ring
from cemvis.errors import InputError, PixelSizeError
from cemvis.images.pixel_size import TOLERANCE, PixelSize, to_um
from cemvis.workflows._two_point_read import LevelImage, Quantisation, open_levels

MOST_RINGS_BY_DEFAULT = 256
MOST_PX_AT_ONCE = 1 << 28
MOST_DISTANCE = 1e9  # in whatever unit: beyond all images, and still a whole number of pixels

_LENGTH = re.compile(r"\s*([0-9.]+(?:[eE][-+]?[0-9]+)?)\s*([^\d\s]*)\s*")


@dataclass(frozen=True)
class Distance:
    """A distance in px or in um."""

    value: float
    unit: str

    @classmethod
    def parse(cls, text: str) -> Distance:
        """Return the distance that a text such as ``96``, ``96px``, ``5um`` or ``800 nm`` says.

        Raises
        ------
        InputError
            If it says none.

        Examples
        --------
        >>> Distance.parse("800 nm")
        Distance(value=0.8, unit='um')
        """
        match = _LENGTH.fullmatch(text)
        try:
            number = float(match[1]) if match else -1.0
        except ValueError:
            number = -1.0
        unit = match[2] if match else ""
        um = None if unit in {"", "px"} else to_um(number, unit)
        if not 0 < number < MOST_DISTANCE or (um is None and unit not in {"", "px"}):
            msg = f"{text!r} is not a distance such as 96px, 5um or 800nm"
            raise InputError(msg)
        return cls(number, "px") if um is None else cls(float(f"{um:.12g}"), "um")

    def pixels(self, pixel_size: PixelSize | None) -> int:
        """Return the whole pixels in it.

        Raises
        ------
        PixelSizeError
            If it is in um, and the pixel size is not known.
        """
        if self.unit == "px":
            return int(self.value)
        if pixel_size is None:
            msg = "a distance in um needs the pixel size, which no image says; give one, such as --pixel-size '40 nm'"
            raise PixelSizeError(msg)
        return int(self.value / pixel_size.um + 1e-9)


@dataclass(frozen=True)
class Image:
    """An image that was looked at: its file, its mask if it has one, and what is known of it."""

    path: Path
    mask: Path | None
    shape: tuple[int, int]
    dtype: str
    pixel_size: PixelSize | None
    sha256: str
    mask_sha256: str | None

    def to_json(self) -> dict[str, Any]:
        """Return it for the record."""
        size = self.pixel_size
        return {
            "path": str(self.path),
            "sha256": self.sha256,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "pixel_size_um": None if size is None else size.um,
            "pixel_size_source": None if size is None else size.source,
            "mask": None if self.mask is None else str(self.mask),
            "mask_sha256": self.mask_sha256,
        }


def look_at(
    paths: Sequence[Path],
    masks: Sequence[Path],
    *,
    pixel_size: PixelSize | None,
    quantisation: Quantisation,
    progress: Callable[[str, int, int], None] | None = None,
) -> tuple[Image, ...]:
    """Open every image and its mask once, and check that they go together.

    Parameters
    ----------
    paths : sequence of Path
    masks : sequence of Path
        None, one for all images, or one for each.
    pixel_size : PixelSize, optional
        Of all of them, instead of what the files say.
    quantisation : Quantisation
    progress : callable, optional

    Raises
    ------
    InputError
        If there are no images, one is given twice (by path or by content), pixel sizes differ by more than 1 %, a mask
        has another shape, or floats come without a range.
    """
    if not paths:
        msg = "nothing to count; give at least one image"
        raise InputError(msg)
    if len(masks) not in {0, 1, len(paths)}:
        msg = f"{len(masks)} masks are given for {len(paths)} images; wanted one for all, or one for each"
        raise InputError(msg)
    images: list[Image] = []
    seen: dict[str, Path] = {}
    for number, path in enumerate(paths):
        mask = None if not masks else masks[0] if len(masks) == 1 else masks[number]
        image = _look(path, mask, pixel_size, quantisation)
        key = image.sha256 + (image.mask_sha256 or "")
        if key in seen:
            msg = f"{path} has the same pixels as {seen[key]}: an image given twice; give each once"
            raise InputError(msg)
        seen[key] = path
        images.append(image)
        if progress is not None:
            progress("looking at images", number + 1, len(paths))
    _check_pixel_sizes(images)
    return tuple(images)


def _look(path: Path, mask: Path | None, pixel_size: PixelSize | None, quantisation: Quantisation) -> Image:
    with open_levels(path, pixel_size=pixel_size) as image:
        if image.dtype.kind == "f" and quantisation.lowest is None:
            image.levels(0, 0, *_corner(image), quantisation=quantisation)  # says what is wanted
        mask_digest = None
        if mask is not None:
            with open_levels(mask, info_bar=False, quiet=True) as there:
                if there.shape != image.shape:
                    msg = (
                        f"the mask {mask} has {there.shape[0]} x {there.shape[1]} px and {path} {image.shape[0]} x "
                        f"{image.shape[1]}; wanted the same"
                    )
                    raise InputError(msg)
                mask_digest = there.digest()
        return Image(path, mask, image.shape, image.dtype.name, image.pixel_size, image.digest(), mask_digest)


def _corner(image: LevelImage) -> tuple[int, int]:
    return min(64, image.shape[0]), min(64, image.shape[1])


def _check_pixel_sizes(images: Sequence[Image]) -> None:
    known = [each for each in images if each.pixel_size is not None]
    if not known:
        return
    if len(known) < len(images):
        unknown = next(each.path for each in images if each.pixel_size is None)
        msg = f"the pixel size of {unknown} is not known and that of {known[0].path} is; give one for all: --pixel-size"
        raise PixelSizeError(msg)
    sizes = sorted(known, key=lambda each: 0.0 if each.pixel_size is None else each.pixel_size.um)
    small, large = sizes[0], sizes[-1]
    if small.pixel_size is None or large.pixel_size is None:
        return
    if large.pixel_size.um > (1 + TOLERANCE) * small.pixel_size.um:
        msg = (
            f"{small.path} has pixels of {small.pixel_size} and {large.path} of {large.pixel_size}; wanted one size "
            "(within 1 %): resample them, or run each by itself"
        )
        raise PixelSizeError(msg)


def rings_to_count(
    images: Sequence[Image], wanted: Distance | None, *, periodic: bool, pixel_size: PixelSize | None
) -> int:
    """Return r_max in px: what is wanted, or half the shortest side, up to 256.

    Raises
    ------
    InputError
        If it is beyond an image, or an image is too small or too large.
    """
    smallest = min(images, key=lambda each: min(each.shape))
    if periodic:
        largest = min(min(each.shape) // 2 for each in images)
        large = next((each for each in images if each.shape[0] * each.shape[1] > MOST_PX_AT_ONCE), None)
        if large is not None:
            msg = f"{large.path} is too large for a periodic count, which holds it whole; wanted at most 268 Mpx"
            raise InputError(msg)
    else:
        smallest = min(images, key=lambda each: largest_ring(each.shape))
        largest = largest_ring(smallest.shape)
    default = max(1, min(MOST_RINGS_BY_DEFAULT, min(min(each.shape) for each in images) // 2))
    r_max = default if wanted is None else wanted.pixels(pixel_size)
    if largest < 1:
        msg = f"{smallest.path} is {smallest.shape[0]} x {smallest.shape[1]} px; wanted at least a pair of pixels"
        raise InputError(msg)
    if not 1 <= r_max <= largest:
        about = "half its shortest side" if periodic else "its diagonal"
        msg = (
            f"r_max is {r_max} px; wanted 1 to {largest}: {smallest.path} is {smallest.shape[0]} x "
            f"{smallest.shape[1]} px, and no pair is farther apart than {about}"
        )
        raise InputError(msg)
    return r_max
