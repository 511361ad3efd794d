"""Compounds and mixtures as what electrons see of them: mass fractions of the elements, and a density."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cemvis._checks import positive
from cemvis.analysis.porosity.elements import ELEMENTS, element
from cemvis.errors import InputError

_TOKEN = re.compile(r"\s*(?:([A-Z][a-z]?)|(\()|(\))|(\d+(?:\.\d*)?|\.\d+))")
_PART = re.compile(r"\s*([A-Z][a-z]?)\s*[:= ]\s*([0-9.eE+-]+)\s*%?\s*")


@dataclass(frozen=True)
class Compound:
    """A homogeneous solid.

    Attributes
    ----------
    mass_fractions
        Symbol and share of the mass of each element, in the order of their atomic numbers; the shares add up to 1.
    density_g_cm3
        None where it is not known: the backscatter coefficient doesn't need it, depths in nm do.
    name
        As it was given, for messages and files.
    """

    mass_fractions: tuple[tuple[str, float], ...]
    density_g_cm3: float | None = None
    name: str = ""

    @classmethod
    def from_atoms(cls, atoms: Mapping[str, float], *, density_g_cm3: float | None = None, name: str = "") -> Compound:
        """Return the compound of so many atoms of each element, such as ``{"Ca": 3, "Si": 1, "O": 5}``.

        Raises
        ------
        InputError
            If an element is unknown, a count is negative or not finite, or there are none.
        """
        _check_shares(atoms, "atoms")
        masses = {symbol: count * element(symbol).atomic_weight for symbol, count in atoms.items()}
        return cls.from_weight_fractions(masses, density_g_cm3=density_g_cm3, name=name or str(dict(atoms)))

    @classmethod
    def from_weight_fractions(
        cls, fractions: Mapping[str, float], *, density_g_cm3: float | None = None, name: str = ""
    ) -> Compound:
        """Return the solid of such shares of the mass, of any scale: ``{"Bi": 32.5, "In": 51, "Sn": 16.5}``.

        Raises
        ------
        InputError
            If an element is unknown, a share is negative or not finite, or there are none.
        """
        _check_shares(fractions, "weight fractions")
        density = None if density_g_cm3 is None else positive(density_g_cm3, name="density_g_cm3")
        present = {symbol: share for symbol, share in fractions.items() if share > 0}
        total = math.fsum(present.values())
        ordered = sorted(present, key=lambda symbol: ELEMENTS[symbol].atomic_number)
        return cls(
            tuple((symbol, present[symbol] / total) for symbol in ordered), density, name or str(dict(fractions))
        )

    @classmethod
    def parse(cls, text: str, *, density_g_cm3: float | None = None) -> Compound:
        """Return the compound that a text says: a formula, or weight fractions such as ``Bi 32.5, In 51, Sn 16.5``.

        Raises
        ------
        InputError
            If the text is neither.

        Examples
        --------
        >>> [(symbol, round(share, 3)) for symbol, share in Compound.parse("CaO").mass_fractions]
        [('O', 0.285), ('Ca', 0.715)]
        """
        parts = [_PART.fullmatch(part) for part in text.split(",")]
        if not all(parts):
            return cls.from_atoms(atoms_of(text), density_g_cm3=density_g_cm3, name=text.strip())
        fractions: dict[str, float] = {}
        for part in parts:
            if part is None:
                continue
            symbol, number = part.groups()
            if symbol in fractions:
                msg = f"weight fractions {text!r} name {symbol} twice"
                raise InputError(msg)
            try:
                fractions[symbol] = float(number)
            except ValueError as error:
                msg = f"weight fractions {text!r} hold {number!r}; wanted a number"
                raise InputError(msg) from error
        return cls.from_weight_fractions(fractions, density_g_cm3=density_g_cm3, name=text.strip())

    def to_json(self) -> dict[str, object]:
        """Return what the compound is as plain values."""
        return {
            "name": self.name,
            "mass_fractions": dict(self.mass_fractions),
            "density_g_cm3": self.density_g_cm3,
        }


def atoms_of(formula: str) -> dict[str, float]:
    """Return the atoms of each element that a formula holds.

    Parameters
    ----------
    formula
        Symbols, brackets and counts, which may be fractions: ``Ca3SiO5``, ``(CaO)1.7(SiO2)(H2O)4``.

    Raises
    ------
    InputError
        If it is no formula, or names an element that does not exist.

    Examples
    --------
    >>> atoms_of("Ca(OH)2")
    {'Ca': 1.0, 'O': 2.0, 'H': 2.0}
    """
    text = formula.strip()
    groups: list[dict[str, float]] = [{}]
    last: dict[str, float] | None = None  # what a count that follows multiplies
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise _no_formula(formula, f"{text[at:].lstrip()[0]!r} is not understood")
        symbol, opens, closes, number = token.groups()
        if opens:
            _add(groups[-1], last)
            groups.append({})
            last = None
        elif closes:
            _add(groups[-1], last)
            if len(groups) == 1 or not groups[-1]:
                raise _no_formula(formula, "its brackets do not match" if len(groups) == 1 else "a bracket is empty")
            last = groups.pop()
        elif number:
            if last is None:
                raise _no_formula(formula, f"the number {number} follows no element and no bracket")
            _add(groups[-1], {name: count * float(number) for name, count in last.items()})
            last = None
        else:
            _add(groups[-1], last)
            last = {element(symbol).symbol: 1.0}
        at = token.end()
    _add(groups[-1], last)
    if len(groups) > 1:
        raise _no_formula(formula, "its brackets do not match")
    atoms = groups[0]
    if not atoms or not all(math.isfinite(count) and count > 0 for count in atoms.values()):
        raise _no_formula(formula, "wanted at least one element, and counts above 0")
    return atoms


def mixture(parts: Sequence[tuple[Compound, float]], *, name: str = "") -> Compound:
    """Return the homogeneous mixture of compounds that share a volume.

    Parameters
    ----------
    parts
        Compounds, each with its density, and their volumes, of any scale.

    Raises
    ------
    InputError
        If a density is missing, a volume is negative or not finite, or there is none.

    Notes
    -----
    Volumes add up: ``w_i = V_i rho_i / sum V rho`` is each compound's share of the mass.
    """
    masses: dict[str, float] = {}
    mass = volume = 0.0
    for part, share in parts:
        if part.density_g_cm3 is None:
            msg = f"{part.name} has no density; a mixture by volume needs it"
            raise InputError(msg)
        if not (math.isfinite(share) and share >= 0):
            msg = f"volume of {part.name} is {share!r}; wanted a finite number from 0 upwards"
            raise InputError(msg)
        volume += share
        mass += share * part.density_g_cm3
        for symbol, fraction in part.mass_fractions:
            masses[symbol] = masses.get(symbol, 0.0) + share * part.density_g_cm3 * fraction
    if volume <= 0:
        msg = "a mixture needs a part whose volume is above 0"
        raise InputError(msg)
    label = name or " + ".join(f"{share:g} {part.name}" for part, share in parts)
    return Compound.from_weight_fractions(masses, density_g_cm3=mass / volume, name=label)


def _check_shares(shares: Mapping[str, float], what: str) -> None:
    for symbol, share in shares.items():
        element(symbol)
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not (math.isfinite(share) and share >= 0):
            msg = f"{what} of {symbol} are {share!r}; wanted a finite number from 0 upwards"
            raise InputError(msg)
    if not 0 < sum(shares.values()) < math.inf:  # fsum raises where a sum overflows
        msg = f"{what} are {dict(shares)}; wanted at least one above 0, and a finite sum"
        raise InputError(msg)


def _add(group: dict[str, float], more: Mapping[str, float] | None) -> None:
    for symbol, count in (more or {}).items():
        group[symbol] = group.get(symbol, 0.0) + count


def _no_formula(formula: str, why: str) -> InputError:
    return InputError(
        f"{formula!r} is neither a formula such as Ca3SiO5 nor weight fractions such as Bi 32.5, In 51, Sn 16.5: {why}"
    )
