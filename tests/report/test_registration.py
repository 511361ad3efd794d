from __future__ import annotations

import numpy as np

from cemvis.report.registration import RegisteredPair, checkerboard, registration_figure


def test_a_checkerboard_shows_both_images_in_turn() -> None:
    rng = np.random.default_rng(0)
    before = rng.normal(100, 20, (64, 64)).astype(np.float32)
    after = (0.5 * before + 90).astype(np.float32)
    same = checkerboard(before, after)
    np.testing.assert_allclose(same, (before - before.mean()) / before.std(), atol=1e-4)
    other = rng.normal(0, 1, (64, 64)).astype(np.float32)
    mixed = checkerboard(before, other)
    from_before = np.isclose(mixed, same, atol=1e-4)
    assert from_before[:8, :8].all()
    assert not from_before[:8, 8:16].any()
    assert from_before.mean() == 0.5


def test_a_checkerboard_without_an_after_image_is_the_before_image() -> None:
    before = np.arange(64.0, dtype=np.float32).reshape(8, 8)
    shown = checkerboard(before, np.full((8, 8), np.nan, np.float32))
    assert np.isfinite(shown).mean() == 0.5


def figure_of(n: int, *, used: bool, seams: tuple[float, ...] = ()) -> object:
    rng = np.random.default_rng(1)
    pair = RegisteredPair(
        overview=rng.normal(100, 20, (60, 80)).astype(np.float32),
        overview_factor=10,
        tiles_xy_px=rng.uniform(0, 600, (n, 2)),
        residual_xy_px=rng.normal(0, 5, (n, 2)),
        peak=rng.uniform(0, 1, n),
        used=np.full(n, used),
        seams_x_px=np.array(seams),
        seams_y_px=np.array(seams),
        before_crop=rng.normal(100, 20, (64, 64)).astype(np.float32),
        after_crop=rng.normal(100, 20, (64, 64)).astype(np.float32),
        crop_px=(5, 7),
    )
    return registration_figure(pair, title="Title", caption="A long caption. " * 20)


def test_the_figure_draws_seams_arrows_and_tiles() -> None:
    figure = figure_of(50, used=True, seams=(200.0, 400.0))
    arrows, *_ = [axes for axes in figure.axes if any(type(each).__name__ == "Quiver" for each in axes.collections)]
    assert len(arrows.lines) == 4
    (quiver,) = [each for each in arrows.collections if type(each).__name__ == "Quiver"]
    assert quiver.N == 50


def test_without_a_used_tile_there_are_no_arrows() -> None:
    figure = figure_of(9, used=False)
    assert not any(type(each).__name__ == "Quiver" for axes in figure.axes for each in axes.collections)
    figure.canvas.draw()
