"""Which phase the darkest flat places are of."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from cemvis.analysis.porosity.anchors import dark_phase, find_csh
from cemvis.analysis.porosity.calibration import csh_metal_curve
from cemvis.analysis.porosity.flat_places import FlatSample, NoiseCurve
from cemvis.analysis.porosity.phases import (
    FORMULAS,
    DarkPhase,
    clinker_range,
    csh_from,
    identify_dark_phase,
    phase_signals,
)

SIGNALS = {"portlandite": 0.106, "belite": 0.155, "alite": 0.176, "ferrite": 0.225}
METAL = 220.0


def peaks_of(csh: float, phases: dict[str, float], shift: float = 0.0) -> list[tuple[float, float]]:
    found = [(csh + (METAL - csh) * relative, 1 / len(phases)) for relative in phases.values()]
    return [(grey + shift * (-1) ** number, share) for number, (grey, share) in enumerate(sorted(found))]


@pytest.mark.parametrize("csh", [40.0, 60.0, 110.0])
@pytest.mark.parametrize("darkest", ["C-S-H", "portlandite", "belite", "alite"])
@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_the_phase_is_told_by_the_others(csh: float, darkest: str, shift: float) -> None:
    known = {"C-S-H": 0.0, **SIGNALS}
    there = {name: value for name, value in known.items() if value >= known[darkest]}
    found = identify_dark_phase(peaks_of(csh, there, shift), METAL, SIGNALS)
    if darkest == "alite":  # with ferrite alone beside it
        assert (found.name, found.rivals) == ("portlandite", ("alite",))
        return
    assert (found.name, found.rivals) == (darkest, ())
    assert "ferrite" in found.confirmed_by
    grey = csh_from(peaks_of(csh, there, shift)[0][0], METAL, found.relative)
    assert grey == pytest.approx(csh, abs=0.5)


@pytest.mark.parametrize("two", list(combinations({"C-S-H": 0.0, **SIGNALS}, 2)))
def test_two_peaks_tell_the_phase_or_name_it_as_a_rival(two: tuple[str, str]) -> None:
    known = {"C-S-H": 0.0, **SIGNALS}
    found = identify_dark_phase(peaks_of(60.0, {name: known[name] for name in two}), METAL, SIGNALS)
    assert two[0] in (found.name, *found.rivals)
    assert (two[0] == "C-S-H") <= (found.rivals == ())


def test_one_peak_alone_is_c_s_h() -> None:
    assert identify_dark_phase([(77.0, 1.0)], METAL, SIGNALS) == DarkPhase()
    assert identify_dark_phase([(77.0, 0.5), (99.0, 0.5)], METAL, {}) == DarkPhase()


def test_a_phase_with_rivals_gives_no_reliable_anchor() -> None:
    sample = sample_of_peaks(peaks_of(60, {name: SIGNALS[name] for name in ("alite", "ferrite")}))
    found = find_csh(sample, metal=METAL, phase=dark_phase(sample, METAL, SIGNALS))
    assert found.grey == pytest.approx(72.5, abs=0.5)  # 60 in truth
    assert not found.reliable
    assert found.note.endswith("but it may as well be alite")


def sample_of_peaks(peaks: list[tuple[float, float]]) -> FlatSample:
    greys = np.arange(256.0)
    flat = sum(share * np.exp(-0.5 * ((greys - at) / 1.2) ** 2) for at, share in [*peaks, (METAL, 0.1)])
    counts = np.rint(1e5 * flat).astype(np.int64)[None]
    noise = NoiseCurve(np.array([0.0]), np.array([4.0]))
    return FlatSample(0.0, 1.0, counts, counts, np.zeros(1, np.intp), noise)


def test_c_s_h_follows_from_portlandite() -> None:
    sample = sample_of_peaks(peaks_of(60, {name: SIGNALS[name] for name in ("portlandite", "alite", "ferrite")}))
    phase = dark_phase(sample, METAL, SIGNALS)
    assert phase.name == "portlandite"
    found = find_csh(sample, metal=METAL, phase=phase)
    assert found.grey == pytest.approx(60, abs=0.3)
    assert found.reliable
    assert "no flat places of its own; from portlandite" in found.note
    assert find_csh(sample).grey == pytest.approx(60 + 160 * 0.106, abs=0.3)


@pytest.mark.parametrize("method", ["mixture", "monte-carlo"])
def test_signals_rise_from_portlandite_to_ferrite(method: str) -> None:
    signals = phase_signals(csh_metal_curve(energy_kev=5.0, method=method))
    assert tuple(signals) == tuple(FORMULAS)
    assert list(signals.values()) == sorted(signals.values())
    assert 0.05 < signals["portlandite"] < signals["ferrite"] < 0.3
    low, high = clinker_range(signals)
    assert signals["portlandite"] < low < signals["belite"]
    assert high > signals["ferrite"]
