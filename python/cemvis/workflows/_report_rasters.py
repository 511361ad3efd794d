"""Rasters of a run folder as layers of a view, and the distributions of their values; a band of rows at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from cemvis.errors import FileFormatError
from cemvis.report import style
from cemvis.report.deconvolution import COLOURS
from cemvis.report.page.content import Chart, ClassLayer, Curve, Extent, ValueLayer
from cemvis.workflows._deconvolve_map import opened_raster
from cemvis.workflows._map_figures import mean_over_squares
from cemvis.workflows._report_folder import LARGEST, entries

BINS = 80
LARGEST_SIDE = 1024
_BAND_CELLS = 1 << 23
_SAMPLE = 1 << 20
_SHOWN_SHARE = 99.8  # per cent of the values that a histogram spans: a few stiff grains would take up its whole width
_TITLE = re.compile(r"^(.*?)(?: \(([^()]*)\))?$", re.DOTALL)
_NUMBERED = re.compile(r"(?:^|[\s;,])(\d{1,3}):? ([^;,.]+)")
_MEAN = "Half width of "
_BLANK, _UNCERTAIN, _LAST = "#8c8c8c", "#f2f2f2", 255
_TRUTH = "truth_"
_LEAST_TILE = 16  # the least that TIFF allows


@dataclass(frozen=True)
class RasterFile:
    """A raster of one value a cell that cemvis wrote.

    Attributes
    ----------
    path : Path
    name, unit : str
        Such as "Modulus" and "GPa".
    shape : (rows, cols)
    kind : str
        Of its type, "f" or "u".
    step_um : float
    first_um : tuple of float
        x and y of the first cell's centre.
    description : str
    """

    path: Path
    name: str
    unit: str
    shape: tuple[int, int]
    kind: str
    step_um: float
    first_um: tuple[float, float]
    description: str

    @classmethod
    def open(cls, path: Path) -> RasterFile | None:
        """Return what an OME-TIFF says of itself; None if it has no pixel size in um or several planes.

        Raises
        ------
        FileFormatError
            If it is damaged.
        """
        from tifffile import TiffFile

        try:
            with TiffFile(path) as tiff:
                shape, kind, text = tiff.series[0].shape, tiff.series[0].dtype.kind, tiff.ome_metadata or ""
                whole = _has_its_tiles(tiff.pages.first)
        except Exception as error:  # tifffile raises errors of every kind on damaged files
            msg = f"{path.name} cannot be read as a TIFF: {error}"
            raise FileFormatError(msg) from error
        if not text or not whole:
            msg = f"{path.name} does not say what it is: it is damaged, or cemvis did not write it"
            raise FileFormatError(msg)
        found = _placed(text)
        if found is None or len(shape) != 2 or min(shape) < 1 or kind not in "fu":
            return None
        title, description, step, first = found
        match = _TITLE.match(title)
        name, unit = (match[1], match[2] or "") if match else (title, "")
        if path.name.startswith(_TRUTH):
            name = f"True {name[:1].lower()}{name[1:]}"
        return cls(path, name, unit, (int(shape[0]), int(shape[1])), kind, step, first, description)

    def extent_um(self, shape: tuple[int, int], side: int = 1) -> Extent:
        """Return the outer edges of `shape` squares of `side` cells: left, right, top, bottom."""
        (x, y), half = self.first_um, self.step_um / 2
        rows, cols = shape
        return x - half, x - half + cols * side * self.step_um, y - half, y - half + rows * side * self.step_um

    def bands(self, multiple: int = 1) -> Iterator[NDArray[Any]]:
        """Yield the rows from top to bottom in bands of a multiple of `multiple`, of at most about 8 million cells."""
        high = max(1, min(_BAND_CELLS // self.shape[1], self.shape[0]) // multiple) * multiple
        with opened_raster(self.path) as raster:
            for first in range(0, self.shape[0], high):
                try:
                    yield np.asarray(raster[first : first + high])
                except Exception as error:  # codecs raise errors of their own kinds
                    msg = f"{self.path.name} is damaged from row {first} on: {error}"
                    raise FileFormatError(msg) from error

    def side(self, largest: int) -> int:
        """Return the side in cells of the squares that make at most `largest` of them along either edge."""
        return -(-max(self.shape) // largest)


def _has_its_tiles(page: Any) -> bool:
    """Return whether there are as many tiles as a page's size takes: damaged sizes would be read for hours."""
    if len(page.shape) != 2 or len(page.chunks) != 2:
        return len(page.shape) != 2
    down, across = page.chunks
    if min(*page.shape, down, across) < 1:
        return False
    wanted = -(-page.shape[0] // down) * -(-page.shape[1] // across)
    return bool(len(page.dataoffsets) == wanted and (page.is_tiled is False or min(down, across) >= _LEAST_TILE))


def _placed(xml: str) -> tuple[str, str, float, tuple[float, float]] | None:
    """Return an OME-TIFF's name, description, pixel size and first pixel's place in um; None if it does not say."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return None
    parts = {each.tag.rpartition("}")[2]: each for each in reversed(list(root.iter()))}
    pixels, image, plane = parts.get("Pixels"), parts.get("Image"), parts.get("Plane")
    if pixels is None or image is None or pixels.get("PhysicalSizeXUnit") not in ("\N{MICRO SIGN}m", "\u03bcm"):
        return None
    try:
        step = float(pixels.get("PhysicalSizeX", "nan"))
        x, y = (0.0 if plane is None else float(plane.get(f"Position{axis}", "0")) for axis in "XY")
    except ValueError:
        return None
    told = parts.get("Description")
    name = image.get("Name", "")
    if not (0 < step < LARGEST and abs(x) < LARGEST and abs(y) < LARGEST):
        return None
    return name, (told.text or "") if told is not None else "", step, (x, y)


def value_layer(raster: RasterFile, *, largest: int) -> ValueLayer:
    """Return a raster of values as a layer of at most `largest` squares along its edges, each the mean of its cells."""
    side = raster.side(largest)
    bands = [mean_over_squares(band.astype(np.float32), side) for band in raster.bands(side)]
    values = np.concatenate(bands).astype(np.float32)
    values[~np.isfinite(values)] = np.nan
    spread = raster.name.startswith(_MEAN)
    return ValueLayer(
        raster.name,
        raster.unit,
        values,
        raster.extent_um(_shape(values), side),
        style.HALF_WIDTH_COLOURS if spread else style.VALUE_COLOURS,
        raster.name.removeprefix(_MEAN) if spread else "",
    )


def class_layer(raster: RasterFile, *, largest: int, flags: Mapping[str, Any] | None = None) -> ClassLayer:
    """Return a raster of numbers as a layer of every n-th cell; its legend comes from `flags` or its description.

    Flags are sums of powers of two and only read out; other numbers get a colour each.
    """
    side = raster.side(largest)
    bands = [band[side // 2 :: side, side // 2 :: side] for band in raster.bands(side)]
    numbers = np.concatenate([band for band in bands if band.size]).astype(np.uint8)
    extent = raster.extent_um(_shape(numbers), side)
    if flags is not None:
        legend = {int(key): str(text) for key, text in flags.items() if str(key).isdecimal()}
        return ClassLayer(raster.name, numbers, extent, legend, {}, bits=True)
    legend = _legend(raster.description) or {int(each): str(each) for each in np.unique(numbers)}
    special = {key: _UNCERTAIN if key == _LAST else _BLANK for key, text in legend.items() if _is_special(key, text)}
    others = sorted(set(legend) - set(special))
    colours = special | {key: COLOURS[place % len(COLOURS)] for place, key in enumerate(others)}
    return ClassLayer(raster.name, numbers, extent, legend, colours)


def _is_special(key: int, text: str) -> bool:
    return key == _LAST or text == "not mapped"


def _legend(description: str) -> dict[int, str]:
    told = entries(origin_in(description), "legend")
    if told:
        return {int(key): str(text) for key, text in told if key.isdecimal() and int(key) < 256}
    found = _NUMBERED.findall(description.partition(" {")[0])
    return {int(key): _legible(text.strip()) for key, text in found if int(key) < 256}


def origin_in(description: str) -> Any:
    """Return what a raster's description says of its origin; None if it does not."""
    _, brace, rest = description.partition(" {")
    try:
        return json.loads(brace.strip() + rest)
    except (ValueError, RecursionError):
        return None


def _legible(text: str) -> str:
    """Return a name from code as text: LD_CSH as LD-CSH, ALITE as alite."""
    name = text.replace("_", "-")
    return name.lower() if name.isupper() and "-" not in name and len(name) > 2 else name


def raster_chart(
    raster: RasterFile, *, curves: tuple[Curve, ...] = (), note: str = "", edges: NDArray[np.float64] | None = None
) -> Chart:
    """Return the distribution of a raster's values up to the 99.8th percentile, with the curves fitted to them.

    With `edges`, what lies beyond them is counted and not drawn.
    The percentile and the median are those of evenly spread cells, a million at most.
    """
    every = max(1, int(np.sqrt(raster.shape[0] * raster.shape[1] / _SAMPLE)))
    sample = np.concatenate([band[::every, ::every].ravel() for band in raster.bands(every)])
    sample = sample[np.isfinite(sample)].astype(np.float64)
    title, label = raster.name, f"{raster.name} ({raster.unit})" if raster.unit else raster.name
    if sample.size == 0:
        return Chart(title, label, np.array([0.0, 1.0]), np.zeros(1, np.int64), 0, float("nan"), raster.unit, (), note)
    edges = edges_for(sample) if edges is None else edges
    counts, size = np.zeros(BINS, np.int64), 0
    for band in raster.bands():
        finite = band[np.isfinite(band)].astype(np.float64)
        counts += np.histogram(finite, edges)[0]
        size += finite.size
    return Chart(title, label, edges, counts, size, float(np.median(sample)), raster.unit, curves, note)


def edges_for(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the edges of 80 bins from the least value to the 99.8th percentile."""
    low, high = float(values.min()), float(np.percentile(values, _SHOWN_SHARE))
    if high - low <= 1e-9 * max(1.0, abs(high)):
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, BINS + 1)


def _shape(values: NDArray[Any]) -> tuple[int, int]:
    return values.shape[0], values.shape[1]
