"""One image on its way to nano-porosity maps: clinker, MulF and MicF written band by band, and counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis import __version__
from cemvis._files import access_errors
from cemvis.analysis.porosity.clinker import ClinkerRule, segment_clinker
from cemvis.analysis.porosity.nano_porosity import (
    PorosityCurve,
    level_table,
    micro_features,
    micro_halo,
    porosity_table,
)
from cemvis.analysis.porosity.pores import PoreStatistics, pore_statistics
from cemvis.errors import InputError
from cemvis.images.micrograph import Micrograph, open_micrograph
from cemvis.images.ome_tiff import Raster, write_ome_tiff
from cemvis.workflows._npm_inputs import NpmConfig, Source
from cemvis.workflows._npm_session import SessionAnchors, porosity_tables

MULF, MICF, CLINKER = ".mulf.tif", ".micf.tif", ".clinker.tif"
TILE_COLS = 2048
MOST_HALO_PX = 1024  # around a tile; clinker of 1.5 um wants as much at pixels of 2 nm
MOST_LABELLED_PX = 1 << 24  # of an image whose pores are found in it as a whole

Read = Callable[[int, int, int, int], NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Counted:
    """What is known of a map, or of a whole image.

    Attributes
    ----------
    row_px, column_px : int
    shape : (rows, cols)
    counts : (256,) int64
        Pixels of each level of MulF.
    clinker_px : int
    porosity_draws : (draws,) float64
        Mean equivalent porosity for each draw of the anchors.
    pores : PoreStatistics or None
        None for an image too large to be labelled whole.
    """

    row_px: int
    column_px: int
    shape: tuple[int, int]
    counts: NDArray[np.int64]
    clinker_px: int
    porosity_draws: NDArray[np.float64]
    pores: PoreStatistics | None


@dataclass(frozen=True, eq=False)
class MappedImage:
    """An image that was mapped.

    Attributes
    ----------
    source : Source
    session : SessionAnchors
    maps : tuple of Counted
        Squares of `map_px`, row by row.
    whole : Counted
    greys : (levels,) int64
        Pixels of each grey.
    clinker_greys : (levels,) int64
        Those that are clinker.
    files : tuple of Path
        MulF, MicF and, if there is one, the clinker mask.
    """

    source: Source
    session: SessionAnchors
    maps: tuple[Counted, ...]
    whole: Counted
    greys: NDArray[np.int64]
    clinker_greys: NDArray[np.int64]
    files: tuple[Path, ...]

    def clipped(self) -> tuple[float, float]:
        """Return the shares of pixels at grey 0 and at the highest grey of the type."""
        total = int(self.greys.sum())
        return float(self.greys[0] / total), float(self.greys[-1] / total)


@dataclass
class _Sums:
    """What is added up while bands of MulF are made."""

    levels: int
    maps: list[Counted] = field(default_factory=list)
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    greys: NDArray[np.int64] = field(init=False)
    clinker_greys: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.greys = np.zeros(self.levels, np.int64)
        self.clinker_greys = np.zeros(self.levels, np.int64)


def map_image(
    source: Source, session: SessionAnchors, config: NpmConfig, *, curve: PorosityCurve, output: Path
) -> MappedImage:
    """Write the maps of one image into `output` and return what was counted.

    Memory holds a band of `map_px` rows, a tile of 2048 columns with its halo, and MulF of up to 16 Mpx for its pores.

    Raises
    ------
    InputError
        If a given mask has another size, or values besides 0 and one other.
    FileAccessError, FileFormatError
    """
    stem = output / source.name
    with access_errors(stem.parent):
        stem.parent.mkdir(parents=True, exist_ok=True)
    files = [stem.with_name(stem.name + end) for end in (MULF, MICF, CLINKER)]
    origin = {
        "source": source.path.name,
        "sha256": source.sha256,
        "anchors": {"csh": session.anchors.csh, "metal": session.anchors.metal},
        "cemvis": __version__,
    }
    with source.opened() as image:
        if config.clinker != "none":
            rule = config.rule or ClinkerRule(least_um=config.least_clinker_um)
            _write_clinker(image, source, session, rule, files[2], origin)
        sums = _Sums(source.levels)
        with _opened_mask(files[2] if config.clinker != "none" else None) as clinker:
            bands = _mulf_bands(image, clinker, session, config, curve, sums)
            text = "Level = 255 n, nano- and microscale."
            _write(files[0], bands, source, "Equivalent porosity (MulF)", text, origin)
    with open_micrograph(files[0], info_bar=False) as mulf:
        bands = _filtered(mulf, config)
        _write(files[1], bands, source, "Equivalent porosity (MicF)", "Level = 255 n, microscale alone.", origin)
        pores = None
        if source.shape[0] * source.shape[1] <= MOST_LABELLED_PX:
            pores = pore_statistics(mulf.read(0, 0, *source.shape), threshold=config.pore_threshold)
    tables = porosity_tables(session, curve, levels=source.levels)
    draws = tables @ (sums.greys - sums.clinker_greys) / sums.counts.sum()
    whole = Counted(0, 0, source.shape, sums.counts, int(sums.clinker_greys.sum()), draws, pores)
    written = tuple(files if config.clinker != "none" else files[:2])
    return MappedImage(source, session, tuple(sums.maps), whole, sums.greys, sums.clinker_greys, written)


def _write(
    path: Path, bands: Iterator[NDArray[np.uint8]], source: Source, name: str, text: str, origin: dict[str, Any]
) -> None:
    raster = Raster(name, text, source.pixel_size.um, origin=origin)
    write_ome_tiff(path, bands, shape=source.shape, dtype="uint8", raster=raster)


def _write_clinker(
    image: Micrograph, source: Source, session: SessionAnchors, rule: ClinkerRule, path: Path, origin: dict[str, Any]
) -> None:
    um = source.pixel_size.um
    if source.clinker is None:
        halo = rule.halo_px(um)
        if halo > MOST_HALO_PX:
            msg = (
                f"clinker of {rule.least_um:g} um at {source.pixel_size} a pixel is looked for {halo} px around each, "
                f"at most {MOST_HALO_PX} are allowed: check the pixel size, lower --least-clinker or give a mask"
            )
            raise InputError(msg)

        def segmented(block: NDArray[Any]) -> NDArray[np.uint8]:
            found = segment_clinker(block, session.anchors, noise=session.sample.noise, pixel_size_um=um, rule=rule)
            return found.astype(np.uint8) * np.uint8(255)

        bands = _tiled(image.read, source.shape, halo, segmented)
        _write(path, bands, source, "Clinker", "255 where porosity is set to 0; correct it and give it back.", origin)
        return
    with open_micrograph(source.clinker, pixel_size=source.pixel_size, info_bar=False) as mask:
        if mask.shape != source.shape:
            msg = (
                f"the mask {source.clinker} has {mask.shape[0]} x {mask.shape[1]} px and {source.path} "
                f"{source.shape[0]} x {source.shape[1]}; wanted the same"
            )
            raise InputError(msg)
        bands = _binary_bands(mask, source.clinker)
        _write(path, bands, source, "Clinker", "255 where porosity is set to 0, as given.", origin)


def _binary_bands(mask: Micrograph, path: Path) -> Iterator[NDArray[np.uint8]]:
    """Yield a given mask as 0 and 255, and refuse one with more than one value besides 0."""
    inside: int | None = None
    for row in range(0, mask.shape[0], TILE_COLS):
        band = mask.read(row, 0, min(TILE_COLS, mask.shape[0] - row), mask.shape[1])
        for value in np.unique(band[band > 0]).tolist():
            if inside is not None and value != inside:
                msg = (
                    f"the mask {path} has the values {inside} and {value} besides 0; wanted 0 and one other: save it "
                    "without smoothing, and not as JPEG"
                )
                raise InputError(msg)
            inside = value
        yield np.where(band > 0, np.uint8(255), np.uint8(0))


def _tiled(
    read: Read, shape: tuple[int, int], halo: int, change: Callable[[NDArray[Any]], NDArray[np.uint8]], rows: int = 512
) -> Iterator[NDArray[np.uint8]]:
    """Yield bands of an image that `change` is applied to, tile by tile with `halo` px around each."""
    for top in range(0, shape[0], rows):
        bottom = min(shape[0], top + rows)
        band = np.empty((bottom - top, shape[1]), np.uint8)
        above, below = max(0, top - halo), min(shape[0], bottom + halo)
        for left in range(0, shape[1], TILE_COLS):
            right = min(shape[1], left + TILE_COLS)
            before, behind = max(0, left - halo), min(shape[1], right + halo)
            changed = change(read(above, before, below - above, behind - before))
            band[:, left:right] = changed[top - above : bottom - above, left - before : right - before]
        yield band


def _filtered(mulf: Micrograph, config: NpmConfig) -> Iterator[NDArray[np.uint8]]:
    def smooth(block: NDArray[Any]) -> NDArray[np.uint8]:
        return micro_features(block, sigma_px=config.sigma_px)

    return _tiled(mulf.read, mulf.shape, micro_halo(config.sigma_px), smooth)


@contextmanager
def _opened_mask(path: Path | None) -> Iterator[Micrograph | None]:
    if path is None:
        yield None
        return
    with open_micrograph(path, info_bar=False) as mask:
        yield mask


def _mulf_bands(
    image: Micrograph,
    clinker: Micrograph | None,
    session: SessionAnchors,
    config: NpmConfig,
    curve: PorosityCurve,
    sums: _Sums,
) -> Iterator[NDArray[np.uint8]]:
    """Yield bands of MulF as high as a map, and count what is in them."""
    table = level_table(porosity_table(session.anchors, curve, levels=sums.levels))
    tables = porosity_tables(session, curve, levels=sums.levels)
    rows, cols = image.shape
    edge = config.map_px
    for top in range(0, rows, edge):
        high = min(edge, rows - top)
        band = np.empty((high, cols), np.uint8)
        # Tiles end where maps do, so that each map is counted with its greys at hand.
        step = max(1, TILE_COLS // edge) * edge
        for left in range(0, cols, step):
            wide = min(step, cols - left)
            grey = image.read(top, left, high, wide)
            masked = np.zeros(grey.shape, bool) if clinker is None else clinker.read(top, left, high, wide) > 0
            levels = table[grey]
            levels[masked] = 0
            band[:, left : left + wide] = levels
            sums.counts += np.bincount(levels.reshape(-1), minlength=256)
            sums.greys += np.bincount(grey.reshape(-1), minlength=sums.levels)
            sums.clinker_greys += np.bincount(grey[masked], minlength=sums.levels)
            for col in range(0, wide - edge + 1, edge) if high == edge else ():
                part = slice(col, col + edge)
                place = (top, left + col)
                sums.maps.append(_counted(place, grey[:, part], levels[:, part], masked[:, part], tables, config))
        yield band


def _counted(
    place: tuple[int, int],
    grey: NDArray[Any],
    levels: NDArray[np.uint8],
    masked: NDArray[np.bool_],
    tables: NDArray[np.float64],
    config: NpmConfig,
) -> Counted:
    open_greys = np.bincount(grey[~masked], minlength=tables.shape[1])
    return Counted(
        *place,
        (grey.shape[0], grey.shape[1]),
        np.bincount(levels.reshape(-1), minlength=256),
        int(masked.sum()),
        tables @ open_greys / grey.size,
        pore_statistics(levels, threshold=config.pore_threshold),
    )
