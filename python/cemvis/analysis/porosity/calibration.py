"""Backscatter coefficient against porosity, of a solid whose pores a metal fills: what turns grey into porosity."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cemvis.analysis.porosity._curve_fit import USUAL_DEGREE, fitted_curve, mass_fraction
from cemvis.analysis.porosity.backscatter import binomial_error, mixture_backscatter, simulate_backscatter
from cemvis.analysis.porosity.compound import Compound, mixture
from cemvis.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

METHODS = ("monte-carlo", "mixture")
"""Electron paths, or the elements' coefficients weighted by mass."""

CSH = Compound.parse("(CaO)1.7(SiO2)(H2O)4", density_g_cm3=2.12)
"""Calcium silicate hydrate as the paper takes it."""
FIELDS_METAL = Compound.parse("Bi 32.5, In 51, Sn 16.5", density_g_cm3=7.88)
"""Field's metal, an alloy that melts at 62 degrees Celsius and is pressed into the pores."""

POINTS = (0.0, 0.01, 0.02, 0.035, 0.05, 0.075, *(round(0.1 + 0.05 * i, 2) for i in range(19)))
"""Porosities at which electron paths are simulated: close where the curve is steep."""
_GRID = tuple(i / 100 for i in range(101))
_ELECTRONS = 200_000
_SHIPPED = "csh_metal_backscatter.json"


@dataclass(frozen=True)
class CurvePoint:
    """How many of so many electrons a mix of this porosity sent back."""

    porosity: float
    backscattered: int
    electrons: int

    @property
    def eta(self) -> float:
        """Share that came back."""
        return self.backscattered / self.electrons

    @property
    def standard_error(self) -> float:
        """Standard error of eta."""
        return binomial_error(self.backscattered, self.electrons)


@dataclass(frozen=True)
class BackscatterCurve:
    """Backscatter coefficient eta of a solid with metal in its pores, against its porosity: the metal's volume share.

    Attributes
    ----------
    porosity, eta, standard_error : tuple of float
        From porosity 0 to 1, eta rising; between them it is linear. The standard errors are those of the fit to the
        simulated points, 0 for the mixture.
    energy_kev : float
    method : str
        ``"monte-carlo"``, or ``"mixture"``: the elements' coefficients weighted by mass.
    porosity_error : tuple of float
        Standard error of the porosity that `porosity_of` returns there, by the number of electrons alone.
    points : tuple of CurvePoint
        What was simulated; empty for the mixture.
    """

    porosity: tuple[float, ...]
    eta: tuple[float, ...]
    standard_error: tuple[float, ...]
    energy_kev: float
    method: str
    porosity_error: tuple[float, ...] = ()
    points: tuple[CurvePoint, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.porosity) == len(self.eta) == len(self.standard_error) >= 2:
            msg = "a backscatter curve needs as many eta and standard errors as porosities, and at least two"
            raise InputError(msg)
        if self.porosity[0] != 0 or self.porosity[-1] != 1 or not (np.diff(self.porosity) > 0).all():
            msg = "the porosities of a backscatter curve must rise from 0 to 1"
            raise InputError(msg)
        if not (np.isfinite(self.eta).all() and (np.diff(self.eta) > 0).all()):
            msg = "eta does not rise from porosity 0 to 1; wanted a brighter metal, and enough electrons to tell"
            raise InputError(msg)

    @property
    def relative(self) -> NDArray[np.float64]:
        """(eta - eta(0)) / (eta(1) - eta(0)) at each porosity, which is what grey between its anchors says."""
        eta = np.asarray(self.eta)
        found: NDArray[np.float64] = (eta - eta[0]) / (eta[-1] - eta[0])
        return found

    def porosity_of(self, relative: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the porosity of each relative coefficient.

        Parameters
        ----------
        relative : array of float64
            (G - G_CSH) / (G_m - G_CSH) of a grey level G, of any shape; below 0 counts as 0, above 1 as 1.

        Raises
        ------
        InputError
            If a number is NaN.
        """
        numbers = np.asarray(relative, np.float64)
        if np.isnan(numbers).any():
            msg = "relative has values that are not numbers; wanted (G - G_CSH) / (G_m - G_CSH)"
            raise InputError(msg)
        found: NDArray[np.float64] = np.interp(numbers, self.relative, self.porosity)
        return found

    def relative_of(self, porosity: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the relative coefficient of each porosity: the inverse of `porosity_of`."""
        found: NDArray[np.float64] = np.interp(np.asarray(porosity, np.float64), self.porosity, self.relative)
        return found

    def to_frame(self) -> pd.DataFrame:
        """Return the curve as a table: porosity, eta, standard_error, relative, porosity_error."""
        import pandas as pd

        columns = {"porosity": self.porosity, "eta": self.eta, "standard_error": self.standard_error}
        return pd.DataFrame({**columns, "relative": self.relative, "porosity_error": self.porosity_error or 0.0})

    def to_json(self) -> dict[str, Any]:
        """Return the curve as plain values, with the points that it was fitted to."""
        return {
            "energy_kev": self.energy_kev,
            "method": self.method,
            "porosity": list(self.porosity),
            "eta": list(self.eta),
            "standard_error": list(self.standard_error),
            "porosity_error": list(self.porosity_error),
            "points": [[point.porosity, point.backscattered, point.electrons] for point in self.points],
        }


def csh_metal_curve(
    *,
    energy_kev: float = 5.0,
    method: str = "monte-carlo",
    electrons: int | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> BackscatterCurve:
    """Return the curve of C-S-H with Field's metal.

    At 5 keV with neither electrons nor a seed asked for, from counts that come with the package (4 million electrons at
    each of 25 porosities); otherwise simulated now, which takes seconds to a minute (5 million electrons by default).

    The arguments are those of `metal_curve`.

    Raises
    ------
    InputError
        If an argument is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> curve = csh_metal_curve()
    >>> curve.porosity_of(np.array([-0.1, 0.0, 0.5, 1.0])).round(2).tolist()
    [0.0, 0.0, 0.23, 1.0]
    """
    if method == "monte-carlo" and energy_kev == 5.0 and electrons is None and seed == 0:
        return _shipped_curve()
    return metal_curve(
        CSH, FIELDS_METAL, energy_kev=energy_kev, method=method, electrons=electrons, seed=seed, threads=threads
    )


def metal_curve(
    matrix: Compound,
    metal: Compound,
    *,
    energy_kev: float = 5.0,
    method: str = "monte-carlo",
    electrons: int | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> BackscatterCurve:
    """Return the curve of any matrix with any metal in its pores.

    A pixel is taken for a homogeneous mix: the porosity n is the metal's share of the volume, and
    ``m = n rho_metal / (n rho_metal + (1 - n) rho_matrix)`` its share of the mass.

    Parameters
    ----------
    matrix, metal : Compound
        With their densities; the metal scatters back more.
    energy_kev : float
        1 to 30.
    method : {"monte-carlo", "mixture"}
        Electron paths at 25 porosities, and a polynomial in m fitted to what comes back: of degree 5, or 6 if the
        points contradict that at 1 %. Or the elements' coefficients weighted by mass (Castaing), where
        the relative coefficient is m itself, at any energy.
    electrons : int, optional
        At each porosity; default 200,000.
    seed : int
        Point i has the seed ``25 * seed + i``: no two points of any curve share their random numbers.
    threads : int, optional

    Raises
    ------
    InputError
        If an argument is out of range, a density is missing, or eta does not rise with the porosity.
    """
    if method not in METHODS:
        msg = f"method is {method!r}; wanted one of {', '.join(METHODS)}"
        raise InputError(msg)
    shares = [mass_fraction(n, matrix, metal) for n in _GRID]
    if method == "mixture":
        low, high = (mixture_backscatter(part, energy_kev) for part in (matrix, metal))
        eta = tuple(float(low + (high - low) * m) for m in shares)
        none = (0.0,) * len(_GRID)
        return BackscatterCurve(_GRID, eta, none, float(energy_kev), method, none)
    many = _ELECTRONS if electrons is None else electrons
    points = simulated_points(matrix, metal, energy_kev=energy_kev, electrons=many, seed=seed, threads=threads)
    return curve_of(points, matrix, metal, energy_kev=energy_kev)


def simulated_points(
    matrix: Compound,
    metal: Compound,
    *,
    energy_kev: float,
    electrons: int,
    porosities: Sequence[float] = POINTS,
    seed: int = 0,
    threads: int | None = None,
) -> tuple[CurvePoint, ...]:
    """Simulate electron paths in mixes of these porosities; point i of `POINTS` has the seed ``25 * seed + i``.

    Raises
    ------
    InputError
        If a porosity is none of `POINTS`, another argument is out of range, or a density is missing.
    """
    unknown = sorted(set(porosities) - set(POINTS))
    if unknown:
        msg = f"porosities {unknown} are simulated for no curve; wanted some of {POINTS}"
        raise InputError(msg)
    most = 2**64 // len(POINTS) - 1
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed <= most:
        msg = f"seed is {seed!r}; wanted a whole number from 0 to {most:,}"
        raise InputError(msg)
    found = []
    for porosity in porosities:
        mix = mixture([(matrix, 1.0 - porosity), (metal, porosity)])
        own = len(POINTS) * seed + POINTS.index(porosity)
        back = simulate_backscatter(mix, energy_kev, electrons=electrons, seed=own, threads=threads)
        found.append(CurvePoint(porosity, back.counts.backscattered, back.counts.electrons))
    return tuple(found)


def curve_of(
    points: Sequence[CurvePoint], matrix: Compound, metal: Compound, *, energy_kev: float, degree: int = USUAL_DEGREE
) -> BackscatterCurve:
    """Fit a smooth curve to simulated points: a polynomial of the degree, or a higher one if they contradict it.

    Raises
    ------
    InputError
        If there are fewer than 8 points, or the fit does not rise from porosity 0 to 1.
    """
    if len(points) < 8:
        msg = f"{len(points)} points are given; wanted at least 8 to fit a curve to"
        raise InputError(msg)
    fit = fitted_curve(
        [mass_fraction(point.porosity, matrix, metal) for point in points],
        [point.eta for point in points],
        [point.standard_error for point in points],
        [mass_fraction(n, matrix, metal) for n in _GRID],
        _GRID,
        degree=degree,
    )
    return BackscatterCurve(
        _GRID, fit.eta, fit.standard_error, float(energy_kev), "monte-carlo", fit.porosity_error, tuple(points)
    )


@cache
def _shipped_curve() -> BackscatterCurve:
    text = resources.files("cemvis").joinpath("data", _SHIPPED).read_text(encoding="utf-8")
    table = json.loads(text)
    points = [CurvePoint(porosity, back, table["electrons"]) for porosity, back, _ in table["points"]]
    # So many electrons do not contradict a cubic (p = 0.99), nor would they overlook a bias that matters.
    return curve_of(points, CSH, FIELDS_METAL, energy_kev=table["energy_kev"], degree=3)
