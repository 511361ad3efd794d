"""A second visit to the microscope: how the pixels of its mosaic lie on those of the first."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.specimen.visit_settings import VisitSettings
from cemvis.errors import InputError

Floats = NDArray[np.float64]

# Of the inverse's fixed-point iteration. Distortions have slopes of a few hundredths at most: a digit and a half each.
ROUNDS = 12


@dataclass(frozen=True)
class Wave:
    """One sine of the distortion: along which axis it runs and which coordinate it shifts ("x" or "y")."""

    cause: str
    along: str
    shifts: str
    amplitude_px: float
    wavelength_px: float
    phase_rad: float


@dataclass(frozen=True, kw_only=True)
class Visit:
    """The mosaic of a second visit: its size, its grey levels and the place of each pixel on the first mosaic.

    A pixel at ``p`` of the mosaic belongs to one of the images that it was stitched of, and shows what stands at
    ``q = p + offset`` of the mosaic that a perfect stage would have taken. That is, with ``u = q - centre_after``,
    at ``centre_before + scale * R(rotation) u + waves(u)`` on the first mosaic. The map jumps at the seams, so a
    place near a seam may show twice or not at all.

    Attributes
    ----------
    rows, cols
        Of the mosaic.
    rotation_deg
        From x towards y.
    scale
        Pixels of the first mosaic per pixel of this one.
    centre_after_px, centre_before_px
        (x, y) of the same place.
    waves
        Drift and scan distortion.
    image_px
        Edge of the stitched images: seams lie left of and above pixels whose index is a multiple of it.
    offset_px
        (x, y) offset of each image, row by row of images.
    image_brightness
        Grey levels added to each image, likewise.
    contrast, brightness
        Grey levels are the first visit's times `contrast` plus `brightness`.
    """

    rows: int
    cols: int
    rotation_deg: float
    scale: float
    centre_after_px: tuple[float, float]
    centre_before_px: tuple[float, float]
    waves: tuple[Wave, ...]
    image_px: int
    offset_px: tuple[tuple[tuple[float, float], ...], ...]
    image_brightness: tuple[tuple[float, ...], ...]
    contrast: float
    brightness: float

    def to_json(self) -> dict[str, Any]:
        """Return plain values for a JSON file, with the seams spelt out."""
        seams = {
            "seam_x_px": [k * self.image_px - 0.5 for k in range(1, len(self.offset_px[0]))],
            "seam_y_px": [k * self.image_px - 0.5 for k in range(1, len(self.offset_px))],
        }
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain | seams

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Visit:
        """Return the visit that `to_json` wrote down.

        Raises
        ------
        InputError
            If something is missing.
        """
        try:
            values = {field.name: _tuples(plain[field.name]) for field in fields(cls)}
            values["waves"] = tuple(Wave(**wave) for wave in plain["waves"])
        except (KeyError, TypeError) as error:
            msg = f"the record of a visit lacks {error}; wanted what `cemvis specimen --after` writes as truth_visit"
            raise InputError(msg) from None
        return cls(**values)

    def after_to_before(self, after_xy_px: Floats) -> Floats:
        """Return where on the first mosaic positions of this one lie, (..., 2) float64 x and y in px.

        Beyond the mosaic's edge the outermost images go on.
        """
        moved = after_xy_px + self._offsets()[self.image_of(after_xy_px)]
        return self._smooth(moved)

    def before_to_after(self, before_xy_px: Floats) -> Floats:
        """Return where on this mosaic positions of the first one show, (..., 2) float64 x and y in px.

        Of a place that shows twice beside a seam, one position; of a place lost in a seam, where it would be if the
        image nearest to it went on.
        """
        moved = self._smooth_inverse(before_xy_px)
        offsets = self._offsets()
        nearest = image = self.image_of(moved)
        for _ in range(4):  # a corner has four images to try
            found = moved - offsets[image]
            lands = self.image_of(found)
            shows = lands == image
            if shows.all():
                break
            image = np.where(shows, image, lands)
        return np.where(shows[..., None], found, moved - offsets[nearest])

    def image_of(self, after_xy_px: Floats) -> NDArray[np.int64]:
        """Return the number of the stitched image, row by row, that positions of the mosaic belong to."""
        across, down = len(self.offset_px[0]), len(self.offset_px)
        place = np.floor((after_xy_px + 0.5) / self.image_px).astype(np.int64)
        col, row = np.clip(place[..., 0], 0, across - 1), np.clip(place[..., 1], 0, down - 1)
        number: NDArray[np.int64] = row * across + col
        return number

    def brightness_of(self, image: NDArray[np.int64]) -> Floats:
        """Return the grey levels added to each of the images numbered as by `image_of`."""
        return np.asarray(self.image_brightness, dtype=np.float64).ravel()[image]

    def _offsets(self) -> Floats:
        return np.asarray(self.offset_px, dtype=np.float64).reshape(-1, 2)

    def _matrix(self) -> Floats:
        turn = math.radians(self.rotation_deg)
        cos, sin = self.scale * math.cos(turn), self.scale * math.sin(turn)
        return np.array([[cos, -sin], [sin, cos]])

    def _waves(self, away: Floats) -> Floats:
        shift = np.zeros_like(away)
        for wave in self.waves:
            along = away[..., "xy".index(wave.along)]
            shift[..., "xy".index(wave.shifts)] += wave.amplitude_px * np.sin(
                2 * math.pi / wave.wavelength_px * along + wave.phase_rad
            )
        return shift

    def _smooth(self, moved: Floats) -> Floats:
        away = moved - np.array(self.centre_after_px)
        return np.asarray(away @ self._matrix().T + self._waves(away) + np.array(self.centre_before_px))

    def _smooth_inverse(self, before_xy_px: Floats) -> Floats:
        back = np.linalg.inv(self._matrix()).T
        aim = before_xy_px - np.array(self.centre_before_px)
        away = aim @ back
        for _ in range(ROUNDS):
            away = (aim - self._waves(away)) @ back
        return np.asarray(away + np.array(self.centre_after_px))


def draw_visit(settings: VisitSettings, *, edge_px: int, pixel_size_um: float, rng: np.random.Generator) -> Visit:
    """Return a second visit to a square area, drawn from `rng`; its mosaic shows the whole area and a margin.

    Parameters
    ----------
    settings
        How different the visits may be.
    edge_px
        Edge of the area on the first mosaic.
    pixel_size_um
        Of both mosaics, as the microscope states it.
    rng
        The same state gives the same visit.
    """
    rotation, scale = rng.uniform(-1, 1, 2) * (settings.rotation_deg, settings.scale)
    waves = _draw_waves(settings, edge_px, pixel_size_um, rng)
    contrast, brightness = float(rng.uniform(*settings.contrast)), float(rng.uniform(*settings.brightness))
    margin = rng.uniform(*settings.margin_um, 4) / pixel_size_um
    centre = (edge_px - 1) / 2
    image_px = max(16, round(settings.image_um / pixel_size_um))
    common: dict[str, Any] = {
        "rotation_deg": float(rotation),
        "scale": 1 + float(scale),
        "centre_before_px": (centre, centre),
        "waves": waves,
        "image_px": image_px,
        "contrast": contrast,
        "brightness": brightness,
    }
    bare = Visit(
        rows=1, cols=1, centre_after_px=(0.0, 0.0), offset_px=(((0.0, 0.0),),), image_brightness=((0.0,),), **common
    )
    line = np.linspace(-0.5, edge_px - 0.5, 201)
    border = np.concatenate([np.stack(pair, axis=1) for pair in _square(line)])
    seen = bare.before_to_after(border)
    # Offsets of the images reach four sds and some into the margin.
    left, top = np.ceil(margin[:2] - seen.min(axis=0) + 5 * settings.seam_um / pixel_size_um)
    right, bottom = np.ceil(seen.max(axis=0) + margin[2:] + 5 * settings.seam_um / pixel_size_um)
    cols, rows = int(left + right), int(top + bottom)
    across, down = -(-cols // image_px), -(-rows // image_px)
    offset = rng.standard_normal((down, across, 2)) * (settings.seam_um / pixel_size_um)
    step = rng.standard_normal((down, across)) * settings.image_brightness
    return Visit(
        rows=rows,
        cols=cols,
        centre_after_px=(float(left), float(top)),
        offset_px=_tuples(offset.tolist()),
        image_brightness=_tuples(step.tolist()),
        **common,
    )


def _draw_waves(
    settings: VisitSettings, edge_px: int, pixel_size_um: float, rng: np.random.Generator
) -> tuple[Wave, ...]:
    """Return drift down the mosaic and scan distortion across it, two waves for each coordinate."""
    waves = []
    for cause, along, amplitude_um in (("drift", "y", settings.drift_um), ("scan", "x", settings.scan_um)):
        for shifts in "xy":
            for share, longest in ((0.8, 2.0), (0.2, 0.6)):
                size = share * amplitude_um / pixel_size_um * rng.uniform(0.6, 1.0)
                length = longest * edge_px * rng.uniform(0.7, 1.0)
                waves.append(Wave(cause, along, shifts, float(size), float(length), float(rng.uniform(0, 2 * math.pi))))
    return tuple(waves)


def _square(line: Floats) -> list[tuple[Floats, Floats]]:
    low, high = np.full_like(line, line[0]), np.full_like(line, line[-1])
    return [(line, low), (line, high), (low, line), (high, line)]


def _tuples(value: Any) -> Any:
    """Return nested lists as nested tuples."""
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value
