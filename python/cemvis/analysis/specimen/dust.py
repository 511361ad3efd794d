"""Specks of dust that lie on one mosaic and not on another."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DIAMETER_UM = (1.0, 10.0)
DARK, BRIGHT = (5.0, 40.0), (190.0, 250.0)
BRIGHT_SHARE = 0.4


@dataclass(frozen=True)
class Speck:
    """A speck: where it lies on the specimen, how large it is, its grey level and the lobes of its outline."""

    x_um: float
    y_um: float
    radius_um: float
    grey: float
    lobes: tuple[tuple[float, float], ...]

    @property
    def reach_um(self) -> float:
        """Distance from the centre beyond which there is none of it."""
        return self.radius_um * (1 + sum(size for size, _ in self.lobes)) + 0.6

    def cover(self, xy_um: Floats) -> Floats:
        """Return how much of the signal at positions comes from the speck, 0 to 1."""
        dx, dy = xy_um[..., 0] - self.x_um, xy_um[..., 1] - self.y_um
        bearing = np.arctan2(dy, dx)
        radius = self.radius_um * np.ones_like(bearing)
        for waves, (size, phase) in enumerate(self.lobes, start=2):
            radius += self.radius_um * size * np.cos(waves * bearing + phase)
        return np.asarray(0.5 - 0.5 * np.tanh((np.hypot(dx, dy) - radius) / 0.15), dtype=np.float64)


def draw_dust(
    first_um: tuple[float, float], last_um: tuple[float, float], *, per_mm2: float, rng: np.random.Generator
) -> tuple[Speck, ...]:
    """Return the specks in a rectangle, small ones more often than large ones."""
    low, high = np.array(first_um), np.array(last_um)
    area_mm2 = float(np.prod(high - low)) / 1e6
    specks = []
    for _ in range(int(rng.poisson(per_mm2 * area_mm2))):
        x, y = rng.uniform(low, high)
        radius = 0.5 * math.exp(rng.uniform(*np.log(DIAMETER_UM)))
        grey = rng.uniform(*(BRIGHT if rng.random() < BRIGHT_SHARE else DARK))
        lobes = tuple((float(rng.uniform(0, 0.3 / k)), float(rng.uniform(0, 2 * math.pi))) for k in (1, 2, 3))
        specks.append(Speck(float(x), float(y), radius, float(grey), lobes))
    return tuple(specks)
