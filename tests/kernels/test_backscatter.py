from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from cemvis.errors import InputError
from cemvis.kernels.backscatter import BackscatterCounts, backscattered, electron_transport
from reference import backscatter as reference

COPPER = np.array([[29, 63.546, 1.0]])
GOLD = np.array([[79, 196.97, 1.0]])
CSH = np.array([[1, 1.008, 8.064], [8, 15.999, 123.19], [14, 28.085, 28.085], [20, 40.078, 68.13]])
METAL = np.array([[49, 114.82, 51.0], [50, 118.71, 16.5], [83, 208.98, 32.5]])


def same(one: BackscatterCounts, other: BackscatterCounts) -> bool:
    numbers = ("electrons", "backscattered", "scatterings", "energy_sum", "range_g_cm2")
    bins = ("energies", "depths", "radii")
    return all(getattr(one, name) == getattr(other, name) for name in numbers) and all(
        (getattr(one, name) == getattr(other, name)).all() for name in bins
    )


def test_random_numbers_of_the_reference_are_the_published_ones():
    # Known answers of the Random123 library that the generator's authors publish.
    assert reference.philox((0, 0, 0, 0), (0, 0)) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    ones = 2**32 - 1
    assert reference.philox((ones,) * 4, (ones,) * 2) == (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)


@pytest.mark.parametrize(
    ("solid", "energy_kev", "tilt_deg", "seed", "first", "electrons"),
    [
        (COPPER, 5.0, 0.0, 0, 0, 150),
        (COPPER, 20.0, 0.0, 3, 0, 40),
        (GOLD, 1.0, 0.0, 2**40 + 5, 2**33 - 20, 300),
        (CSH, 5.0, 0.0, 1, 77, 150),
        (METAL, 5.0, 60.0, 2, 0, 120),
        (CSH, 30.0, 45.0, 9, 10**6, 30),
    ],
)
def test_counts_are_those_of_the_papers_formulas(solid, energy_kev, tilt_deg, seed, first, electrons):
    # The kernel's tables are good to some 1e-6 of an energy: of some 1e4 scatterings none is decided by so little.
    naive = reference.follow(solid, energy_kev, range(first, first + electrons), seed=seed, tilt_deg=tilt_deg)
    found = backscattered(solid, energy_kev, electrons=electrons, tilt_deg=tilt_deg, seed=seed, first=first, bins=64)
    assert found.electrons == electrons
    assert found.backscattered == len(naive.energies)
    assert found.scatterings == naive.scatterings
    assert found.energy_sum / 2**32 == pytest.approx(sum(naive.energies), rel=1e-5)
    assert found.range_g_cm2 == pytest.approx(reference.Range(solid, energy_kev).whole, rel=1e-6)
    for bins, values in (
        (found.energies, naive.energies),
        (found.depths, np.multiply(naive.depths, 2)),
        (found.radii, naive.radii),
    ):
        wanted = np.histogram(values, 64, (0, 1))[0]
        assert bins.sum() == wanted.sum()
        assert np.abs(bins.cumsum().astype(int) - wanted.cumsum()).max() <= 1  # one may lie on a bin's border


def test_transport_is_that_of_the_formulas():
    energies = np.geomspace(0.05, 30, 40)
    for solid in (COPPER, GOLD, CSH, METAL):
        found = electron_transport(solid, energies)
        assert found[:, 0] == pytest.approx([reference.mean_free_path(solid, e) for e in energies], rel=1e-12)
        assert found[:, 1] == pytest.approx([reference.rutherford_share(solid, e) for e in energies], rel=1e-12)
        assert found[:, 2] == pytest.approx(reference.stopping_power(solid, energies), rel=1e-12)


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_threads_make_no_difference(threads):
    assert same(
        backscattered(CSH, 5.0, electrons=20_001, seed=4, threads=1),
        backscattered(CSH, 5.0, electrons=20_001, seed=4, threads=threads),
    )


def test_instruction_sets_make_no_difference():
    code = (
        "import numpy as np\n"
        "from cemvis.kernels.backscatter import backscattered\n"
        "found = backscattered(np.array([[29, 63.546, 1.0]]), 5.0, electrons=9000, seed=1)\n"
        "print(found.backscattered, found.scatterings, found.energy_sum, *found.radii, *found.depths)"
    )
    answers = set()
    for level in ("baseline", "avx2", "avx512"):
        environment = {**os.environ, "CEMVIS_SIMD": level}
        answers.add(
            subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True).stdout
        )
    assert len(answers) == 1
    assert answers.pop().split()


def test_parts_add_up():
    whole = backscattered(METAL, 5.0, electrons=9000, seed=1)
    left = backscattered(METAL, 5.0, electrons=4097, seed=1)
    right = backscattered(METAL, 5.0, electrons=9000 - 4097, first=4097, seed=1)
    assert left.backscattered + right.backscattered == whole.backscattered
    assert left.energy_sum + right.energy_sum == whole.energy_sum
    assert (left.radii + right.radii == whole.radii).all()
    assert same(left + right, whole)
    for other in (backscattered(METAL, 6.0, electrons=5), backscattered(METAL, 5.0, electrons=5, bins=8)):
        with pytest.raises(InputError, match="do not add up"):
            left + other


def test_seeds_are_independent_and_errors_are_binomial():
    # 200 seeds of 500 electrons: their spread is that of the binomial distribution (chi squared, 1e-4 on either side),
    # and 95 % intervals hold the mean of them all about as often as they say.
    back = np.array([backscattered(COPPER, 2.0, electrons=500, seed=seed).backscattered for seed in range(200)])
    mean = back.mean() / 500
    spread = back.var(ddof=1) / (500 * mean * (1 - mean))
    assert 0.66 < spread < 1.43
    shares = back / 500
    inside = np.abs(shares - mean) < 1.96 * np.sqrt(shares * (1 - shares) / 500)
    assert 0.88 < inside.mean() < 0.99


def test_errors_fall_with_the_root_of_the_number():
    # Groups of 16 consecutive seeds: their means spread a quarter as much as single seeds do.
    back = np.array([backscattered(COPPER, 2.0, electrons=100, seed=seed).backscattered for seed in range(800)])
    ratio = back.std() / back.reshape(50, 16).mean(axis=1).std()
    assert 2.9 < ratio < 5.5


@pytest.mark.parametrize("energy_kev", [1.0, 30.0])
def test_limits_of_the_energy_belong_to_it(energy_kev):
    assert 0 < backscattered(COPPER, energy_kev, electrons=200).backscattered < 200


def test_grazing_electrons_nearly_all_come_back():
    assert backscattered(GOLD, 20.0, electrons=2000, tilt_deg=89.9).backscattered > 1700


def test_one_electron_and_one_bin():
    found = backscattered(COPPER, 5.0, electrons=1, bins=1)
    assert found.electrons == 1
    assert found.energies.tolist() == found.depths.tolist() == found.radii.tolist() == [found.backscattered]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"energy_kev": 0.99}, "beam energy must be from 1 to 30 keV"),
        ({"energy_kev": 30.1}, "beam energy must be from 1 to 30 keV"),
        ({"energy_kev": float("nan")}, "beam energy must be from 1 to 30 keV"),
        ({"energy_kev": "5"}, "energy_kev is '5'; wanted a number"),
        ({"tilt_deg": 90.0}, "tilt must be at least 0 and below 90 degrees"),
        ({"electrons": 0}, "electrons is 0; wanted a whole number from 1 to 2,147,483,648"),
        ({"electrons": 1.5}, "electrons is 1.5; wanted a whole number"),
        ({"seed": -1}, "seed is -1; wanted a whole number"),
        ({"first": 2**64 - 1}, "first is 18446744073709551615; wanted a whole number"),
        ({"bins": 0}, "bins is 0; wanted a whole number from 1 to 65,536"),
        ({"threads": 0}, "threads is 0; wanted a whole number"),
        ({"solid": np.zeros((0, 3))}, r"solid is float64 of shape \(0, 3\); wanted float64 of shape \(elements, 3\)"),
        ({"solid": [[29, 63.5, 1]]}, "solid is a list; wanted a NumPy array"),
        ({"solid": np.array([[29, 63, 1]])}, "solid is int64"),
        ({"solid": np.array([[0.0, 1.0, 1.0]])}, "atomic numbers must be from 1 to 103"),
        ({"solid": np.array([[1.0, 1.0, 0.0]])}, "atomic weights and mass fractions must be finite and above 0"),
        ({"solid": np.array([[1.0, 1.0, np.inf]])}, "atomic weights and mass fractions must be finite and above 0"),
    ],
)
def test_bad_arguments_are_refused(changed, message):
    arguments = {"solid": COPPER, "energy_kev": 5.0, "electrons": 10, **changed}
    with pytest.raises(InputError, match=message):
        backscattered(arguments.pop("solid"), arguments.pop("energy_kev"), **arguments)


@pytest.mark.parametrize("energies", [[5.0], np.array([5]), np.array([[5.0]]), np.array([0.04]), np.array([31.0])])
def test_bad_energies_are_refused(energies):
    with pytest.raises(InputError, match="energ"):
        electron_transport(COPPER, energies)
