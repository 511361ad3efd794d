"""Anchors: found in flat places of pictures with known ones, with errors; wrong ones are refused."""

from __future__ import annotations

import numpy as np
import pytest

from cemvis.analysis.porosity.anchors import (
    GreyAnchors,
    bootstrap_anchors,
    find_csh,
    find_metal,
    region_grey,
)
from cemvis.analysis.porosity.flat_places import FlatSample, sample_tiles
from cemvis.analysis.porosity.peaks import flat_peaks
from cemvis.errors import GreyScaleError, InputError
from metal_paste import picture


def sample_of(grey: np.ndarray, edge: int = 96) -> FlatSample:
    tiles = [
        grey[row : row + edge, col : col + edge]
        for row in range(0, grey.shape[0] - edge + 1, edge)
        for col in range(0, grey.shape[1] - edge + 1, edge)
    ]
    return sample_tiles(tiles, [0] * len(tiles), bins=(0.0, 1.0, 256))


@pytest.mark.parametrize("noise", [2.0, 5.0])
@pytest.mark.parametrize(("csh", "metal"), [(60.0, 220.0), (30.0, 120.0)])
def test_the_anchors_of_a_picture_are_found(noise: float, csh: float, metal: float) -> None:
    sample = sample_of(picture(csh=csh, metal=metal, noise=noise).grey)
    dark, bright = find_csh(sample), find_metal(sample)
    # Faint texture of porosities near 0 counts as flat too, and pulls C-S-H up by a few hundredths of the range.
    assert dark.grey == pytest.approx(csh, abs=0.02 * (metal - csh))
    assert bright.grey == pytest.approx(metal, abs=0.01 * (metal - csh))
    assert dark.reliable
    assert bright.reliable


def test_clinker_alone_is_not_taken_for_metal() -> None:
    made = picture(seed=1, noise=2.0)
    # Metal in pores too fine to hold a flat window: bright pixels, none of them in a flat place.
    rng = np.random.default_rng(0)
    grey = np.where(made.porosity == 1, 60, made.grey).astype(np.uint8)
    grey[rng.random(grey.shape) < 0.02] = 215
    found = find_metal(sample_of(grey))
    assert not found.reliable
    assert found.grey >= 200
    assert "no large region of metal" in found.note


def test_nothing_flat_says_so() -> None:
    grey = (
        np.random.default_rng(0)
        .permuted(np.kron(np.arange(20, 180, 10), np.ones(1024)).astype(np.uint8))
        .reshape(128, 128)
    )
    coarse = np.kron(grey[:64, :64], np.ones((2, 2))).astype(np.uint8)
    found = find_csh(sample_of(coarse, 64))
    assert not found.reliable
    assert "nothing is flat" in found.note


def test_errors_by_tiles_shrink_with_more_of_them() -> None:
    few = bootstrap_anchors(sample_of(picture(shape=(192, 288), noise=5).grey, 48), resamplings=40, seed=1)
    many = bootstrap_anchors(sample_of(picture(shape=(768, 768), noise=5).grey, 48), resamplings=40, seed=1)
    assert 0 < many[1].std() < few[1].std()
    again = bootstrap_anchors(sample_of(picture(shape=(192, 288), noise=5).grey, 48), resamplings=40, seed=1)
    np.testing.assert_array_equal(few[0], again[0])
    with pytest.raises(InputError, match="at least 2 tiles"):
        bootstrap_anchors(sample_of(picture(shape=(96, 96)).grey), resamplings=5, seed=0)


def test_peaks_are_parted_by_dips() -> None:
    greys = np.arange(256.0)

    def bell(at: float, sd: float) -> np.ndarray:
        return np.exp(-0.5 * ((greys - at) / sd) ** 2) / sd

    counts = np.rint(1e6 * (0.6 * bell(60, 3) + 0.3 * bell(80.5, 3) + 0.1 * bell(220, 4))).astype(np.int64)
    found = flat_peaks(counts, greys)
    assert [peak.grey for peak in found] == pytest.approx([60, 80.5, 220], abs=0.2)
    assert [peak.share for peak in found] == pytest.approx([0.6, 0.3, 0.1], abs=0.01)
    merged = flat_peaks(np.rint(1e6 * (bell(60, 6) + bell(66, 6))).astype(np.int64), greys)
    assert len(merged) == 1
    assert flat_peaks(np.zeros(256, np.int64), greys) == []


def test_anchors_in_the_wrong_order_or_equal_are_refused() -> None:
    for csh, metal in ((200, 100), (100, 100), (100, 100.5), (float("nan"), 100)):
        with pytest.raises(GreyScaleError, match="metal"):
            GreyAnchors(csh, metal)
    with pytest.raises(GreyScaleError, match="errors"):
        GreyAnchors(50, 100, csh_error=-1)


def test_relative_grey() -> None:
    np.testing.assert_allclose(GreyAnchors(50, 150).relative(np.array([0, 50, 100, 150], np.uint8)), [-0.5, 0, 0.5, 1])


def test_a_region_has_a_mean_and_an_error() -> None:
    blocks = np.random.default_rng(0).normal(100, 3, 900)
    mean, error = region_grey(blocks)
    assert mean == pytest.approx(blocks.mean())
    assert error == pytest.approx(blocks.std(ddof=1) / 30)
    assert region_grey(np.array([7.0])) == (7.0, 0.0)
    with pytest.raises(InputError, match="8 x 8"):
        region_grey(np.array([]))


def test_black_margins_are_not_c_s_h() -> None:
    grey = picture(noise=3.0).grey.copy()
    grey[:120] = 0
    found = find_csh(sample_of(grey))
    assert found.grey == pytest.approx(60, abs=3)
