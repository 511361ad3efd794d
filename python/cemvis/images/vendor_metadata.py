"""Pixel size and info bar as microscopes and image programs record them.

Each function takes what was found in a file, or beside it, and returns a `FileMetadata`; none of them opens a file
except `beside`. Text that does not parse counts as not said: a broken entry must not stop an image from opening,
and must not become a pixel size either.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from cemvis.images.pixel_size import RecordedSize, to_um
from cemvis.images.storage import FileMetadata

# A resolution tag that stands for paper or a screen is coarser than this; no printer or scanner's default is finer.
FINEST_PRINT_UM = 5.0
LARGEST_BAR = 0.25  # of the height; a picture that falls short by more was cropped, not given a bar
JEOL_PRINT_MM = 128.0  # width of the print that a JEOL magnification refers to
_LARGEST_SIDE_FILE = 1 << 20


def _number(value: object) -> float:
    """Return a finite number, or NaN for anything else."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan
    return number if math.isfinite(number) else math.nan


def _recorded(x_um: float, y_um: float, source: str) -> tuple[RecordedSize, ...]:
    size = RecordedSize(x_um, y_um, source)
    return (size,) if size.plausible else ()


def _bar_below(picture_rows: float, rows: int) -> int | None:
    """Return the rows under a picture of `picture_rows`, or None if that cannot be an info bar."""
    below = rows - picture_rows
    return int(below) if 0 <= below <= LARGEST_BAR * rows else None


def _resized(source: str, recorded: tuple[float, float], shape: tuple[int, int]) -> FileMetadata:
    """Return that the metadata belong to a picture of another size: cropped or resized, nobody knows."""
    misfit = (
        f"{source} metadata describes {recorded[1]:g} x {recorded[0]:g} px, but the image is {shape[1]} x {shape[0]} "
        "(width x height): cropped or resized since, so its pixel size is not used"
    )
    return FileMetadata(misfits=(misfit,))


def fei(tags: Mapping[str, Any], shape: tuple[int, int]) -> FileMetadata:
    """Read FEI and Thermo Fisher's sections (TIFF tags 34680 and 34682) for an image of `shape` (rows, cols).

    The pixel size is PixelWidth of the scan, in m, or else the beam's field width over the picture's columns.
    Rows beyond ResolutionY are the info bar.
    """
    picture = tags.get("Image", {})
    cols, rows = _number(picture.get("ResolutionX")), _number(picture.get("ResolutionY"))
    if cols > 0 and cols != shape[1]:
        return _resized("FEI", (rows, cols), shape)
    beam = tags.get("Beam", {})
    x_um = y_um = math.nan
    for section in ("Scan", beam.get("Scan")):
        scan = tags.get(section, {}) if isinstance(section, str) else {}
        if not x_um > 0:
            x_um, y_um = _number(scan.get("PixelWidth")) * 1e6, _number(scan.get("PixelHeight")) * 1e6
    if not x_um > 0:
        field = tags.get(str(beam.get("Beam")), {})
        x_um, y_um = _number(field.get("HFW")) * 1e6 / cols, _number(field.get("VFW")) * 1e6 / rows
    bar_rows = _bar_below(rows, shape[0]) if rows > 0 else None
    return FileMetadata(_recorded(x_um, y_um if y_um > 0 else x_um, "FEI"), bar_rows)


def zeiss(tags: Mapping[str, Any], shape: tuple[int, int]) -> FileMetadata:
    """Read Zeiss SmartSEM's entries (TIFF tag 34118: name, value, unit) for an image of `shape` (rows, cols).

    The pixel size is ap_image_pixel_size. ap_pixel_size is the screen's, which differs where the stored resolution
    does; older files have nothing else, and then field width and height over the image's columns and rows count.
    """

    def length_um(key: str) -> float:
        entry = tags.get(key, ())
        um = to_um(_number(entry[1]), str(entry[2])) if len(entry) == 3 else None
        return math.nan if um is None else um

    size_um = length_um("ap_image_pixel_size")
    if size_um > 0:
        return FileMetadata(_recorded(size_um, size_um, "Zeiss"))
    size = RecordedSize(length_um("ap_width") / shape[1], length_um("ap_height") / shape[0], "Zeiss")
    # Field width and height only fit an uncropped image, whose pixels then come out square.
    return FileMetadata((size,) if size.plausible and size.square else ())


def tescan(text: str, shape: tuple[int, int]) -> FileMetadata:
    """Read TESCAN's ``key=value`` lines (TIFF tag 50431, or an .hdr file) for an image of `shape` (rows, cols)."""
    entries = dict(re.findall(r"(PixelSizeX|PixelSizeY|ImageStripSize)\s*=\s*([^\r\n\0]*)", text))
    x_um, y_um = (_number(entries.get(key)) * 1e6 for key in ("PixelSizeX", "PixelSizeY"))
    strip = _number(entries.get("ImageStripSize"))
    bar_rows = int(strip) if 0 <= strip <= LARGEST_BAR * shape[0] else None
    return FileMetadata(_recorded(x_um, y_um if y_um > 0 else x_um, "TESCAN"), bar_rows)


def jeol(text: str, shape: tuple[int, int], *, printed_um: float) -> FileMetadata:
    """Read JEOL's side file (lines ``$NAME value``) for an image of `shape` (rows, cols).

    The pixel size is the micron marker's length over its pixels. Where the pixels are not given it is the printed
    pixel over the magnification, but only if two statements agree on the printed pixel: the file's resolution
    (`printed_um`, NaN if it has none) and the 128 mm wide print that the magnification refers to.
    """
    entries = dict(re.findall(r"^\$+(\w+)[ \t]+([^\r\n]*?)[ \t]*\r?$", text, re.MULTILINE))
    cols, rows = ([_number(part) for part in entries.get("CM_FULL_SIZE", "").split()] + [math.nan] * 2)[:2]
    if cols > 0 and cols != shape[1]:
        return _resized("JEOL", (rows, cols), shape)
    bar_rows = _bar_below(rows, shape[0]) if rows > 0 else None
    marker = re.fullmatch(r"([\d.]+)\s*(\D+)", entries.get("SM_MICRON_MARKER", ""))
    marker_um = to_um(_number(marker[1]), marker[2]) if marker else None
    marker_px = _number(entries.get("SM_MICRON_BAR"))
    size_um = math.nan
    if marker_um is not None and marker_px > 0:
        size_um = marker_um / marker_px
    elif abs(printed_um * shape[1] / (JEOL_PRINT_MM * 1e3) - 1) < 0.01:
        magnification = _number(entries.get("CM_MAG"))
        size_um = printed_um / magnification if magnification > 0 else math.nan
    return FileMetadata(_recorded(size_um, size_um, "JEOL"), bar_rows)


def beside(path: Path, shape: tuple[int, int], *, printed_um: float) -> FileMetadata:
    """Read the side file that some microscopes write beside an image: JEOL's ``x.txt``, TESCAN's ``x-tif.hdr``.

    A text that happens to have the name, but not the vendor's entries, says nothing.
    """
    names = {f"{path.stem}.txt", f"{path.stem}.hdr", f"{path.stem}-{path.suffix[1:]}.hdr"}
    lowered = {name.lower() for name in names}
    found = FileMetadata()
    for candidate in sorted(path.parent.glob(f"{_literal(path.stem)}*")):
        if candidate.name.lower() not in lowered or not candidate.is_file():
            continue
        try:
            with candidate.open("rb") as file:
                text = file.read(_LARGEST_SIDE_FILE).decode("latin-1")
        except OSError:
            continue
        if "$CM_FORMAT JEOL" in text:
            found += jeol(text, shape, printed_um=printed_um)
        elif "PixelSizeX" in text and candidate.suffix.lower() == ".hdr":
            found += tescan(text, shape)
    return found


def _literal(stem: str) -> str:
    """Return a glob pattern that matches `stem` itself."""
    return re.sub(r"([*?[])", r"[\1]", stem)


def ome(xml: str, source: str = "OME") -> FileMetadata:
    """Read PhysicalSizeX and PhysicalSizeY of the first image of an OME-XML document (um unless a unit is given)."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return FileMetadata()
    pixels = next((element for element in root.iter() if element.tag.endswith("}Pixels")), None)
    if pixels is None:
        return FileMetadata()
    x_um, y_um = (
        to_um(_number(pixels.get(f"PhysicalSize{axis}")), pixels.get(f"PhysicalSize{axis}Unit", "um")) for axis in "XY"
    )
    if x_um is None or not x_um > 0:
        return FileMetadata()
    return FileMetadata(_recorded(x_um, y_um if y_um is not None and y_um > 0 else x_um, source))


def imagej(unit: str, per_unit: tuple[float, float]) -> FileMetadata:
    r"""Read ImageJ's scale: pixels per `unit` in x and y; inches and centimetres are looked at as `resolution` does."""
    unit = unit.replace("\\u00B5", "u").replace("\\u00b5", "u")
    if unit in {"inch", "in", "cm"}:
        return resolution(per_unit, unit)
    x_um, y_um = (to_um(1 / count, unit) if count > 0 else None for count in per_unit)
    if x_um is None or y_um is None:
        return FileMetadata()
    return FileMetadata(_recorded(x_um, y_um, "ImageJ"))


def resolution(per_unit: tuple[float, float], unit: str) -> FileMetadata:
    """Read resolution tags: pixels per `unit` in x and y.

    Programs write 72, 96 or 300 dpi into any image, and microscopes write the size of a print. So the tags count
    as a pixel size only where they say that a pixel is smaller than 5 um (over 5,080 dpi), beyond paper or screens.
    """
    printed_um = printed_pixel_um(per_unit, unit)
    if not all(length < FINEST_PRINT_UM for length in printed_um):
        return FileMetadata()
    return FileMetadata(_recorded(*printed_um, "resolution tags"))


def printed_pixel_um(per_unit: tuple[float, float], unit: str) -> tuple[float, float]:
    """Return width and height in um of a pixel as resolution tags have it; NaN where they say nothing."""
    um = to_um(1.0, unit)
    x, y = (um / count if um is not None and count > 0 else math.nan for count in per_unit)
    return x, y
