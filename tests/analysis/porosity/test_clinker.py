"""Clinker: found in pictures where it is known, and the same in tiles as in the whole."""

from __future__ import annotations

import numpy as np
import pytest

from cemvis.analysis.porosity.anchors import GreyAnchors
from cemvis.analysis.porosity.clinker import ClinkerRule, dilated, eroded, segment_clinker
from cemvis.analysis.porosity.flat_places import measure_noise
from cemvis.errors import InputError
from metal_paste import PIXEL_UM, picture

ANCHORS = GreyAnchors(60, 220)


@pytest.mark.parametrize("seed", [0, 1])
def test_grains_are_found(seed: int) -> None:
    made = picture(seed=seed, shape=(500, 600))
    noise = measure_noise([made.grey])
    found = segment_clinker(made.grey, ANCHORS, noise=noise, pixel_size_um=PIXEL_UM)
    both, either = (found & made.clinker).sum(), (found | made.clinker).sum()
    assert both / either > 0.9


def test_without_grains_next_to_nothing_is_found() -> None:
    made = picture(grains=0, seed=2)
    found = segment_clinker(made.grey, ANCHORS, noise=measure_noise([made.grey]), pixel_size_um=PIXEL_UM)
    assert found.mean() < 0.01


def test_tiles_with_a_halo_give_the_whole() -> None:
    made = picture(seed=3, shape=(400, 420))
    rule = ClinkerRule(least_um=1.5)
    noise = measure_noise([made.grey])
    whole = segment_clinker(made.grey, ANCHORS, noise=noise, pixel_size_um=PIXEL_UM, rule=rule)
    halo = rule.halo_px(PIXEL_UM)
    assert whole.any()
    for top in range(0, 400, 100):
        for left in range(0, 420, 140):
            above, before = max(0, top - halo), max(0, left - halo)
            tile = made.grey[above : top + 100 + halo, before : left + 140 + halo]
            part = segment_clinker(tile, ANCHORS, noise=noise, pixel_size_um=PIXEL_UM, rule=rule)
            inner = part[top - above : top - above + 100, left - before : left - before + 140]
            np.testing.assert_array_equal(inner, whole[top : top + 100, left : left + 140])


@pytest.mark.parametrize("radius", [1.0, 1.5, 2.9])
def test_discs_are_those_of_a_plain_loop(radius: float) -> None:
    mask = np.random.default_rng(1).random((17, 23)) < 0.04
    rows, cols = np.mgrid[:17, :23]
    naive = np.zeros_like(mask)
    for row, col in np.argwhere(mask):
        naive |= (rows - row) ** 2 + (cols - col) ** 2 <= radius**2
    np.testing.assert_array_equal(dilated(mask, radius), naive)
    np.testing.assert_array_equal(eroded(~mask, radius), ~naive)


def test_masks_of_one_value_stay() -> None:
    for value in (False, True):
        mask = np.full((5, 6), value)
        np.testing.assert_array_equal(dilated(mask, 3), mask)
        np.testing.assert_array_equal(eroded(mask, 3), mask)


@pytest.mark.parametrize(
    "wrong", [{"low": 0.5, "high": 0.2}, {"least_um": 0}, {"window_px": 4}, {"flatness": -1.0}, {"high": 2.0}]
)
def test_rules_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        ClinkerRule(**wrong)  # type: ignore[arg-type]
