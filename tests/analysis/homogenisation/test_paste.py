"""The paste from its phases, with intervals, and the share of pores in an image."""

from __future__ import annotations

import numpy as np
import pytest

from cemvis.analysis.homogenisation.known import Known
from cemvis.analysis.homogenisation.paste import Phase, PhaseDraws, estimate_paste
from cemvis.analysis.homogenisation.pores import pore_share
from cemvis.errors import InputError
from cemvis.images.micrograph import Micrograph

ORDER = ["Reuss", "Hashin-Shtrikman lower", "self-consistent", "Mori-Tanaka", "Hashin-Shtrikman upper", "Voigt"]


def phase(
    name: str, fraction: float, modulus: float, *, ratio: float = 0.2, sds: tuple[float, ...] = (0, 0, 0)
) -> Phase:
    return Phase(name, *(Known(value, sd) for value, sd in zip((fraction, modulus, ratio), sds, strict=True)))


PASTE = (phase("LD", 0.52, 26.5), phase("HD", 0.27, 34.8), phase("CH", 0.12, 52.0), phase("ACC", 0.09, 122.0))


def test_voigt_and_reuss_are_means_where_poissons_ratio_is_one() -> None:
    found = {each.method: each for each in estimate_paste(PASTE)}
    assert list(found) == ORDER
    voigt = 0.52 * 26.5 + 0.27 * 34.8 + 0.12 * 52 + 0.09 * 122
    reuss = 1 / (0.52 / 26.5 + 0.27 / 34.8 + 0.12 / 52 + 0.09 / 122)
    assert found["Voigt"].modulus_gpa == pytest.approx(voigt, rel=1e-12)
    assert found["Reuss"].modulus_gpa == pytest.approx(reuss, rel=1e-12)
    assert all(each.interval_gpa is None for each in found.values())
    moduli = [each.modulus_gpa for each in found.values()]
    assert moduli[0] < moduli[1] <= min(moduli[2:4])
    assert max(moduli[2:4]) < moduli[4] < moduli[5]


def test_pores_take_their_share_of_the_whole() -> None:
    found = {each.method: each for each in estimate_paste([phase("gel", 1, 30)], porosity=Known(0.2))}
    assert found["Voigt"].modulus_gpa == pytest.approx(24, rel=1e-12)
    assert found["Mori-Tanaka"].modulus_gpa == pytest.approx(20, rel=1e-12)
    assert found["self-consistent"].modulus_gpa == pytest.approx(18, rel=1e-9)
    assert found["Reuss"].modulus_gpa == 0
    assert np.isnan(found["Reuss"].poisson)


def test_the_matrix_can_be_chosen() -> None:
    found = {name: estimate_paste(PASTE, matrix=name)[3].modulus_gpa for name in ("LD", "ACC")}
    assert found["LD"] == pytest.approx(estimate_paste(PASTE)[1].modulus_gpa, rel=1e-12)
    assert found["ACC"] == pytest.approx(estimate_paste(PASTE)[4].modulus_gpa, rel=1e-12)
    with pytest.raises(InputError, match="wanted one of LD, HD"):
        estimate_paste(PASTE, matrix="pores")


def test_an_error_of_the_modulus_goes_straight_through() -> None:
    """With one phase everything is proportional to E, so that the interval is that of its normal distribution."""
    found = estimate_paste([phase("gel", 1, 30, sds=(0, 2, 0))], samples=40_000)
    for each in found:
        assert each.interval_gpa is not None
        # an end's own error over 40,000 samples: sqrt(p (1 - p) / n) / density = 0.027 GPa; five of them
        np.testing.assert_allclose(each.interval_gpa, (30 - 1.96 * 2, 30 + 1.96 * 2), atol=0.135)


def test_an_error_of_the_porosity_goes_through_its_slope() -> None:
    found = estimate_paste([phase("gel", 1, 30)], porosity=Known(0.2, 0.01), samples=40_000)
    low, high = found[ORDER.index("Mori-Tanaka")].interval_gpa or (np.nan, np.nan)
    ends = [30 * (1 - pores) / (1 + pores) for pores in (0.2 + 0.0196, 0.2 - 0.0196)]
    np.testing.assert_allclose((low, high), ends, atol=0.06)


def test_draws_are_seeded_and_wider_with_wider_errors() -> None:
    def width(sd: float, seed: int = 0) -> float:
        phases = (phase("soft", 0.6, 20, sds=(sd, 0, 0)), phase("stiff", 0.4, 60, sds=(sd, 1, 0.01)))
        low, high = estimate_paste(phases, samples=2000, seed=seed)[2].interval_gpa or (0.0, 0.0)
        return high - low

    assert width(0.05) == width(0.05)
    assert width(0.05) != width(0.05, seed=1)
    assert width(0.1) > width(0.05) > width(0.0) > 0


def test_what_cannot_be_is_never_drawn() -> None:
    phases = (phase("a", 0.98, 5, sds=(0.2, 10, 0)), phase("b", 0.02, 50, ratio=0.45, sds=(0.2, 1, 0.3)))
    for each in estimate_paste(phases, porosity=Known(0.02, 0.3), samples=2000):
        assert each.interval_gpa is not None
        assert np.isfinite(each.interval_gpa).all()
        assert each.interval_gpa[0] >= 0


def test_the_outer_interval_has_all_numbers_at_their_ends() -> None:
    soft = Phase("soft", Known.of_interval(0.6, 0.5, 0.65, level=0.95), Known(20, 1), Known(0.2))
    stiff = Phase("stiff", Known.of_interval(0.4, 0.3, 0.45, level=0.95), Known(60, 2), Known(0.2))
    found = estimate_paste((soft, stiff), porosity=Known(0.1, 0.01), samples=1000)

    def at(fraction: float, moduli: tuple[float, float], pores: float) -> list[float]:
        phases = (phase("soft", fraction, moduli[0]), phase("stiff", 1 - fraction, moduli[1]))
        return [each.modulus_gpa for each in estimate_paste(phases, porosity=Known(pores), matrix="soft")]

    shift = 1.959964
    softest = at(0.65, (20 - shift, 60 - 2 * shift), 0.1 + 0.01 * shift)
    stiffest = at(0.55, (20 + shift, 60 + 2 * shift), 0.1 - 0.01 * shift)  # 0.45 of the stiff one at most
    for each, low, high in zip(found, softest, stiffest, strict=True):
        assert each.outer_gpa == pytest.approx((low, high), rel=1e-5)
        assert each.interval_gpa is not None
        assert each.outer_gpa is not None
        assert each.outer_gpa[0] <= each.interval_gpa[0] <= each.interval_gpa[1] <= each.outer_gpa[1]


def test_the_outer_interval_is_never_narrower() -> None:
    only_ratio = estimate_paste([phase("gel", 0.5, 30, sds=(0, 0, 0.03)), phase("CH", 0.5, 40)], samples=2000)
    for each in only_ratio:
        assert each.interval_gpa is not None
        assert each.outer_gpa is not None
        assert each.outer_gpa[0] <= each.interval_gpa[0] < each.interval_gpa[1] <= each.outer_gpa[1]


def test_draws_that_go_together_are_kept_together() -> None:
    random = np.random.default_rng(5)
    share = np.clip(0.6 + 0.05 * random.standard_normal(4000), 0.3, 0.9)
    draws = PhaseDraws(np.stack([share, 1 - share], axis=1), np.stack([20 + 0 * share, 12 / (1 - share) + 20], axis=1))
    phases = (phase("soft", 0.6, 20), phase("stiff", 0.4, 50))
    # Voigt's mean of these draws is 20 + 12 in each of them
    voigt = estimate_paste(phases, draws=draws, samples=3000)[-1]
    assert voigt.interval_gpa == pytest.approx((32, 32), rel=1e-9)
    apart = (
        phase("soft", 0.6, 20, sds=(0.05, 0, 0)),
        phase("stiff", 0.4, 50, sds=(0.05, float(draws.modulus_gpa[:, 1].std()), 0)),
    )
    low, high = estimate_paste(apart, samples=3000)[-1].interval_gpa or (0.0, 0.0)
    assert high - low > 4


def test_draws_of_few_units_are_widened_as_by_students_t() -> None:
    modulus = 30 + np.random.default_rng(3).standard_normal((200_000, 1))
    one = np.ones_like(modulus)
    (plain, *_), (few, *_) = (
        estimate_paste([phase("gel", 1, 30)], draws=PhaseDraws(one, modulus, units), samples=100_000)
        for units in (None, 8)
    )
    # t of 7 degrees of freedom is 2.3646, times sqrt(8 / 7); an end's own error over 100,000 samples: 0.015 there
    assert plain.interval_gpa == pytest.approx((30 - 1.96, 30 + 1.96), abs=0.05)
    reach = 2.3646 * np.sqrt(8 / 7)
    assert few.interval_gpa == pytest.approx((30 - reach, 30 + reach), abs=0.08)


@pytest.mark.parametrize(
    ("draws", "message"),
    [
        (PhaseDraws(np.full((3, 2), 0.5), np.full((3, 2), -9.0)), "negative or no numbers"),
        (PhaseDraws(np.full((3, 2), 0.5), np.full((3, 2), np.nan)), "negative or no numbers"),
        (PhaseDraws(np.full((3, 2), 0.5), np.full((3, 2), 9.0), 1), "draws are of 1 units"),
        (PhaseDraws(np.full((3, 2), 0.5), np.full((2, 2), 9.0)), "draws have shapes"),
        (PhaseDraws(np.full((3, 3), 1 / 3), np.full((3, 3), 9.0)), r"wanted two of \(draws, 2\)"),
        (PhaseDraws(np.full((3, 2), 0.4), np.full((3, 2), 9.0)), "do not sum to 1"),
    ],
)
def test_draws_of_something_else_are_refused(draws: PhaseDraws, message: str) -> None:
    with pytest.raises(InputError, match=message):
        estimate_paste((phase("a", 0.5, 20), phase("b", 0.5, 50)), draws=draws)


@pytest.mark.parametrize(("factor", "unit"), [(1e3, "MPa"), (1e-3, "TPa")])
def test_moduli_in_another_unit_are_refused(factor: float, unit: str) -> None:
    with pytest.raises(InputError, match=f"are they in {unit}"):
        estimate_paste([phase("LD", 0.6, 26.5 * factor), phase("CH", 0.4, 40.0 * factor)])


def test_bad_phases_are_refused() -> None:
    with pytest.raises(InputError, match="no phases"):
        estimate_paste([])
    with pytest.raises(InputError, match=r"LD, HD sum to 0\.79"):
        estimate_paste(PASTE[:2])
    with pytest.raises(InputError, match="given twice"):
        estimate_paste([PASTE[0], PASTE[0]])
    with pytest.raises(InputError, match="porosity is 1;"):
        estimate_paste(PASTE, porosity=Known(1.0))
    with pytest.raises(InputError, match=r"CH: .* such as -4 GPa"):
        phase("CH", 0.1, -4)
    with pytest.raises(InputError, match="fraction of CH is 2"):
        phase("CH", 2, 40)
    with pytest.raises(InputError, match="standard error"):
        Known(1.0, -0.1)
    with pytest.raises(InputError, match="5 samples"):
        estimate_paste(PASTE, samples=5)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_pores_are_counted_exactly_and_their_error_is_about_right(dtype: str) -> None:
    random = np.random.default_rng(7)
    image = np.where(random.random((203, 331)) < 0.15, 40, 120).astype(dtype)
    image[0, 0] = 41
    found = pore_share(Micrograph.from_array(image, pixel_size=None), 40)
    assert found.value == (image <= 40).mean()
    binomial = (0.15 * 0.85 / image.size) ** 0.5  # pixels are independent here
    assert found.sd == pytest.approx(binomial, rel=0.4)  # 64 blocks: the error of a standard deviation is 9 %
    assert pore_share(Micrograph.from_array(image, pixel_size=None), 41).value > found.value


def test_clustered_pores_have_a_larger_error() -> None:
    coarse = np.kron(np.random.default_rng(8).random((20, 20)) < 0.2, np.ones((16, 16), bool))
    found = pore_share(Micrograph.from_array(np.where(coarse, 0, 200).astype(np.uint8), pixel_size=None), 0)
    assert found.sd > 5 * (found.value * (1 - found.value) / coarse.size) ** 0.5


def test_the_threshold_adds_to_the_error() -> None:
    grey = np.random.default_rng(11).integers(0, 200, (128, 160)).astype(np.uint8)
    image = Micrograph.from_array(grey, pixel_size=None)
    plain, wide = pore_share(image, 30), pore_share(image, 30, tolerance=4)
    assert wide.value == plain.value
    for found, level, sign in ((wide.sds[0], 26, -1), (wide.sds[1], 34, 1)):
        reach = sign * ((grey <= level).mean() - plain.value) / 1.959964
        assert found == pytest.approx(np.hypot(plain.sd, reach), rel=1e-6)
    with pytest.raises(InputError, match=r"level 3 \+- 4; wanted 0 to 254"):
        pore_share(image, 3, tolerance=4)


def test_images_that_show_no_pores_are_refused() -> None:
    grey = Micrograph.from_array(np.full((64, 64), 100, np.uint8), pixel_size=None)
    with pytest.raises(InputError, match="nothing of the image"):
        pore_share(grey, 99)
    with pytest.raises(InputError, match="all of the image"):
        pore_share(grey, 100)
    with pytest.raises(InputError, match="wanted 0 to 254"):
        pore_share(grey, 255)
    with pytest.raises(InputError, match="32 x 32"):
        pore_share(Micrograph.from_array(np.zeros((31, 64), np.uint8), pixel_size=None), 3)
