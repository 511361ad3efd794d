"""Grey to porosity: by table and by formula, masks, and MicF in parts."""

from __future__ import annotations

import numpy as np
import pytest

from cemvis.analysis.porosity.anchors import GreyAnchors
from cemvis.analysis.porosity.nano_porosity import micro_features, micro_halo, nano_porosity, porosity_table
from cemvis.errors import InputError
from metal_paste import Linear


class Bent:
    def porosity_of(self, relative: np.ndarray) -> np.ndarray:
        return relative**2


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_levels_are_those_of_the_formula(dtype: type) -> None:
    highest = np.iinfo(dtype).max
    grey = np.random.default_rng(0).integers(0, highest + 1, (30, 40)).astype(dtype)
    anchors = GreyAnchors(0.2 * highest, 0.8 * highest)
    levels = nano_porosity(grey, anchors, curve=Bent())
    for value, level in zip(grey.ravel().tolist(), levels.ravel().tolist(), strict=True):
        relative = min(1.0, max(0.0, (value - 0.2 * highest) / (0.6 * highest)))
        assert level == round(255 * relative**2)
    assert levels.dtype == np.uint8
    assert {0, 255} <= set(levels.ravel().tolist())


def test_clinker_is_set_to_0() -> None:
    grey = np.full((4, 4), 200, np.uint8)
    clinker = np.zeros((4, 4), bool)
    clinker[1] = True
    levels = nano_porosity(grey, GreyAnchors(100, 200), curve=Linear(), clinker=clinker)
    assert (levels[1] == 0).all()
    assert (levels[0] == 255).all()
    for wrong in (clinker[:2], clinker.astype(np.uint8)):
        with pytest.raises(InputError, match="clinker"):
            nano_porosity(grey, GreyAnchors(100, 200), curve=Linear(), clinker=wrong)


def test_a_table_rises_and_is_clamped() -> None:
    table = porosity_table(GreyAnchors(50, 100), Linear())
    assert (table[:51] == 0).all()
    assert (table[100:] == 1).all()
    assert (np.diff(table[50:101]) > 0).all()


@pytest.mark.parametrize("sigma", [1.0, 2.5, 10.0])
def test_microscale_features_of_a_part_with_its_halo(sigma: float) -> None:
    levels = np.random.default_rng(1).integers(0, 256, (130, 140)).astype(np.uint8)
    whole = micro_features(levels, sigma_px=sigma)
    halo = micro_halo(sigma)
    top, left = max(0, 50 - halo), max(0, 60 - halo)
    part = micro_features(levels[top : 80 + halo, left : 100 + halo], sigma_px=sigma)
    np.testing.assert_array_equal(part[50 - top : 80 - top, 60 - left : 100 - left], whole[50:80, 60:100])


def test_microscale_features_by_the_weights_of_a_gaussian() -> None:
    levels = np.random.default_rng(2).integers(0, 256, (9, 11)).astype(np.uint8)
    sigma, reach = 1.0, 4
    weights = np.exp(-0.5 * np.arange(-reach, reach + 1) ** 2 / sigma**2)
    weights /= weights.sum()
    padded = np.pad(levels.astype(float), reach, mode="edge")
    down = sum(w * padded[k : k + 9] for k, w in enumerate(weights))
    across = sum(w * down[:, k : k + 11] for k, w in enumerate(weights))
    far = np.abs(across - np.floor(across) - 0.5) > 1e-9
    assert far.all()
    np.testing.assert_array_equal(micro_features(levels, sigma_px=sigma), np.rint(across).astype(np.uint8))


def test_bad_arrays_are_refused() -> None:
    with pytest.raises(InputError, match="grey"):
        nano_porosity(np.zeros((3, 3)), GreyAnchors(1, 2), curve=Linear())
    with pytest.raises(InputError, match="levels"):
        micro_features(np.zeros((3, 3), np.uint16))
