"""What a second visit to the microscope shows of an area after indentation, at any place and tile by tile."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import thread_count
from cemvis.analysis.specimen.area import Area
from cemvis.analysis.specimen.campaign import Campaign
from cemvis.analysis.specimen.dust import Speck, draw_dust
from cemvis.analysis.specimen.imprints import ImprintLook, imprint_grey
from cemvis.analysis.specimen.visit import Visit, draw_visit
from cemvis.analysis.specimen.visit_settings import VisitSettings
from cemvis.kernels.specimen import Phase, Window

Floats = NDArray[np.float64]
Image = NDArray[np.float32]

# Tiles are always cut here, whoever asks for which part: a pixel is the same to the bit.
TILE_PX = 1024
# Cubic splines forget the window's edge by a factor of 0.27 a pixel: 1e-14 is left after this many.
SPLINE_MARGIN_PX = 24
# Of the way from a pore's grey level to that of LD-CSH: imprints show from the second on and not below the first.
SOLID_FROM = (0.1, 0.45)
DUST_HIDES = 0.5
_VISIT, _DUST, _NOISE = 103, 104, 105


@dataclass(frozen=True)
class AfterImage:
    """The mosaic of an area after its tests.

    Parameters
    ----------
    area
        As the first visit saw it.
    campaign
        Its tests.
    visit
        How this mosaic lies on the first.
    dust
        New specks.
    look
        How imprints show.
    """

    area: Area
    campaign: Campaign
    visit: Visit
    dust: tuple[Speck, ...]
    look: ImprintLook

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.visit.rows, self.visit.cols

    @cached_property
    def after_xy_px(self) -> Floats:
        """Where the tests show, (n, 2) float64 x and y in px of this mosaic."""
        return self.visit.before_to_after(self.campaign.xy_um / self.area.pixel_size_um)

    def visible(self) -> NDArray[np.bool_]:
        """Return which tests left an imprint that neither pores nor dust hide, (n,) bool."""
        seen = np.array([imprint is not None for imprint in self.campaign.imprints])
        around = np.concatenate([[[0.0, 0.0]], _corners(self.campaign.orientation_rad) * 0.5])
        spots = self.campaign.xy_um[:, None] + around * np.nan_to_num(self.campaign.side_um)[:, None, None]
        for speck in self.dust:
            seen &= speck.cover(spots).mean(axis=1) <= DUST_HIDES
        return seen

    def bands(self, *, threads: int | None = None) -> Iterator[NDArray[np.uint8]]:
        """Yield the mosaic from top to bottom in full-width bands of `TILE_PX` rows."""
        across = range(0, self.visit.cols, TILE_PX)
        with ThreadPoolExecutor(thread_count(threads)) as pool:
            for row in range(0, self.visit.rows, TILE_PX):
                yield np.concatenate(list(pool.map(partial(self._tile, row), across)), axis=1)

    def image(self, window: Window, *, threads: int | None = None) -> NDArray[np.uint8]:
        """Return a window of the mosaic, (rows, cols) uint8; it must lie inside."""
        first_row, first_col = window.row // TILE_PX * TILE_PX, window.col // TILE_PX * TILE_PX
        across = range(first_col, window.col + window.cols, TILE_PX)
        with ThreadPoolExecutor(thread_count(threads)) as pool:
            rows = [
                np.concatenate(list(pool.map(partial(self._tile, row), across)), axis=1)
                for row in range(first_row, window.row + window.rows, TILE_PX)
            ]
        top, left = window.row - first_row, window.col - first_col
        return np.concatenate(rows)[top : top + window.rows, left : left + window.cols]

    def _tile(self, row: int, col: int) -> NDArray[np.uint8]:
        rows, cols = min(TILE_PX, self.visit.rows - row), min(TILE_PX, self.visit.cols - col)
        x, y = np.meshgrid(np.arange(col, col + cols, dtype=np.float64), np.arange(row, row + rows, dtype=np.float64))
        after = np.stack([x, y], axis=-1)
        before = self.visit.after_to_before(after)
        grey = self._undisturbed(before)
        solid = self._solid(grey)
        self._add_imprints(grey, solid, before, row, col)
        self._add_dust(grey, before)
        imaging = self.area.recipe.imaging
        eta = np.clip((grey - imaging.offset) / imaging.gain, 0, None)
        noise_sd = np.sqrt(imaging.read_noise**2 + imaging.shot_noise * eta)
        bits = np.random.Philox(key=[self.area.seed, 1000 * _NOISE + self.area.index], counter=[0, 0, row, col])
        grey += noise_sd * np.random.Generator(bits).standard_normal(grey.shape, dtype=np.float32)
        grey = self.visit.contrast * grey + self.visit.brightness
        grey += self.visit.brightness_of(self.visit.image_of(after)).astype(np.float32)
        return np.clip(np.rint(grey), 0, 255).astype(np.uint8)

    def _undisturbed(self, before: Floats) -> Image:
        """Return the surface as it was, without noise, at positions on the first mosaic in px."""
        from scipy.ndimage import map_coordinates, spline_filter

        low = np.floor(before.min(axis=(0, 1))).astype(int) - SPLINE_MARGIN_PX
        high = np.ceil(before.max(axis=(0, 1))).astype(int) + SPLINE_MARGIN_PX
        window = Window(int(low[1]), int(low[0]), int(high[1] - low[1] + 1), int(high[0] - low[0] + 1))
        splines = spline_filter(self._noiseless.image(window, threads=1), order=3, output=np.float32)
        places = np.stack([before[..., 1] - low[1], before[..., 0] - low[0]])
        return np.asarray(map_coordinates(splines, places, output=np.float32, order=3, prefilter=False))

    @cached_property
    def _noiseless(self) -> Area:
        imaging = replace(self.area.recipe.imaging, read_noise=0.0, shot_noise=0.0)
        return replace(self.area, recipe=replace(self.area.recipe, imaging=imaging))

    def _solid(self, grey: Image) -> Image:
        """Return how far there is a surface to be imprinted, 0 to 1."""
        imaging = self.area.recipe.imaging
        pore, matrix = (imaging.offset + imaging.gain * imaging.eta[phase] for phase in (Phase.PORE, Phase.LD_CSH))
        low, high = (pore + share * (matrix - pore) for share in SOLID_FROM)
        return np.asarray(np.clip((grey - low) / (high - low), 0, 1), dtype=np.float32)

    @cached_property
    def _reach_px(self) -> Floats:
        """Distance on this mosaic beyond which nothing shows of each imprint, seams allowed for; 0 of none."""
        reach = np.array([0.0 if each is None else each.reach_um(self.look) for each in self.campaign.imprints])
        jump = 2 * float(np.abs(self.visit.offset_px).max())
        return np.where(reach > 0, 1.05 * reach / self.area.pixel_size_um + jump + 2, 0.0)

    def _add_imprints(self, grey: Image, solid: Image, before: Floats, row: int, col: int) -> None:
        at, reach = self.after_xy_px - (col, row), self._reach_px
        limit = np.array([grey.shape[1], grey.shape[0]])
        near = (reach > 0) & ((at > -reach[:, None]) & (at < limit + reach[:, None])).all(axis=1)
        for n in np.flatnonzero(near):
            low = np.clip(np.floor(at[n] - reach[n]), 0, limit).astype(int)
            high = np.clip(np.ceil(at[n] + reach[n]) + 1, 0, limit).astype(int)
            box = np.s_[low[1] : high[1], low[0] : high[0]]
            imprint = self.campaign.imprints[n]
            if imprint is None or grey[box].size == 0:
                continue
            added = imprint_grey(
                imprint,
                self.look,
                before[box] * self.area.pixel_size_um,
                orientation_rad=self.campaign.orientation_rad,
            )
            grey[box] += solid[box] * added

    def _add_dust(self, grey: Image, before: Floats) -> None:
        place = before * self.area.pixel_size_um
        low, high = place.min(axis=(0, 1)), place.max(axis=(0, 1))
        for speck in self.dust:
            at = np.array([speck.x_um, speck.y_um])
            if (at > low - speck.reach_um).all() and (at < high + speck.reach_um).all():
                cover = speck.cover(place).astype(np.float32)
                grey += cover * (np.float32(speck.grey) - grey)


def after_image(
    area: Area, campaign: Campaign, *, settings: VisitSettings | None = None, look: ImprintLook | None = None
) -> AfterImage:
    """Return the mosaic of an area after its tests; the same area, tests and settings give the same one."""
    settings = settings or VisitSettings()
    visit = draw_visit(
        settings,
        edge_px=area.edge_px,
        pixel_size_um=area.pixel_size_um,
        rng=np.random.default_rng([area.seed, area.index, _VISIT]),
    )
    dust = draw_dust(
        (0.0, 0.0),
        (area.edge_um, area.edge_um),
        per_mm2=settings.dust_per_mm2,
        rng=np.random.default_rng([area.seed, area.index, _DUST]),
    )
    return AfterImage(area, campaign, visit, dust, look or ImprintLook())


def _corners(orientation_rad: float) -> Floats:
    """Return the corners of a triangle of side 1 about its centre, (3, 2)."""
    bearing = orientation_rad + np.arange(3) * 2 * math.pi / 3
    return np.stack([np.cos(bearing), np.sin(bearing)], axis=1) / math.sqrt(3)
