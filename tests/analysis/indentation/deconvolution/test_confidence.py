from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from cemvis.analysis.indentation.deconvolution.assignment import UNCERTAIN, assigned
from cemvis.analysis.indentation.deconvolution.bootstrap import resampled, settling, tails
from cemvis.analysis.indentation.deconvolution.deconvolve import Settings, deconvolve
from cemvis.analysis.indentation.deconvolution.grouped import grouped_values
from cemvis.analysis.indentation.deconvolution.mixture import PopulationMixture
from cemvis.analysis.indentation.deconvolution.populations import Estimate, Population
from cemvis.analysis.indentation.deconvolution.selection import candidates, chosen, families_compared
from cemvis.analysis.indentation.deconvolution.verdict import doubts_of_fit, remark_of_batches, remarks_of_names
from cemvis.errors import InputError
from populations import MEANS, SDS, drawn, two_far_apart

COVERAGE = Path(__file__).resolve().parents[4] / "benchmarks" / "deconvolution_coverage.py"
QUICK = {"starts": 8, "resamplings": 40, "settling_draws": 0, "most": 4}


def test_intervals_hold_what_the_samples_were_drawn_from() -> None:
    """Five of the hundred repetitions of the committed check; each parameter in four at least."""
    spec = importlib.util.spec_from_file_location("deconvolution_coverage", COVERAGE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    held = [module.held(seed, samples=20_000, batches=50, resamplings=80) for seed in range(5)]
    assert (np.sum(held, axis=0) >= 4).all()


def test_whole_batches_widen_intervals_where_indents_of_a_batch_are_alike() -> None:
    rng = np.random.default_rng(1)
    batch = np.repeat(np.arange(20), 100)
    level = rng.normal(0, 2.0, 20)  # of each batch: 2 GPa, and 3 GPa inside
    values = 30 + level[batch] + rng.normal(0, 3.0, len(batch))
    mixture = PopulationMixture(1)
    by_batch = grouped_values(values, [f"{each:02d}" for each in batch])
    draws = resampled(mixture.fit_grouped(by_batch), by_batch, resamplings=300)
    assert (draws.unit, draws.units) == ("batches", 20)
    means = np.array([values[batch == each].mean() for each in range(20)])
    assert draws.means.std() == pytest.approx(means.std() / np.sqrt(20), rel=0.15)
    few = grouped_values(values, [str(each % 4) for each in batch])
    alone = resampled(mixture.fit_grouped(few), few, resamplings=300)
    assert (alone.unit, alone.units) == ("indents", 2000)
    assert alone.means.std() == pytest.approx(values.std() / np.sqrt(2000), rel=0.15)


def test_tails_are_widened_for_few_units() -> None:
    assert tails(100_000, 0.95)[0] == pytest.approx(0.025, abs=1e-4)
    # t(0.975, 9) = 2.2622, times sqrt(10/9) = 2.3845; the normal's share below is 0.00855
    assert tails(10, 0.95)[0] == pytest.approx(0.00855, abs=2e-5)


def test_parameters_settle_with_more_indents() -> None:
    values, _ = two_far_apart(3000, seed=2)
    data = grouped_values(values)
    rows = settling(PopulationMixture(2, n_starts=5).fit_grouped(data), data, draws=100)
    sizes = [100, 200, 500, 1000, 2000, 3000]  # the last is all there are
    assert [each.indents for each in rows] == sizes
    width = np.array([each.fractions[2, 0] - each.fractions[0, 0] for each in rows])
    # a fraction of 0.7 scatters by sqrt(0.21 / n); 100 draws know the width to a fifth or so
    np.testing.assert_allclose(width, 3.92 * np.sqrt(0.21 / np.array(sizes)), rtol=0.35)
    assert rows[0].half_width() == pytest.approx(width[0] / 2, rel=1e-9)


def test_number_of_populations_is_found_where_it_is_clear() -> None:
    values, _ = two_far_apart(600, seed=3)
    data = grouped_values(values)
    found = candidates(data, PopulationMixture(n_starts=8), most=4)
    assert [each.populations for each in found] == [1, 2, 3, 4]
    assert chosen(found).populations == chosen(found, criterion="icl").populations == 2
    own = found[1]
    assert own.bic == pytest.approx(-2 * own.log_likelihood + 5 * np.log(600))
    assert own.icl == pytest.approx(own.bic, abs=1.0)  # no value lies between the two
    assert (np.diff([each.log_likelihood for each in found]) > 0).all()
    with pytest.raises(InputError, match="wanted bic or icl"):
        chosen(found, criterion="aic")


def test_skewed_populations_are_better_described_as_such() -> None:
    rng = np.random.default_rng(4)
    skewed = grouped_values(20 + rng.gamma(2.0, 4.0, 1500))
    compared = families_compared(skewed, PopulationMixture(1, n_starts=6))
    assert compared.bic_normal - compared.bic_skew > 50
    assert compared.p_value < 1e-6
    normal = families_compared(grouped_values(rng.normal(30, 4, 1500)), PopulationMixture(1, n_starts=6))
    assert normal.bic_skew > normal.bic_normal


def test_populations_that_are_not_there_are_said_so_plainly() -> None:
    values, _ = two_far_apart(800, seed=5)
    data = grouped_values(values, [str(n % 10) for n in range(800)])
    four, _ = deconvolve(data, settings=Settings(populations=4, **QUICK))
    assert not four.supported
    assert any("4 populations are not supported: BIC prefers 2" in line for line in four.verdict)
    two, mixture = deconvolve(data, settings=Settings(**QUICK))
    assert two.supported
    assert any(line.startswith("intervals rest on 10 batches: below 20") for line in two.verdict)
    assert len(two.populations) == 2
    for each, truth in zip(two.populations, (20.0, 60.0), strict=True):
        assert each.means["modulus"].low < truth < each.means["modulus"].high
    assert two.populations[0].fraction.value == mixture.weights_[0]
    assert list(two.to_frame()["population"]) == ["population 1", "population 2"]


def test_populations_named_as_phases_and_few_batches_told() -> None:
    data = grouped_values(drawn(1500, seed=6))
    found, _ = deconvolve(data, settings=Settings(populations=4, **QUICK))
    assert [each.name for each in found.populations] == ["LD-CSH", "HD-CSH", "CH", "clinker"]
    assert any("there is 1 batch" in line and "single indents" in line for line in found.verdict)
    assert any("1,500 values are few for 4 populations" in line for line in found.verdict)
    record = found.to_json()
    assert "by their rank alone" in record["names"]
    assert record["interval"]["resampled"] == "indents"
    assert record["populations"][0]["fraction"]["low"] < record["populations"][0]["fraction"]["high"]


def test_settings_that_do_not_fit_are_refused() -> None:
    for wrong in (
        {"criterion": "aic"},
        {"family": "t"},
        {"fractions": (0.5, None)},
        {"populations": 2, "names": ("a",)},
        {"populations": 0},
    ):
        with pytest.raises(InputError):
            Settings(**wrong)
    with pytest.raises(InputError, match="at least 20"):
        deconvolve(
            grouped_values(drawn(200, seed=7)), settings=Settings(populations=2, starts=3, resamplings=5, most=2)
        )


def test_cells_are_sorted_by_posterior_and_doubtful_ones_are_marked() -> None:
    values, _ = two_far_apart(1000, seed=8)
    mixture = PopulationMixture(2, n_starts=5).fit(values)
    cells = np.array([[20.0, 60.0, np.nan], [55.0, 5.0, 31.0]], np.float32)
    number, probability = assigned(mixture, cells, certain=0.9)
    assert number[0].tolist() == [1, 2, 0]
    assert np.isnan(probability[0, 2])
    # far below 20 the wider population has the higher density: not believed
    assert mixture.predict([-20.0])[0] == 1
    assert assigned(mixture, np.array([-20.0]))[0][0] == UNCERTAIN
    x = np.linspace(20, 60, 400)
    posterior = mixture.predict_proba(x).max(axis=1)
    assert ((assigned(mixture, x, certain=0.9)[0] == UNCERTAIN) == (posterior < 0.9)).all()
    assert (posterior < 0.9).any()
    with pytest.raises(InputError):
        assigned(mixture, cells, certain=1.0)


def test_an_optimum_that_resamplings_leave_is_doubted() -> None:
    number = Estimate(20.0, 19.0, 21.0)
    stays = Population("one", Estimate(0.4, 0.3, 0.5), {"modulus": number}, {"modulus": number})
    leaves = Population("two", Estimate(0.6, 0.7, 0.8), {"modulus": number}, {"modulus": number})
    found = doubts_of_fit((stays, leaves), np.zeros(2, bool), starts=10, reached=4)
    assert len(found) == 1
    assert found[0].startswith("two does not last: its fraction of 0.600")


def test_a_fit_that_has_not_converged_is_doubted() -> None:
    assert not PopulationMixture(4, n_starts=3, max_iter=5).fit(drawn(500, seed=9)).converged_
    number = Estimate(20.0, 19.0, 21.0)
    one = Population("one", Estimate(1.0, 0.9, 1.0), {"modulus": number}, {"modulus": number})
    assert doubts_of_fit((one,), np.zeros(1, bool), starts=3, reached=3, converged=False) == [
        "the fit has not converged: its numbers are not those of an optimum"
    ]
    assert doubts_of_fit((one,), np.zeros(1, bool), starts=3, reached=3) == []


def test_scatter_of_batches_is_the_root_of_the_f_ratio() -> None:
    from scipy.stats import f_oneway

    rng = np.random.default_rng(10)
    parts = [rng.normal(30 + level, 4, size) for level, size in zip((-3, 0, 1, 4), (50, 80, 60, 70), strict=True)]
    names = np.repeat(["a", "b", "c", "d"], [len(each) for each in parts])
    data = grouped_values(np.concatenate(parts), names, width=0.01)
    assert data.scatter_of_batches() == pytest.approx(np.sqrt(f_oneway(*parts).statistic), rel=1e-3)
    assert grouped_values(parts[0]).scatter_of_batches() is None
    assert "scatter 2.5 times as far" in remark_of_batches(4, 2.5)
    assert "there are 4 batches" in remark_of_batches(4, 2.5)


def test_known_fractions_that_the_data_contradict_are_doubted() -> None:
    values, second = two_far_apart(1500, seed=11)
    data = grouped_values(values, [str(n % 10) for n in range(1500)])
    wrong, _ = deconvolve(data, settings=Settings(populations=2, fractions=(0.4, 0.6), **QUICK))
    assert any(line.startswith("the known fractions contradict the data") for line in wrong.verdict)
    assert not wrong.supported
    share = float(second.mean())
    right, _ = deconvolve(data, settings=Settings(populations=2, fractions=(1 - share, share), **QUICK))
    assert not any("contradict" in line for line in right.verdict)


def test_resamplings_keep_the_order_that_known_fractions_belong_to() -> None:
    data = grouped_values(drawn(3000, seed=12), [f"{n % 12:02d}" for n in range(3000)])
    mixture = PopulationMixture(4, fractions=(0.52, 0.27, 0.12, 0.09), n_starts=10).fit_grouped(data)
    draws = resampled(mixture, data, resamplings=40)
    assert (np.diff(draws.means, axis=1) > 0).all()
    assert (draws.fractions == draws.fractions[0]).all()


def test_names_by_rank_are_questioned_where_the_mean_is_not_the_phases() -> None:
    def called(name: str, mean: float) -> Population:
        return Population(name, Estimate(0.25, 0.2, 0.3), {"modulus": Estimate(mean, mean, mean)}, {})

    names = ("LD-CSH", "HD-CSH", "CH", "clinker")
    usual = tuple(called(name, mean + 0.9 * sd) for name, mean, sd in zip(names, MEANS, SDS, strict=True))
    assert remarks_of_names(usual, "modulus") == []
    odd = (*usual[:2], called("CH", 71.99), usual[3])  # Liang et al., Table 1: the table model on A4
    said = remarks_of_names(odd, "modulus")
    assert len(said) == 1
    assert said[0].startswith("CH is so called by its rank alone: its mean of 71.99 GPa")
    assert remarks_of_names(odd, "hardness") == []


def test_verdict_says_from_how_many_values_fractions_settle() -> None:
    values, _ = two_far_apart(3000, seed=13)
    data = grouped_values(values)
    settings = Settings(populations=2, starts=6, resamplings=20, settling_draws=60, most=2)
    found, _ = deconvolve(data, settings=settings)
    # half a 95 % interval of a fraction of 0.7 from n values is 1.96 sqrt(0.21 / n): 0.063 for 200, 0.040 for 500
    assert found.settled_from() == 500
    assert any("from 500 values on" in line for line in found.verdict)
    record = found.to_json()["settling"]
    assert record["from_values"] == 500
    assert record["values"] == [100, 200, 500, 1000, 2000, 3000]
    few, _ = deconvolve(grouped_values(values[:150]), settings=settings)
    assert few.settled_from() is None
    assert any("at all 150 values: more would settle them" in line for line in few.verdict)


def test_more_populations_than_are_tried_by_default_are_compared_too() -> None:
    values, _ = two_far_apart(500, seed=14)
    found, _ = deconvolve(grouped_values(values), settings=Settings(populations=5, **QUICK | {"most": 2}))
    assert [each.populations for each in found.candidates] == [1, 2, 3, 4, 5]
    assert any("5 populations are not supported: BIC prefers 2" in line for line in found.verdict)


def test_a_handful_of_values_supports_nothing() -> None:
    found, _ = deconvolve(grouped_values(np.array([20.0, 31.0, 47.0])), settings=Settings(**QUICK))
    assert len(found.populations) == 1
    assert not found.supported
    assert found.verdict[0].startswith("3 values are too few for 1 population:")
    enough, _ = deconvolve(grouped_values(two_far_apart(100, seed=15)[0]), settings=Settings(**QUICK))
    assert not any("too few for" in line for line in enough.verdict)
