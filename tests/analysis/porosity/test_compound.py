from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cemvis.analysis.porosity.compound import Compound, atoms_of, mixture
from cemvis.analysis.porosity.elements import ELEMENTS, element
from cemvis.errors import InputError


@pytest.mark.parametrize(
    ("formula", "atoms"),
    [
        ("Bi", {"Bi": 1}),
        ("Ca3SiO5", {"Ca": 3, "Si": 1, "O": 5}),
        ("Ca(OH)2", {"Ca": 1, "O": 2, "H": 2}),
        ("(CaO)1.7(SiO2)(H2O)4", {"Ca": 1.7, "O": 7.7, "Si": 1, "H": 8}),
        ("Ca6Al2(SO4)3(OH)12(H2O)26", {"Ca": 6, "Al": 2, "S": 3, "O": 50, "H": 64}),
        ("Fe(Fe(CN)6)2", {"Fe": 3, "C": 12, "N": 12}),
        (" Ca (O H) 2 ", {"Ca": 1, "O": 2, "H": 2}),
        ("Co", {"Co": 1}),
        ("CO", {"C": 1, "O": 1}),
        ("Ca .5 O .5", {"Ca": 0.5, "O": 0.5}),
        ("OCaO", {"O": 2, "Ca": 1}),
    ],
)
def test_formulas_are_read(formula, atoms):
    assert atoms_of(formula) == pytest.approx(atoms)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "wanted at least one element"),
        ("2Ca", "the number 2 follows no element and no bracket"),
        ("Ca2 3", "the number 3 follows no element"),
        ("Ca(OH", "its brackets do not match"),
        ("CaOH)2", "its brackets do not match"),
        ("Ca()2", "a bracket is empty"),
        ("ca", "'c' is not understood"),
        ("C o", "'o' is not understood"),
        ("Ca-O", "'-' is not understood"),
        ("Ca0", "counts above 0"),
        ("Ca" + "9" * 400, "counts above 0"),
        ("Xx2", "'Xx' is not the symbol of an element from H to U"),
        ("Pu", "'Pu' is not the symbol of an element from H to U"),
        ("Bi 32.5, In", "neither a formula"),
        ("Bi 1, Bi 2", "name Bi twice"),
        ("Bi 1-2, In 3", "hold '1-2'; wanted a number"),
        ("Bi -1, In 3", "weight fractions of Bi are -1.0"),
        ("Bi 0, In 0", "wanted at least one above 0"),
        ("Bi 1e308, In 1e308", "and a finite sum"),
    ],
)
def test_bad_texts_are_refused_in_one_line(text, message):
    with pytest.raises(InputError, match=message) as caught:
        Compound.parse(text)
    assert "\n" not in str(caught.value)


def test_masses_of_a_formula():
    parts = dict(Compound.parse("CaCO3").mass_fractions)
    assert parts == pytest.approx({"C": 0.12000, "O": 0.47954, "Ca": 0.40044}, abs=2e-5)
    assert math.fsum(parts.values()) == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize("text", ["Bi 32.5, In 51, Sn 16.5", "Bi:32.5,In:51,Sn:16.5", "Sn=0.165, In=0.51, Bi=0.325"])
def test_weight_fractions_of_any_scale_and_order(text):
    metal = Compound.parse(text, density_g_cm3=7.88)
    assert [symbol for symbol, _ in metal.mass_fractions] == ["In", "Sn", "Bi"]
    assert dict(metal.mass_fractions) == pytest.approx({"In": 0.51, "Sn": 0.165, "Bi": 0.325})
    assert metal.density_g_cm3 == 7.88


def test_all_elements_are_there_in_order():
    assert [one.atomic_number for one in ELEMENTS.values()] == list(range(1, 93))
    assert (element("H").atomic_number, element("Fe").atomic_number, element("U").atomic_number) == (1, 26, 92)
    # Weights rise with the number but for the five known pairs.
    weights = [one.atomic_weight for one in ELEMENTS.values()]
    falls = [list(ELEMENTS)[i] for i in range(91) if weights[i] > weights[i + 1]]
    assert falls == ["Ar", "Co", "Te", "Th"]
    assert all(1.9 < one.atomic_weight / one.atomic_number < 2.7 for one in ELEMENTS.values() if one.atomic_number > 1)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.floats(0, 1), st.floats(0.5, 20), st.floats(0.5, 20))
def test_mixtures_conserve_mass_and_volume(share, one_density, other_density):
    one = Compound.parse("CaO", density_g_cm3=one_density)
    other = Compound.parse("Bi 1, Ca 1", density_g_cm3=other_density)
    mixed = mixture([(one, 1 - share), (other, share)])
    density = (1 - share) * one_density + share * other_density
    assert mixed.density_g_cm3 == pytest.approx(density)
    bismuth = share * other_density * 0.5 / density
    assert dict(mixed.mass_fractions).get("Bi", 0.0) == pytest.approx(bismuth, abs=1e-12)


def test_bad_mixtures_are_refused():
    lime, bismuth = Compound.parse("CaO", density_g_cm3=3.3), Compound.parse("Bi")
    with pytest.raises(InputError, match="Bi has no density"):
        mixture([(lime, 0.5), (bismuth, 0.5)])
    with pytest.raises(InputError, match="volume of CaO is -1"):
        mixture([(lime, -1)])
    with pytest.raises(InputError, match="whose volume is above 0"):
        mixture([(lime, 0)])
    with pytest.raises(InputError, match="density_g_cm3 is 0"):
        Compound.parse("CaO", density_g_cm3=0)
    with pytest.raises(InputError, match="atoms of Ca are True"):
        Compound.from_atoms({"Ca": True})
