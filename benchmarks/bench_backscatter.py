"""Electron paths per second, against NumPy with all electrons side by side.

The answer is checked first: both are within their errors of each other, in how many come back and in how often they
scatter. NumPy follows the same rules from tables of the range, in arrays of all electrons that are still under way, and
draws random numbers of its own, which is cheaper than counters.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cemvis._checks import thread_count
from cemvis.analysis.porosity.backscatter import solid_of
from cemvis.analysis.porosity.calibration import CSH, FIELDS_METAL
from cemvis.analysis.porosity.compound import Compound
from cemvis.kernels.backscatter import backscattered, electron_transport

THREADS = thread_count(None)
SOLIDS = {"Cu": Compound.parse("Cu"), "Au": Compound.parse("Au"), "C-S-H": CSH, "Field's metal": FIELDS_METAL}
ELECTRONS = 20_000
WANTED_A_MINUTE = 1_000_000  # 20 keV, copper, 2 cores


def with_numpy(solid: np.ndarray, energy_kev: float, electrons: int) -> tuple[int, int]:
    energy = np.geomspace(0.05, energy_kev, 4001)
    free, share, power = electron_transport(solid, np.clip(energy, 0.05, 30.0)).T
    left = np.concatenate(([0], np.cumsum(np.diff(energy) * 0.5 * (1 / power[1:] + 1 / power[:-1]))))
    grid = np.linspace(0, 1, 2049) ** 2 * left[-1]
    energies, paths, shares = (np.interp(grid, left, column) for column in (energy, free / left[-1], share))
    random = np.random.default_rng(0)
    z, rest, path = np.zeros(electrons), np.ones(electrons), np.full(electrons, paths[-1])
    uz = np.ones(electrons)
    back = scatterings = 0
    while len(z):
        flight = path * random.standard_exponential(len(z))
        after = z + flight * uz
        out = after < 0
        back += np.count_nonzero(out & (np.divide(z, -uz, where=out, out=np.ones_like(z)) < rest))
        rest = rest - flight
        on = ~out & (rest > after)
        z, uz, rest = after[on], uz[on], rest[on]
        scatterings += len(z)
        at = np.sqrt(rest) * 2048
        knot = np.minimum(at.astype(np.int32), 2047)
        part = at - knot
        e, path, rutherford = (t[knot] + part * (t[knot + 1] - t[knot]) for t in (energies, paths, shares))
        u = random.random(len(z))
        even = u >= rutherford
        q = np.where(even, (u - rutherford) / (1 - rutherford), u / rutherford)
        less = np.where(even, 2 * q, 0.014 * q / (e * (1 - q) + 0.007))
        # Only the direction's depth matters here, and turning about the beam changes nothing.
        sine = np.sqrt(np.maximum(less * (2 - less) * (1 - uz * uz), 0.0))
        uz = uz * (1 - less) + sine * np.cos(2 * np.pi * random.random(len(z)))
    return back, scatterings


@pytest.mark.parametrize(
    ("name", "energy_kev"),
    [("Cu", 20.0), ("Cu", 5.0), ("Au", 20.0), ("C-S-H", 5.0), ("Field's metal", 5.0), ("C-S-H", 20.0)],
)
def test_backscatter(name: str, energy_kev: float, compare: Callable[..., object]) -> None:
    solid = solid_of(SOLIDS[name])

    def paths(threads: int) -> object:
        return backscattered(solid, energy_kev, electrons=ELECTRONS, threads=threads)

    found = backscattered(solid, energy_kev, electrons=ELECTRONS, threads=THREADS)
    back, scatterings = with_numpy(solid, energy_kev, ELECTRONS)
    eta = found.backscattered / ELECTRONS
    assert abs(back / ELECTRONS - eta) < 5 * np.sqrt(2 * eta * (1 - eta) / ELECTRONS)
    assert scatterings == pytest.approx(found.scatterings, rel=0.03)
    contenders = {f"cemvis, {THREADS} threads": lambda: paths(THREADS)}
    if THREADS > 1:
        contenders["cemvis, 1 thread"] = lambda: paths(1)
    contenders["NumPy"] = lambda: with_numpy(solid, energy_kev, ELECTRONS)
    steps = (found.scatterings + ELECTRONS) / ELECTRONS
    title = f"{ELECTRONS:,} electrons of {energy_kev:g} keV in {name}: eta {eta:.3f}, {steps:.0f} flights each"
    measured = compare(title, contenders)
    seconds = measured.seconds[f"cemvis, {THREADS} threads"]
    rate = ELECTRONS / seconds
    print(f"{title}: {60 * rate:,.0f} paths a minute, {1e9 * seconds * THREADS / steps / ELECTRONS:.1f} ns a flight")
    if name == "Cu" and energy_kev == 20.0:
        print(f"  wanted: {WANTED_A_MINUTE:,} paths a minute: {'met' if 60 * rate >= WANTED_A_MINUTE else 'NOT met'}")
