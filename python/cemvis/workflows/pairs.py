"""Pairing indents with the windows of a mosaic around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import thread_count
from cemvis._files import sha256_of
from cemvis.errors import GreyScaleError, InputError, PixelSizeError
from cemvis.images.grey_scale import AnchorFit, GreyScale, measure_anchors
from cemvis.images.micrograph import Micrograph
from cemvis.images.pixel_size import PixelSize
from cemvis.kernels.tiling import window_sums_at
from cemvis.workflows.areas import Area as Area
from cemvis.workflows.areas import Listed as Listed
from cemvis.workflows.indents import Floats, Indents

BLOCK_PX = 8192
"""Edge of the largest block of a mosaic that is held in memory: 64 MiB at 8 bits."""


_PIXEL_SIZE_TOLERANCE = 0.05


@dataclass(frozen=True)
class Pairs:
    """Windows of one area with what was measured at their centres.

    Attributes
    ----------
    area : Area
    mosaic_sha256, indents_sha256 : str
    pixel_size : PixelSize
    window_px : int
    anchors : GreyScale
        Grey levels of matrix and clinker in this mosaic.
    fit : AnchorFit or None
        How they were found in the mosaic's histogram; None if they were given.
    top_left : (n, 2) int64
        Row and column of the first pixel of each window.
    mean_grey : (n,) float64
        Mean grey level of each window, on the mosaic's own scale.
    indents : Indents
        Those whose window, and whose field if there is one, lies inside the mosaic.
    at_border : int
        Indents left out because either crosses the mosaic's border.
    shape : (rows, cols)
        Of the mosaic.
    """

    area: Area
    mosaic_sha256: str
    indents_sha256: str
    pixel_size: PixelSize
    window_px: int
    anchors: GreyScale
    fit: AnchorFit | None
    top_left: NDArray[np.int64]
    mean_grey: Floats
    indents: Indents
    at_border: int
    shape: tuple[int, int]

    def tested(self, seed: int) -> NDArray[np.bool_]:
        """Return which pairs are in batches that their data set tests on, (n,) bool; none with another seed."""
        listed = self.area.listed
        if listed is None or listed.tested is None or listed.seed != seed:
            return np.zeros(len(self.indents), bool)
        return listed.tested[self.indents.row]


def pair_area(
    area: Area,
    *,
    properties: tuple[str, ...],
    window_um: float,
    pixel_size: PixelSize | None = None,
    anchors: GreyScale | None = None,
    field_px: int | None = None,
    threads: int | None = None,
) -> Pairs:
    """Measure the mean grey level of a window around each indent of an area.

    Indents whose window crosses the border of the mosaic are left out and counted.

    Parameters
    ----------
    area : Area
    properties : tuple of str
        Measured properties to read.
    window_um : float
        Edge of the square window, centred on the indent to half a pixel.
    pixel_size : PixelSize, optional
        Taken instead of what the mosaic says.
    anchors : GreyScale, optional
        Grey levels of matrix and clinker in the mosaic; found in its histogram if None.
    field_px : int, optional
        Edge of what a network reads around the indent, centred on the window as `field_corner` says.
    threads : int, optional
        All cores by default.

    Raises
    ------
    CemvisError
        If a file cannot be used, the positions do not lie on the mosaic, or its grey scale cannot be found.
    """
    indents = area.read_indents(properties)
    with area.opened(pixel_size) as micrograph:
        _check_same_mosaic(area, micrograph, window_um)
        size = micrograph.require_pixel_size()
        window_px = _window_px(window_um, size, micrograph)
        _check_positions(indents, micrograph, size, window_um, area)
        top_left = _top_left(indents, size, window_px)
        inside = _inside(top_left, window_px, micrograph)
        if field_px is not None:
            inside &= _inside(field_corner(top_left, window_px, field_px), field_px, micrograph)
        if not inside.any():
            read = f", or the {field_px} px that the network reads around it," if field_px else ""
            msg = f"{area.mosaic}: the window of every indent{read} crosses the border of the mosaic; nothing is left"
            raise InputError(msg)
        found, fit = _find_anchors(micrograph, given=anchors or (area.listed.anchors if area.listed else None))
        return Pairs(
            area=area,
            mosaic_sha256=micrograph.digest(),
            indents_sha256=area.listed.table_sha256 if area.listed else sha256_of(area.indents),
            pixel_size=size,
            window_px=window_px,
            anchors=found,
            fit=fit,
            top_left=top_left[inside],
            mean_grey=mean_grey_at(micrograph, top_left[inside], window_px=window_px, threads=threads),
            indents=indents.only(inside),
            at_border=int(np.count_nonzero(~inside)),
            shape=micrograph.shape,
        )


def field_corner(top_left: NDArray[np.int64], window_px: int, field_px: int) -> NDArray[np.int64]:
    """Return the first pixels of fields centred on windows, (n, 2) int64; half a pixel goes up and to the left."""
    return top_left + (window_px - field_px) // 2


def mean_grey_at(
    micrograph: Micrograph, top_left: NDArray[np.int64], *, window_px: int, threads: int | None = None
) -> Floats:
    """Return the mean grey level of square windows, reading the mosaic block by block.

    Parameters
    ----------
    micrograph : Micrograph
    top_left : (n, 2) int64
        Row and column of the first pixel of each window; every window lies inside.
    window_px : int
        Edge of the windows.
    threads : int, optional
        All cores by default.

    Returns
    -------
    (n,) float64
        On the micrograph's own grey scale.
    """
    mean = np.empty(len(top_left))
    for members in by_block(top_left, block_shape(micrograph, window_px)):
        corners = top_left[members]
        origin, end = corners.min(axis=0), corners.max(axis=0) + window_px
        block = micrograph.read(*map(int, (*origin, *(end - origin))), threads=thread_count(threads))
        sums = window_sums_at(block, corners - origin, window_px=window_px, squares=False, threads=threads)
        mean[members] = sums.mean
    return mean


def check_same_material(pairs: Sequence[Pairs]) -> None:
    """Refuse copies of one table, whatever they are called, and pixel sizes that differ."""
    first: dict[str, Path] = {}
    for each in pairs:
        if each.indents_sha256 in first:
            msg = (
                f"{first[each.indents_sha256]} and {each.area.indents} hold the same indents; "
                "they would be in training and test at once"
            )
            raise InputError(msg)
        first[each.indents_sha256] = each.area.indents
        size, reference = each.pixel_size, pairs[0].pixel_size
        if abs(size.um / reference.um - 1) > _PIXEL_SIZE_TOLERANCE:
            msg = (
                f"{each.area.name} has {size} per px ({size.source}), {pairs[0].area.name} has {reference} "
                f"({reference.source}); wanted mosaics of one pixel size"
            )
            raise PixelSizeError(msg)


def _check_same_mosaic(area: Area, micrograph: Micrograph, window_um: float) -> None:
    """Refuse a mosaic other than the one that listed indents lie on, and windows of another size."""
    listed = area.listed
    if listed is None:
        return
    if window_um != listed.window_um:
        msg = (
            f"{area.name}: its data set has windows of {listed.window_um:g} um, {window_um:g} um is asked for; "
            "make a data set of that window"
        )
        raise InputError(msg)
    if listed.mosaic_sha256 not in ("", micrograph.digest()):
        msg = (
            f"{micrograph.path} is not the image that the indents of {area.name} belong to any more: its SHA-256 "
            f"begins with {micrograph.digest()[:12]}, wanted {listed.mosaic_sha256[:12]}; bring that image back, or "
            "locate the indents and make the data set anew"
        )
        raise InputError(msg)


def _window_px(window_um: float, size: PixelSize, micrograph: Micrograph) -> int:
    window_px = round(window_um / size.um)
    if not 2 <= window_px <= min(micrograph.shape):
        rows, cols = micrograph.shape
        msg = (
            f"a window of {window_um:g} um is {window_px} px at {size} per px ({size.source}); "
            f"wanted at least 2 px and at most the mosaic's {rows} x {cols} px"
        )
        raise InputError(msg)
    return window_px


def _top_left(indents: Indents, size: PixelSize, window_px: int) -> NDArray[np.int64]:
    centres = np.column_stack([indents.y_um, indents.x_um]) / size.um
    return np.floor(centres - (window_px - 1) / 2 + 0.5).astype(np.int64)


def _inside(top_left: NDArray[np.int64], edge_px: int, micrograph: Micrograph) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = np.all((top_left >= 0) & (top_left + edge_px <= micrograph.shape), axis=1)
    return inside


def _check_positions(indents: Indents, micrograph: Micrograph, size: PixelSize, window_um: float, area: Area) -> None:
    """Refuse positions off the mosaic, or crammed into a corner of it, and say which unit would explain them."""
    extent_um = (np.array(micrograph.shape[::-1]) - 0.5) * size.um
    places = np.column_stack([indents.x_um, indents.y_um])
    off = np.any((places < -0.5 * size.um) | (places > extent_um), axis=1)
    if off.any():
        cause = _why_off(places, off, extent_um, size)
        msg = (
            f"{area.indents}: {np.count_nonzero(off)} of {len(places)} indents lie off {area.mosaic.name} "
            f"({extent_um[0]:.0f} x {extent_um[1]:.0f} um at {size} per px, {size.source}); {cause}"
        )
        raise InputError(msg)
    span_um = float(np.ptp(places, axis=0).max())
    if len(places) > 1 and span_um < window_um:
        msg = (
            f"{area.indents}: all {len(places)} indents lie within {span_um:g} um, less than one window of "
            f"{window_um:g} um; do x_um and y_um hold mm? (wanted um)"
        )
        raise InputError(msg)


def _why_off(places: Floats, off: NDArray[np.bool_], extent_um: Floats, size: PixelSize) -> str:
    if places.min() < -0.5 * size.um:
        return "some are negative; wanted um from the centre of the mosaic's top-left pixel, x right, y down"
    for unit, um in (("pixels", size.um), ("nm", 1e-3)):
        if off.mean() > 0.5 and np.all(places * um <= extent_um):
            return f"they look like {unit} (wanted um)"
    return "is this the mosaic that they were made in?"


def _find_anchors(micrograph: Micrograph, *, given: GreyScale | AnchorFit | None) -> tuple[GreyScale, AnchorFit | None]:
    if isinstance(given, GreyScale):
        return given, None
    fit = given or measure_anchors(micrograph)
    if fit.scale is None:
        msg = f"{micrograph.path}: {fit.note}; give the grey levels by --anchors MATRIX,CLINKER"
        raise GreyScaleError(msg)
    return fit.scale, fit


def block_shape(micrograph: Micrograph, window_px: int) -> tuple[int, int]:
    """Return (rows, cols) of the blocks that windows are grouped by: full width where the file stores full rows."""
    cols = micrograph.shape[1]
    if micrograph.chunk_shape[1] >= cols:
        return max(window_px, BLOCK_PX * BLOCK_PX // cols), cols
    return BLOCK_PX, BLOCK_PX


def by_block(top_left: NDArray[np.int64], shape: tuple[int, int]) -> Iterator[NDArray[np.intp]]:
    """Yield the indices of the windows that start in the same block, block after block."""
    block = top_left // np.array(shape)
    order = np.lexsort((block[:, 1], block[:, 0]))
    changes = np.flatnonzero(np.any(np.diff(block[order], axis=0) != 0, axis=1)) + 1
    yield from np.split(order, changes)
