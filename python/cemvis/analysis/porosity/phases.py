"""Which phase the darkest flat places of metal-intruded paste are of, by the known brightness of its phases.

C-S-H without metal is the darkest phase of a paste, but an image need not hold flat places of it: then the darkest peak
is of portlandite or clinker. Their backscatter coefficients are known from their formulas, so that any one of them and
the metal fix where all others have to lie, and the peaks that lie there tell which phase it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cemvis.analysis.porosity.calibration import BackscatterCurve

FORMULAS = {
    "portlandite": ("Ca(OH)2", 2.24),
    "belite": ("Ca2SiO4", 3.28),
    "alite": ("Ca3SiO5", 3.15),
    "ferrite": ("Ca4Al2Fe2O10", 3.73),
}
"""Formula and density in g/cm3 of phases that no metal gets into."""
ELECTRONS = 200_000
SIGNAL_ERROR = 0.003  # standard error that so many electrons leave in a phase's grey, from 0 to 1
TOLERANCE = 0.012  # of the range from C-S-H to metal: how far a peak may lie from its phase
FERRITE_ROOM = 0.035  # above ferrite of its formula, for more iron
CSH = "C-S-H"


@dataclass(frozen=True)
class DarkPhase:
    """What the darkest flat places are of.

    Attributes
    ----------
    name : str
    relative : float
        Its grey, from 0 at C-S-H to 1 at metal.
    confirmed_by : tuple of str
        Phases that have a peak where they should.
    rivals : tuple of str
        Phases that it could be as well: with them as many flat places lie where other phases should. Alite with
        ferrite beside it looks like portlandite with belite.
    """

    name: str = CSH
    relative: float = 0.0
    confirmed_by: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()


def phase_signals(curve: BackscatterCurve) -> dict[str, float]:
    """Return the greys of portlandite, belite, alite and ferrite, from 0 at C-S-H without metal to 1 at metal.

    By the curve's own method and energy; simulated ones from 200,000 electrons each.
    """
    dark, bright = curve.eta[0], curve.eta[-1]
    return {name: (_eta(name, curve.method, curve.energy_kev) - dark) / (bright - dark) for name in FORMULAS}


@cache
def _eta(name: str, method: str, energy_kev: float) -> float:
    from cemvis.analysis.porosity.backscatter import mixture_backscatter, simulate_backscatter
    from cemvis.analysis.porosity.compound import Compound

    formula, density = FORMULAS[name]
    compound = Compound.parse(formula, density_g_cm3=density)
    if method == "mixture":
        return mixture_backscatter(compound, energy_kev)
    return simulate_backscatter(compound, energy_kev, electrons=ELECTRONS).eta


def identify_dark_phase(peaks: Sequence[tuple[float, float]], metal: float, signals: Mapping[str, float]) -> DarkPhase:
    """Return the phase of the darkest of the peaks of flat places.

    For each phase that it could be, the greys of all others follow. The phase under which the most flat places lie in
    peaks within 1.2 % of the range of a brighter phase is taken, the darkest of several; C-S-H if there is none.

    Parameters
    ----------
    peaks : sequence of (float, float)
        Grey and share of flat places, from dark to bright, metal's left out.
    metal : float
        Grey of metal.
    signals : mapping
        As `phase_signals` returns.

    Examples
    --------
    >>> signals = {"portlandite": 0.1, "alite": 0.25}
    >>> identify_dark_phase([(60.0, 0.5), (85.0, 0.3)], 160.0, signals).name
    'C-S-H'
    >>> identify_dark_phase([(70.0, 0.5), (85.0, 0.3)], 160.0, signals).name
    'portlandite'
    """
    found: list[tuple[float, DarkPhase]] = []
    for name, relative in {CSH: 0.0, **signals}.items():
        grey = csh_from(peaks[0][0], metal, relative)
        confirmed, explained = [], 0.0
        for at, share in peaks[1:]:
            there = (at - grey) / (metal - grey)
            brighter = {other: value for other, value in signals.items() if value > relative}
            nearest = min(brighter, key=lambda other: abs(brighter[other] - there), default=None)
            if nearest is not None and abs(brighter[nearest] - there) <= TOLERANCE:
                confirmed.append(nearest)
                explained += share
        found.append((explained, DarkPhase(name, relative, tuple(dict.fromkeys(confirmed)))))
    most, best = max(found, key=lambda each: each[0])
    if most == 0:
        return DarkPhase()
    rivals = (phase.name for explained, phase in found if explained == most and phase is not best)
    return replace(best, rivals=tuple(rivals))


def clinker_range(signals: Mapping[str, float]) -> tuple[float, float]:
    """Return the greys between which clinker lies: from half way between portlandite and belite to beyond ferrite."""
    return (signals["portlandite"] + signals["belite"]) / 2, signals["ferrite"] + FERRITE_ROOM


def csh_from(grey: float, metal: float, relative: float) -> float:
    """Return the grey of C-S-H that puts a phase of the given signal at `grey`."""
    return (grey - relative * metal) / (1 - relative)
