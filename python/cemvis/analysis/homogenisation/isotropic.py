"""Isotropic elastic moduli, in three dimensions and in plane strain, and how they follow from each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cemvis.errors import InputError

Values: TypeAlias = NDArray[np.float64]
_SOFTEST_GPA, _STIFFEST_GPA = 0.1, 1500.0  # diamond has 1,220
Moduli = TypeVar("Moduli", "Solid", "PlaneSolid")


@dataclass(frozen=True)
class Solid:
    """Bulk and shear modulus of isotropic materials; zero for pores.

    Attributes
    ----------
    bulk_gpa, shear_gpa
        Arrays of one shape.
    """

    bulk_gpa: Values
    shear_gpa: Values

    @classmethod
    def of(cls, modulus_gpa: ArrayLike, poisson: ArrayLike) -> Solid:
        """Return bulk and shear modulus from Young's modulus and Poisson's ratio.

        Raises
        ------
        InputError
            If a modulus is negative or not finite, or a ratio is not between -1 and 0.5.
        """
        modulus, ratio = _checked(modulus_gpa, poisson, lowest=-1.0)
        return cls(modulus / (3 * (1 - 2 * ratio)), modulus / (2 * (1 + ratio)))

    @property
    def modulus_gpa(self) -> Values:
        """Young's modulus."""
        return _ratio(9 * self.bulk_gpa * self.shear_gpa, 3 * self.bulk_gpa + self.shear_gpa, empty=0.0)

    @property
    def poisson(self) -> Values:
        """Poisson's ratio; NaN where there is nothing."""
        bulk, shear = self.bulk_gpa, self.shear_gpa
        return _ratio(3 * bulk - 2 * shear, 2 * (3 * bulk + shear), empty=np.nan)


@dataclass(frozen=True)
class PlaneSolid:
    """In-plane bulk and shear modulus of isotropic materials in plane strain; zero for pores.

    Attributes
    ----------
    bulk_gpa
        Mean in-plane stress over area strain, K + G/3 of an isotropic solid.
    shear_gpa
        As in three dimensions.
    """

    bulk_gpa: Values
    shear_gpa: Values

    @classmethod
    def of(cls, modulus_gpa: ArrayLike, poisson: ArrayLike) -> PlaneSolid:
        """Return the plane-strain moduli from Young's modulus and Poisson's ratio.

        Raises
        ------
        InputError
            If a modulus is negative or not finite, or a ratio is not from 0 to below 0.5.
        """
        modulus, ratio = _checked(modulus_gpa, poisson, lowest=0.0)
        shear = modulus / (2 * (1 + ratio))
        return cls(shear / (1 - 2 * ratio), shear)

    @property
    def plane_modulus_gpa(self) -> Values:
        """In-plane stress over strain with the other in-plane stress zero: E / (1 - nu^2) of an isotropic solid."""
        return _ratio(4 * self.bulk_gpa * self.shear_gpa, self.bulk_gpa + self.shear_gpa, empty=0.0)

    @property
    def poisson(self) -> Values:
        """Poisson's ratio of the isotropic solid with these plane-strain moduli; NaN where there is nothing."""
        return _ratio(self.bulk_gpa - self.shear_gpa, 2 * self.bulk_gpa, empty=np.nan)

    @property
    def modulus_gpa(self) -> Values:
        """Young's modulus of the isotropic solid with these plane-strain moduli."""
        return self.shear_gpa * (3 - _ratio(self.shear_gpa, self.bulk_gpa, empty=0.0))


@dataclass(frozen=True)
class Bounds(Generic[Moduli]):
    """Below and above what the effective moduli can be."""

    lower: Moduli
    upper: Moduli


def check_magnitude(modulus_gpa: Values, where: str) -> None:
    """Refuse moduli that no solid has, as in another unit.

    Raises
    ------
    InputError
        If the median of those above 0 is below 0.1 or above 1,500 GPa.
    """
    solid = modulus_gpa[modulus_gpa > 0]
    if solid.size == 0:
        return
    median = float(np.median(solid))
    if not _SOFTEST_GPA <= median <= _STIFFEST_GPA:
        guess = "MPa" if median > _STIFFEST_GPA else "TPa"
        msg = (
            f"{where}: moduli about {median:g} GPa are not those of a paste, nor of anything in it; wanted them in "
            f"GPa (are they in {guess}?)"
        )
        raise InputError(msg)


def _ratio(above: Values, below: Values, *, empty: float) -> Values:
    out = np.full(np.broadcast(above, below).shape, empty)
    np.divide(above, below, out=out, where=np.asarray(below) > 0)
    return out


def _checked(modulus_gpa: ArrayLike, poisson: ArrayLike, *, lowest: float) -> tuple[Values, Values]:
    modulus, ratio = np.asarray(modulus_gpa, np.float64), np.asarray(poisson, np.float64)
    wrong = ~(np.isfinite(modulus) & (modulus >= 0))
    if wrong.any():
        count = f"{wrong.sum():,} of {wrong.size:,} moduli"
        msg = f"{count}, such as {modulus[wrong][0]:g} GPa, are out of range; wanted 0 or more"
        raise InputError(msg)
    wrong = ~((ratio >= lowest) & (ratio > -1) & (ratio < 0.5))
    if wrong.any():
        wanted = "0 to below 0.5" if lowest == 0 else "between -1 and 0.5"
        msg = f"Poisson's ratio is {ratio[wrong][0]:g}; wanted {wanted}"
        raise InputError(msg)
    return modulus, ratio
