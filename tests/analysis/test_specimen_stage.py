from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from cemvis.analysis.specimen.area import Area
from cemvis.analysis.specimen.campaign import Campaign, run_campaign
from cemvis.analysis.specimen.recipes import CALIBRATED, RECIPES
from cemvis.analysis.specimen.stage import BatchErrors, StageErrors, draw_batch_errors
from cemvis.errors import InputError
from cemvis.kernels.specimen import Phase, contact_volumes

EXACT = StageErrors(origin_um=0, step_um=0, rotation_deg=0, shear_deg=0, missed=0)


def lattice(rows: int, columns: int) -> np.ndarray:
    x, y = np.meshgrid(100 + 10.0 * np.arange(columns), 50 + 10.0 * np.arange(rows))
    return np.stack([x, y], axis=-1)


def test_errors_add_up_step_by_step_as_in_equation_3() -> None:
    rng = np.random.default_rng(3)
    steps_x, steps_y = rng.standard_normal(3), rng.standard_normal(2)
    walks = [(0.0, *np.cumsum(steps).tolist()) for steps in (steps_x, steps_y)]
    moved = BatchErrors((1.0, -2.0), 0.0, 0.0, *walks).moved(lattice(3, 4))
    for i in range(3):
        for j in range(4):
            x = 100 + 1.0 + 10 * j + sum(steps_x[:j])
            y = 50 - 2.0 + 10 * i + sum(steps_y[:i])
            np.testing.assert_allclose(moved[i, j], [x, y], atol=1e-12)


def test_rotation_turns_x_towards_y_and_shear_opens_the_right_angle() -> None:
    moved = BatchErrors((0.0, 0.0), 2.0, 0.5, (0.0,) * 5, (0.0,) * 5).moved(lattice(5, 5))
    np.testing.assert_allclose(moved.mean(axis=(0, 1)), [120, 70])  # about the centre of the batch
    along, down = moved[0, 4] - moved[0, 0], moved[4, 0] - moved[0, 0]
    assert math.degrees(math.atan2(along[1], along[0])) == pytest.approx(2.0)
    assert math.degrees(math.atan2(down[1], down[0])) == pytest.approx(92.5)
    np.testing.assert_allclose([np.hypot(*along), np.hypot(*down)], 40)


def test_drawn_errors_have_the_stated_size() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_batch_errors(StageErrors(), rows=20, columns=20, rng=rng) for _ in range(400)]
    distance = np.array([np.hypot(*batch.origin_um) for batch in drawn])
    assert distance.max() <= 2.4
    assert np.median(distance) == pytest.approx(2.4 / math.sqrt(2), rel=0.08)  # uniform over the disc
    steps = np.concatenate([np.diff([batch.column_um, batch.row_um], axis=1).ravel() for batch in drawn])
    assert steps.std() == pytest.approx(0.2, rel=0.03)  # 15,200 steps: an sd of 0.6 %
    assert np.std([batch.rotation_deg for batch in drawn]) == pytest.approx(0.2, rel=0.15)
    assert np.std([batch.shear_deg for batch in drawn]) == pytest.approx(0.05, rel=0.15)
    assert all(batch.column_um[0] == batch.row_um[0] == 0 for batch in drawn)


@pytest.mark.parametrize("wrong", [{"step_um": -1}, {"origin_um": math.nan}, {"missed": 1.0}])
def test_impossible_stages_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"stage error {next(iter(wrong))}"):
        StageErrors(**wrong)


@pytest.fixture(scope="module")
def area() -> Area:
    return Area(RECIPES[CALIBRATED], seed=4, index=1, batches=1, pixel_size_um=0.25)


@pytest.fixture(scope="module")
def campaign(area: Area) -> Campaign:
    return run_campaign(area, StageErrors(missed=0.1))


def test_a_stage_without_errors_tests_the_lattice(area: Area) -> None:
    campaign = run_campaign(area, EXACT)
    np.testing.assert_allclose(campaign.xy_um, area.indents_xy_um(), atol=1e-9)
    np.testing.assert_array_equal(campaign.indents.modulus_gpa, area.indent().modulus_gpa)
    assert not campaign.missed.any()


def test_a_campaign_tests_where_the_stage_really_went(area: Area, campaign: Campaign) -> None:
    off = campaign.xy_um - area.indents_xy_um()
    assert 0.3 < off.std() < 5
    there = area.indent(campaign.xy_um)
    failed = campaign.indents.failed
    np.testing.assert_array_equal(failed, there.failed | campaign.missed)
    np.testing.assert_array_equal(campaign.indents.modulus_gpa[~failed], there.modulus_gpa[~failed])
    assert np.isnan(campaign.indents.modulus_gpa[failed]).all()
    assert 0.06 < campaign.missed.mean() < 0.14  # three sds of 400 tests
    assert (np.isnan(campaign.side_um) == campaign.missed).all()
    assert (there.failed & ~campaign.missed).any()  # a failed fit leaves an imprint
    assert np.isfinite(campaign.load_mn[there.failed & ~campaign.missed]).all()


def test_the_stage_has_a_frame_of_its_own_and_makes_rows_to_and_fro(area: Area, campaign: Campaign) -> None:
    first = run_campaign(replace(area, index=0))
    offset = campaign.stage_xy_um - area.indents_xy_um()
    np.testing.assert_allclose(offset - offset[0], 0, atol=1e-8)
    assert np.abs(offset[0]).min() > 5000
    # One mounting of the specimen: areas lie beside each other on the stage, and the tip points the same way.
    np.testing.assert_allclose(offset[0] - (first.stage_xy_um - area.indents_xy_um())[0], [area.first_um, 0], atol=1e-8)
    assert campaign.orientation_rad == first.orientation_rad
    made = np.argsort(campaign.order)
    places = campaign.stage_xy_um[made]
    hops = np.hypot(*np.diff(places, axis=0).T)
    np.testing.assert_allclose(hops, 10, atol=1e-6)  # never a long way back
    assert campaign.ids[made[0]] == "T00001"
    assert len(set(campaign.ids)) == 400


def test_imprints_are_lost_in_pores_and_nowhere_else(area: Area, campaign: Campaign) -> None:
    none = np.array([imprint is None for imprint in campaign.imprints])
    np.testing.assert_array_equal(none, campaign.missed | (campaign.pore_share > 0.3))
    lost = campaign.pore_share > 0.3
    assert 0 < lost.sum() < 16
    assert (~campaign.indents.failed[lost]).any()  # the table says ok, the picture shows nothing
    # A contact just below the surface feels the pores that the triangle shows.
    felt = contact_volumes(area._paste, area._placed(campaign.xy_um), radius_um=0.5).share[:, Phase.PORE]
    assert np.corrcoef(felt, campaign.pore_share)[0, 1] > 0.6
