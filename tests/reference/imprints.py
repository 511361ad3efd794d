"""Batches of imprints on a random background, with the places that they were really made at."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

SUPERSAMPLED = 4


@dataclass(frozen=True)
class Batch:
    """A simulated batch.

    Attributes
    ----------
    image : (n, m) uint8
    places_px : (rows, columns, 2) float64
        Where imprints are, or would be if they weren't missing.
    expected_origin_px : (2,) float64
        Where the first one was expected.
    missing : (rows, columns) bool
    """

    image: NDArray[np.uint8]
    places_px: NDArray[np.float64]
    expected_origin_px: NDArray[np.float64]
    missing: NDArray[np.bool_]


def background(
    shape: tuple[int, int],
    random: np.random.Generator,
    *,
    correlation_px: float = 20,
    blur_px: float = 1.5,
    noise: float = 0.3,
    particles: int = 0,
    particle_px: float = 4,
) -> NDArray[np.float32]:
    """Return a Gaussian field of unit variance with a power law's tail, white noise on it, and discs of both signs."""
    side = [scipy.fft.next_fast_len(n, True) for n in shape]
    f = np.hypot(scipy.fft.fftfreq(side[0])[:, None], scipy.fft.rfftfreq(side[1])[None, :])
    decay = (1 + (2 * np.pi * correlation_px * f) ** 2) ** -0.9 * np.exp(-0.5 * (2 * np.pi * f * blur_px) ** 2)
    white = scipy.fft.rfft2(random.standard_normal(side, dtype=np.float32))
    field = scipy.fft.irfft2(white * decay.astype(np.float32), s=side)[: shape[0], : shape[1]]
    field = (field - field.mean()) / field.std()
    y, x = np.mgrid[-20:21, -20:21]
    for _ in range(particles):
        radius, level = random.uniform(0.5, 1.5) * particle_px, random.choice([-1, 1]) * random.uniform(0.5, 2)
        disc = np.clip(radius - np.hypot(x, y * random.uniform(0.6, 1.6)) + 0.5, 0, 1)
        _add(field, disc * level, int(random.integers(shape[1])), int(random.integers(shape[0])))
    return np.asarray(field + noise * random.standard_normal(shape, dtype=np.float32), dtype=np.float32)


def imprint(
    x: float, y: float, *, size_px: float, angle_rad: float, blur_px: float, shape: str, outline: bool
) -> NDArray[np.float64]:
    """Return the area of each pixel around (0, 0) that an imprint at (x, y) covers, or that its outline does.

    A triangle's first side has its normal at `angle_rad`, and `size_px` is its side; for a disc the diameter.
    """
    reach = math.ceil(size_px / math.sqrt(3) + 4 * blur_px + 3)
    fine = (np.arange((2 * reach + 1) * SUPERSAMPLED) + 0.5) / SUPERSAMPLED - 0.5 - reach
    dx, dy = fine[None, :] - x, fine[:, None] - y
    if shape == "disc":
        depth = size_px / 2 - np.hypot(dx, dy)
    else:
        angles = [angle_rad + 2 * math.pi / 3 * k for k in range(3)]
        depth = np.min([size_px / (2 * math.sqrt(3)) - dx * math.cos(a) - dy * math.sin(a) for a in angles], axis=0)
    inside = np.abs(depth) <= max(1.0, 0.05 * size_px) if outline else depth >= 0
    n = 2 * reach + 1
    covered = inside.reshape(n, SUPERSAMPLED, n, SUPERSAMPLED).mean(axis=(1, 3))
    return scipy.ndimage.gaussian_filter(covered, blur_px) if blur_px else covered


def batch(
    random: np.random.Generator,
    *,
    rows: int = 8,
    columns: int = 8,
    pitch_px: tuple[float, float] = (50.0, 50.0),
    size_px: float = 18.0,
    angle_rad: float = 0.3,
    blur_px: float = 0.0,
    shape: str = "triangle",
    outline: bool = False,
    contrast: float = -1.0,
    walk_px: float = 1.0,
    origin_px: float = 10.0,
    turn_rad: float = 0.0,
    off_rad: float = 0.0,
    missing: float = 0.0,
    margin_px: float | None = None,
    **of_background: float,
) -> Batch:
    """Return a batch of imprints with the stage's errors.

    `turn_rad` is the expected direction of the rows, `off_rad` what the batch is turned by beyond that.
    Contrast is what an imprint adds, in standard deviations of the background; 0 leaves the background alone.
    """
    u = np.concatenate([[0], np.cumsum(random.normal(0, walk_px, columns - 1))])
    v = np.concatenate([[0], np.cumsum(random.normal(0, walk_px, rows - 1))])
    i, j = np.mgrid[:rows, :columns]
    ideal = _turned(np.stack([j * pitch_px[0], i * pitch_px[1]], axis=-1), turn_rad)
    margin = max(pitch_px) / 2 if margin_px is None else margin_px
    low, high = ideal.min(axis=(0, 1)) - margin, ideal.max(axis=(0, 1)) + margin
    origin = -low
    stage = np.stack([j * pitch_px[0] + u[None, :], i * pitch_px[1] + v[:, None]], axis=-1)
    middle = np.array([(columns - 1) * pitch_px[0], (rows - 1) * pitch_px[1]]) / 2
    turned = _turned(middle, turn_rad) + _turned(stage - middle, turn_rad + off_rad)
    places = origin + turned + random.uniform(-origin_px, origin_px, 2)
    cols_px, rows_px = np.ceil(high - low).astype(int)
    image = background((int(rows_px), int(cols_px)), random, **of_background)  # type: ignore[arg-type]
    absent = random.random((rows, columns)) < missing
    scale = float(image.std()) * contrast
    if contrast:
        add_imprints(
            image,
            places[~absent],
            level=scale,
            size_px=size_px,
            angle_rad=angle_rad,
            blur_px=blur_px,
            shape=shape,
            outline=outline,
        )
    grey = np.clip(np.rint(128 + 25 * image), 0, 255).astype(np.uint8)
    return Batch(grey, places, origin, absent)


def add_imprints(image: NDArray[np.float32], places_px: NDArray[np.float64], *, level: float, **looks: object) -> None:
    """Add imprints that change the grey level by `level` where they are, in place; see `imprint` for their looks."""
    for x, y in places_px:
        at_x, at_y = round(float(x)), round(float(y))
        part = imprint(float(x) - at_x, float(y) - at_y, **looks)  # type: ignore[arg-type]
        _add(image, part * level, at_x, at_y)


def _turned(xy: NDArray[np.float64], angle_rad: float) -> NDArray[np.float64]:
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return np.asarray(xy @ np.array([[c, s], [-s, c]]))


def _add(image: NDArray[np.float32], part: NDArray[np.float64], x: int, y: int) -> None:
    """Add a patch around a pixel, as far as the image reaches."""
    reach = len(part) // 2
    rows = np.arange(y - reach, y + reach + 1)
    cols = np.arange(x - reach, x + reach + 1)
    inside_rows = (rows >= 0) & (rows < image.shape[0])
    inside_cols = (cols >= 0) & (cols < image.shape[1])
    image[np.ix_(rows[inside_rows], cols[inside_cols])] += part[np.ix_(inside_rows, inside_cols)]
