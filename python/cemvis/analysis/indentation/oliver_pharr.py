"""Modulus and hardness from load-depth curves: the unloading fit and contact mechanics of Oliver and Pharr.

References
----------
W. C. Oliver and G. M. Pharr, An improved technique for determining hardness and elastic modulus using load and
displacement sensing indentation experiments, J. Mater. Res. 7 (1992) 1564. doi:10.1557/JMR.1992.1564
W. C. Oliver and G. M. Pharr, Measurement of hardness and elastic modulus by instrumented indentation, J. Mater. Res.
19 (2004) 3. doi:10.1557/jmr.2004.19.1.3
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cemvis._checks import positive
from cemvis.errors import InputError

Floats = NDArray[np.float64]

IDEAL_BERKOVICH = (24.5,)
EPSILON = 0.75
LARGEST_EXPONENT = 5.0
LARGEST_MISFIT = 0.02  # root mean square over the greatest load: a fit that is worse is no unloading curve
FEWEST_POINTS = 8
# mN/nm over nm is 1e6 GPa.
_GPA = 1e6


@dataclass(frozen=True, kw_only=True)
class ContactModel:
    """How a curve becomes modulus and hardness.

    Parameters
    ----------
    nu : float, optional
        Poisson's ratio of the specimen; without it there is a reduced modulus only.
    area : tuple of float
        Coefficients of the tip's area in nm2: ``area[0] hc^2 + area[1] hc + area[2] hc^(1/2) + area[3] hc^(1/4) ...``.
    beta : float
        Correction for the tip's shape in ``S = 2 beta Er sqrt(A / pi)``.
    upper_fraction : float
        Share of the greatest load down to which the unloading curve is fitted; 0.5 fits the upper half.
    tip_modulus_gpa, tip_nu : float
        Of the tip; diamond by default.
    frame_compliance_nm_per_mn : float
        Taken off the depth, times the load; 0 where the instrument did so already.
    drift_nm_per_s : float
        Taken off the depth, times the time; 0 where the instrument did so already.
    """

    nu: float | None = None
    area: tuple[float, ...] = IDEAL_BERKOVICH
    beta: float = 1.0
    upper_fraction: float = 0.5
    tip_modulus_gpa: float = 1141.0
    tip_nu: float = 0.07
    frame_compliance_nm_per_mn: float = 0.0
    drift_nm_per_s: float = 0.0

    def __post_init__(self) -> None:
        if self.nu is not None and not -1 < self.nu <= 0.5:
            msg = f"Poisson's ratio is {self.nu:g}; wanted more than -1 and at most 0.5 (0.18 for fused quartz)"
            raise InputError(msg)
        positive(self.beta, name="beta")
        positive(self.area[0] if self.area else 0.0, name="first coefficient of the tip's area")
        if not 0 < self.upper_fraction < 0.95:
            msg = f"upper_fraction is {self.upper_fraction:g}; wanted a number between 0 and 0.95"
            raise InputError(msg)

    def area_nm2(self, contact_depth_nm: float) -> float:
        """Return the tip's area at a contact depth."""
        powers = [2.0, *(0.5**k for k in range(len(self.area) - 1))]
        return float(sum(c * contact_depth_nm**power for c, power in zip(self.area, powers, strict=True)))

    def modulus_gpa(self, reduced_modulus_gpa: Floats) -> Floats:
        """Return the specimen's modulus of a reduced one, NaN where the tip alone would be softer.

        Raises
        ------
        InputError
            If Poisson's ratio is not known.
        """
        if self.nu is None:
            msg = "Poisson's ratio is not known; a reduced modulus becomes the specimen's with a stated one (--nu)"
            raise InputError(msg)
        with np.errstate(divide="ignore", invalid="ignore"):
            rest = 1 / np.asarray(reduced_modulus_gpa, np.float64) - (1 - self.tip_nu**2) / self.tip_modulus_gpa
            return np.asarray(np.where(rest > 0, (1 - self.nu**2) / rest, np.nan), np.float64)


@dataclass(frozen=True)
class Curve:
    """One loading and unloading: (n,) float64 each, in the order of time.

    Attributes
    ----------
    name : str
    depth_nm, load_mn, time_s : (n,) float64
    """

    name: str
    depth_nm: Floats
    load_mn: Floats
    time_s: Floats


@dataclass(frozen=True)
class UnloadingFit:
    """``load = coefficient (depth - final_depth_nm)^exponent`` over the upper part of an unloading curve.

    Attributes
    ----------
    stiffness_mn_per_nm : float
        Slope at the greatest load.
    misfit : float
        Root mean square of the residuals over the greatest load.
    at_limit : bool
        Whether the exponent or the final depth ended at the limit of what was allowed.
    """

    depth_nm: float
    load_mn: float
    final_depth_nm: float
    exponent: float
    stiffness_mn_per_nm: float
    misfit: float
    points: int
    at_limit: bool


@dataclass(frozen=True)
class Contact:
    """What one unloading tells.

    Attributes
    ----------
    modulus_gpa : float
        NaN if Poisson's ratio is not known.
    unsound : str
        Why the fit is not one of an unloading curve; empty if it is.
    """

    name: str
    depth_nm: float
    load_mn: float
    contact_depth_nm: float
    area_nm2: float
    reduced_modulus_gpa: float
    modulus_gpa: float
    hardness_gpa: float
    fit: UnloadingFit
    unsound: str

    @property
    def sound(self) -> bool:
        """Whether the fit is one of an unloading curve."""
        return not self.unsound


def corrected(curve: Curve, model: ContactModel) -> Curve:
    """Return the curve without the frame's compliance and thermal drift."""
    depth = (
        curve.depth_nm
        - model.frame_compliance_nm_per_mn * curve.load_mn
        - model.drift_nm_per_s * (curve.time_s - curve.time_s[0])
    )
    return Curve(curve.name, depth, curve.load_mn, curve.time_s)


def drift_nm_per_s(hold: Curve) -> float:
    """Return the thermal drift: the slope of depth over time, by least squares, of a hold at a constant small load."""
    if len(hold.time_s) < 2 or np.ptp(hold.time_s) == 0:
        msg = f"{hold.name}: a hold of {len(hold.time_s)} points tells no drift; wanted two different times at least"
        raise InputError(msg)
    return float(np.polyfit(hold.time_s - hold.time_s[0], hold.depth_nm, 1)[0])


def unloading_of(curve: Curve) -> Curve:
    """Return the part of a curve from the end of the hold at its greatest load to its least load after that.

    Raises
    ------
    InputError
        If the load never falls below half of the greatest: the curve has no unloading.
    """
    finite = np.isfinite(curve.depth_nm) & np.isfinite(curve.load_mn)
    depth, load, time = curve.depth_nm[finite], curve.load_mn[finite], curve.time_s[finite]
    top = float(load.max()) if len(load) else 0.0
    if top <= 0:
        msg = f"{curve.name}: no positive load; wanted a load-depth curve"
        raise InputError(msg)
    first = int(np.flatnonzero(load >= 0.998 * top)[-1])
    last = first + int(np.argmin(load[first:]))
    if load[last] > 0.5 * top:
        msg = f"{curve.name}: the load does not fall below half of its greatest; without unloading there is no analysis"
        raise InputError(msg)
    return Curve(curve.name, depth[first : last + 1], load[first : last + 1], time[first : last + 1])


def fit_unloading(unloading: Curve, *, upper_fraction: float = 0.5) -> UnloadingFit:
    """Fit the power law of Oliver and Pharr to the upper part of an unloading curve, by least squares in the load.

    The coefficient is linear and is solved for; final depth and exponent (1 to 5) are searched.

    Raises
    ------
    InputError
        If fewer than 8 points lie in the fitted part, or they have one depth.
    """
    from scipy.optimize import least_squares

    top = float(unloading.load_mn.max())
    used = unloading.load_mn >= upper_fraction * top
    depth, load = unloading.depth_nm[used], unloading.load_mn[used] / top
    if len(depth) < FEWEST_POINTS or np.ptp(depth) == 0:
        msg = f"{unloading.name}: {len(depth)} points of unloading above {upper_fraction:.0%} of the load; wanted 8"
        raise InputError(msg)
    greatest, least = float(depth.max()), float(depth.min())
    span = greatest - least

    def shape(parameters: Floats) -> Floats:
        return np.asarray(((depth - parameters[0]) / (greatest - parameters[0])) ** parameters[1], np.float64)

    def residuals(parameters: Floats) -> Floats:
        basis = shape(parameters)
        return np.asarray((basis @ load) / (basis @ basis) * basis - load, np.float64)

    limits = ([least - 100 * span, 1.0], [least - 1e-6 * span, LARGEST_EXPONENT])
    found = least_squares(residuals, [least - 0.5 * span, 1.5], bounds=limits, x_scale=[span, 0.1])
    final, exponent = (float(value) for value in found.x)
    basis = shape(found.x)
    amplitude = float(basis @ load / (basis @ basis)) * top
    at, at_load = float(unloading.depth_nm[0]), float(unloading.load_mn[0])
    reach = max(at - final, 0.0) / (greatest - final)
    stiffness = amplitude * exponent * reach ** (exponent - 1) / (greatest - final)
    at_limit = not 1.001 < exponent < LARGEST_EXPONENT - 0.001 or least - final < 1e-5 * span
    return UnloadingFit(
        depth_nm=at,
        load_mn=at_load,
        final_depth_nm=final,
        exponent=exponent,
        stiffness_mn_per_nm=stiffness,
        misfit=float(np.sqrt(2 * found.cost / len(depth))),
        points=len(depth),
        at_limit=at_limit,
    )


def analysed(curve: Curve, model: ContactModel) -> Contact:
    """Return modulus and hardness of a curve's unloading from its greatest load.

    ``hc = h - 0.75 P / S``, ``H = P / A(hc)``, ``Er = sqrt(pi) S / (2 beta sqrt(A))``.

    Raises
    ------
    InputError
        If the curve has no unloading that can be fitted.
    """
    unloading = unloading_of(corrected(curve, model))
    fit = fit_unloading(unloading, upper_fraction=model.upper_fraction)
    contact_depth = fit.depth_nm - EPSILON * fit.load_mn / fit.stiffness_mn_per_nm if fit.stiffness_mn_per_nm else -1.0
    area = model.area_nm2(contact_depth) if contact_depth > 0 else math.nan
    reduced = math.nan
    if area > 0:
        reduced = math.sqrt(math.pi) * fit.stiffness_mn_per_nm / (2 * model.beta * math.sqrt(area)) * _GPA
    modulus = math.nan if model.nu is None else float(model.modulus_gpa(np.array(reduced)))
    return Contact(
        name=curve.name,
        depth_nm=fit.depth_nm,
        load_mn=fit.load_mn,
        contact_depth_nm=contact_depth,
        area_nm2=area,
        reduced_modulus_gpa=reduced,
        modulus_gpa=modulus,
        hardness_gpa=fit.load_mn / area * _GPA,
        fit=fit,
        unsound=_unsound(unloading, fit, area),
    )


def _unsound(unloading: Curve, fit: UnloadingFit, area_nm2: float) -> str:
    """Return why a fit cannot be trusted, or nothing."""
    if fit.at_limit or fit.misfit > LARGEST_MISFIT:
        why = f"the unloading is no power law (exponent {fit.exponent:.3g}, {fit.misfit:.1%} of the load off)"
        rise = float(unloading.depth_nm.max()) - fit.depth_nm
        return f"{why}: the depth still rises by {rise:.3g} nm while the load falls" if rise > 0 else why
    return "" if area_nm2 > 0 else "the contact depth is not above zero"
