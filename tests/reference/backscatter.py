"""Electron paths as the papers have them: one electron after another, formulas evaluated where they are needed.

The kernel's random numbers, but nothing else of it: no tables, the library's logarithm, sine and cosine, directions
turned by angles, and energies from a fine numerical integral of the stopping power.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

SLOWEST_KEV = 0.05
WORD = 2**32


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    a, b, c, d = counter
    low, high = key
    for _ in range(10):
        left, right = a * 0xD2511F53, c * 0xCD9E8D57
        a, b, c, d = (right // WORD) ^ b ^ low, right % WORD, (left // WORD) ^ d ^ high, left % WORD
        low, high = (low + 0x9E3779B9) % WORD, (high + 0xBB67AE85) % WORD
    return a, b, c, d


def cross_section(z: float, e: float) -> float:
    return 3.0e-18 * z**1.7 / (e + 0.005 * z**1.7 * math.sqrt(e) + 0.0007 * z**2 / math.sqrt(e))


def rutherford_to_isotropic(z: float, e: float) -> float:
    return 300 * e ** (1 - z / 2000) / z + z**3 / (3e5 * e)


def mean_free_path(solid: np.ndarray, e: float) -> float:
    elements = solid.tolist()
    whole = sum(c for _, _, c in elements)
    return 1 / sum(6.02214076e23 * c / whole / a * cross_section(z, e) for z, a, c in elements)


def rutherford_share(solid: np.ndarray, e: float) -> float:
    elements = solid.tolist()
    ratios = [rutherford_to_isotropic(z, e) for z, _, _ in elements]
    weights = [c / a * cross_section(z, e) for z, a, c in elements]
    return sum(w * r / (1 + r) for w, r in zip(weights, ratios, strict=True)) / sum(weights)


def stopping_power(solid: np.ndarray, e: np.ndarray) -> np.ndarray:
    total = np.zeros_like(np.asarray(e, float))
    for z, a, c in solid:
        j = (11.5 * z if z < 13 else 9.76 * z + 58.5 * z**-0.19) / 1000
        k = 0.731 + 0.0688 * math.log10(z)
        total += c / solid[:, 2].sum() * z / a * np.log(1.166 * (e + k * j) / j)
    return 78500 / e * total


@dataclass
class Paths:
    electrons: int = 0
    scatterings: int = 0
    energies: list[float] = field(default_factory=list)  # of those who come back, / beam energy
    depths: list[float] = field(default_factory=list)  # deepest point / range
    radii: list[float] = field(default_factory=list)  # / range


class Range:
    """Energy against what is left of the range, by the trapezoidal rule on a fine grid."""

    def __init__(self, solid: np.ndarray, energy_kev: float) -> None:
        self.energy = np.geomspace(SLOWEST_KEV, energy_kev, 40_001)
        slowness = 1 / stopping_power(solid, self.energy)
        self.left = np.concatenate(([0], np.cumsum(np.diff(self.energy) * (slowness[1:] + slowness[:-1]) / 2)))
        self.whole = float(self.left[-1])

    def energy_at(self, left: float) -> float:
        return float(np.interp(left, self.left, self.energy))


def turned(direction: list[float], cosine: float, around: tuple[float, float]) -> list[float]:
    """Turn a direction by an angle, towards a point of a circle across it."""
    ux, uy, uz = direction
    sign = -1.0 if uz < 0 else 1.0  # which axes the circle has is a convention, and must be the kernel's
    scale = sign + uz
    one = [1 - sign * ux**2 / scale, -sign * ux * uy / scale, -sign * ux]
    two = [-ux * uy / scale, sign - uy**2 / scale, -uy]
    sine = math.sqrt(max(0.0, 1 - cosine**2))
    return [cosine * u + sine * (around[0] * p + around[1] * q) for u, p, q in zip(direction, one, two, strict=True)]


def point_on_circle(word: int) -> tuple[float, float]:
    angle = ((word // 4 + 0.5) / 2**30 - 0.5) * math.pi / 2
    x, y = math.cos(angle), math.sin(angle)
    if word & 1:
        x, y = y, x
    return (-x, -y) if word & 2 else (x, y)


def follow(solid: np.ndarray, energy_kev: float, numbers: range, *, seed: int = 0, tilt_deg: float = 0.0) -> Paths:
    paths = Paths()
    reach = Range(solid, energy_kev)
    for number in numbers:
        tilt = math.radians(tilt_deg)
        place, direction = [0.0, 0.0, 0.0], [math.sin(tilt), 0.0, math.cos(tilt)]
        left, energy, deepest, step = reach.whole, energy_kev, 0.0, 0
        paths.electrons += 1
        while True:
            words = philox((number % WORD, number // WORD, step, 0), (seed % WORD, seed // WORD))
            step += 1
            flight = -mean_free_path(solid, energy) * math.log((words[0] + 1) / WORD)
            after = [p + flight * u for p, u in zip(place, direction, strict=True)]
            if after[2] < 0:
                way = place[2] / -direction[2]
                if way < left:
                    at_surface = [p + way * u for p, u in zip(place, direction, strict=True)]
                    paths.energies.append(reach.energy_at(left - way) / energy_kev)
                    paths.depths.append(deepest / reach.whole)
                    paths.radii.append(math.hypot(at_surface[0], at_surface[1]) / reach.whole)
                break
            left -= flight
            if left <= after[2]:  # also where nothing is left: the surface is out of reach
                break
            place, deepest, energy = after, max(deepest, after[2]), reach.energy_at(left)
            share, u = rutherford_share(solid, energy), (words[1] + 0.5) / WORD
            if u < share:
                alpha, q = 0.007 / energy, u / share
                cosine = 1 - 2 * alpha * q / (1 + alpha - q)
            else:
                cosine = 1 - 2 * (u - share) / (1 - share)
            direction = turned(direction, cosine, point_on_circle(words[2]))
            paths.scatterings += 1
    return paths
