"""Numbers that cannot be what their columns say: units off by powers of ten, repeated places, no usable test."""

from __future__ import annotations

import numpy as np

from cemvis.analysis.indentation.rows import counted
from cemvis.analysis.indentation.table import UNITS, Floats, IndentTable
from cemvis.errors import InputError

_MEDIANS = {
    "modulus_gpa": (0.5, 1500.0),
    "hardness_gpa": (0.005, 100.0),
    "reduced_modulus_gpa": (0.5, 1500.0),
    "depth_nm": (2.0, 1e5),
    "load_mn": (1e-4, 1e5),
}
_SPACING_UM = (0.05, 5000.0)
_OTHER_UNITS = {
    "GPa": ((1e3, "MPa"), (1e6, "kPa"), (1e9, "Pa"), (1e-3, "TPa")),
    "nm": ((1e-3, "um"), (1e-6, "mm")),
    "mN": ((1e3, "uN"), (1e6, "nN"), (1e-3, "N")),
    "um": ((1e-3, "mm"), (1e3, "nm"), (1e-6, "m")),
}
# H = P / A, and A is about 24.5 h^2 for the usual tips: blunt tips and pile-up change that by less than this.
_MOST_APART = 50.0


def check_plausible(table: IndentTable, *, where: str, repeated_places: bool = False) -> None:
    """Refuse a table without a usable test, of impossible magnitudes, or with two tests at one place.

    Parameters
    ----------
    where : str
        The file, as the messages name it.
    repeated_places : bool
        Whether several rows may share a place, as the cycles of a test do.

    Raises
    ------
    InputError
    """
    if len(table) == 0:
        msg = f"{where} has columns but no tests; wanted at least one row below them"
        raise InputError(msg)
    if not table.ok.any():
        msg = f"{where} has no usable test: {counted(table)}"
        raise InputError(msg)
    for name, limits in _MEDIANS.items():
        values = getattr(table, name)[table.ok]
        if np.isfinite(values).any():
            _check_median(float(np.median(values[np.isfinite(values)])), name, limits, where)
    _check_modulus_above_hardness(table, where)
    _check_load_and_depth(table, where)
    if table.has_positions:
        if not repeated_places:
            _check_places(table, where)
        _check_spacing(table, where)


def _check_median(median: float, name: str, limits: tuple[float, float], where: str) -> None:
    low, high = limits
    if low <= median <= high:
        return
    unit = UNITS[name]
    hint = next((other for factor, other in _OTHER_UNITS[unit] if low <= median / factor <= high), None)
    looks = f"; it looks like {hint}" if hint else ""
    msg = f"{where}: the median {name} is {median:g} {unit}; wanted {low:g} to {high:g}{looks}: is the unit right?"
    raise InputError(msg)


def _check_modulus_above_hardness(table: IndentTable, where: str) -> None:
    modulus = table.modulus_gpa if table.has("modulus_gpa") else table.reduced_modulus_gpa
    both = table.ok & np.isfinite(modulus) & np.isfinite(table.hardness_gpa)
    if both.any() and np.median(table.hardness_gpa[both]) > np.median(modulus[both]):
        msg = f"{where}: hardness is mostly larger than modulus; are the two columns or their units swapped?"
        raise InputError(msg)


def _check_load_and_depth(table: IndentTable, where: str) -> None:
    hardness, load, depth = (getattr(table, name)[table.ok] for name in ("hardness_gpa", "load_mn", "depth_nm"))
    known = np.isfinite(hardness) & np.isfinite(load) & np.isfinite(depth) & (load > 0)
    if not known.any():
        return
    expected_mn = 24.5 * depth[known] ** 2 * hardness[known] * 1e-6
    ratio = float(np.median(expected_mn / load[known]))
    if not 1 / _MOST_APART <= ratio <= _MOST_APART:
        msg = (
            f"{where}: depth and hardness go with a load {ratio:.3g} times the one given (median {np.median(load):g} "
            "mN); the unit of depth, load or hardness is wrong"
        )
        raise InputError(msg)


def _check_places(table: IndentTable, where: str) -> None:
    first: dict[tuple[float, float], str] = {}
    again = []
    for name, x, y in zip(table.id, table.x_um.tolist(), table.y_um.tolist(), strict=True):
        if (x, y) in first:
            again.append((name, first[x, y]))
        first.setdefault((x, y), name)
    if again:
        later, earlier = again[0]
        msg = f"{where}: {len(again)} tests repeat the place of an earlier one (test {later} that of {earlier})"
        raise InputError(msg)


def _check_spacing(table: IndentTable, where: str) -> None:
    if len(table) < 2:
        return
    spacing = float(np.median(nearest_um(np.column_stack([table.x_um, table.y_um]))))
    low, high = _SPACING_UM
    if low <= spacing <= high or spacing == 0:
        return
    hint = next((other for factor, other in _OTHER_UNITS["um"] if 1 <= spacing / factor <= 500), None)
    looks = f"; positions look like {hint}" if hint else ""
    msg = f"{where}: tests are {spacing:g} um apart; wanted {low:g} to {high:g}{looks}: is the unit right?"
    raise InputError(msg)


def nearest_um(xy_um: Floats) -> Floats:
    """Return the distance of each of n >= 2 positions, (n, 2), to its nearest neighbour."""
    from scipy.spatial import cKDTree

    distances, _ = cKDTree(xy_um).query(xy_um, k=2)
    return np.asarray(distances[:, 1], np.float64)
