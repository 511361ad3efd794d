from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.quiver import Quiver
from matplotlib.text import Text

from cemvis.images.micrograph import Micrograph
from cemvis.images.pixel_size import PixelSize
from cemvis.images.registration import DisplacementField
from cemvis.report._located_choice import DOUBTFUL, doubts, gallery_groups, reasons, review_choice
from cemvis.report._located_crops import Outline, edge_px, overview_by_field, overview_of, pair_at
from cemvis.report._located_marks import FLAG_MARKS, mark_style
from cemvis.report._located_overlay import magnification
from cemvis.report.located import gallery_figure, grid_figure, walks_figure
from located_pictures import ANGLE_RAD, PITCH_PX, PIXEL_UM, SHAPE, SIZE_PX, Scene, make_scene, many_batches


@pytest.fixture(scope="module")
def scene() -> Scene:
    return make_scene()


def texts(figure: Figure) -> list[str]:
    return [part.get_text() for part in figure.findobj(Text) if part.get_text()]


def fits(figure: Figure) -> bool:
    """Whether every text lies inside the figure; matplotlib also keeps labels of ticks beyond the ends of an axis."""
    figure.canvas.draw()
    beyond = {
        label
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in axis.get_major_ticks()
        for label in (tick.label1, tick.label2)
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    }
    wide, high = figure.canvas.get_width_height()
    renderer = figure.canvas.get_renderer()
    boxes = [
        part.get_window_extent(renderer)
        for part in figure.findobj(Text)
        if part not in beyond and part.get_visible() and part.get_text() and part.get_window_extent(renderer).width > 0
    ]
    return all(box.x0 > -1 and box.x1 < wide + 1 and box.y0 > -1 and box.y1 < high + 1 for box in boxes)


# What is chosen -------------------------------------------------------------------------------------------------------


def test_low_scores_residuals_and_errors_are_doubtful_and_say_why(scene) -> None:
    n = len(scene.located)
    located = replace(scene.located, error_px=np.r_[scene.located.error_px[:-5], 4.0, scene.located.error_px[-4:]])
    doubt = doubts(located)
    said = reasons(located)
    assert (said[:4], said[n - 3], said[n - 2]) == (list(located.flag[:4]), "low score", "large residual")
    assert said[n - 5] == "uncertain position"
    assert {n - 2, n - 3, n - 5} == set(np.flatnonzero((doubt >= DOUBTFUL) & (np.arange(n) >= 4)))
    assert np.isinf(doubts(replace(located, score=np.full(n, np.nan)))).all()
    tiny = replace(scene.located, residual_px=scene.located.residual_px * 0.01)  # nobody would see these
    assert {k for k in range(4, n) if doubts(tiny)[k] >= DOUBTFUL} == {n - 3}


def test_kinds_of_doubt_take_turns_when_not_all_fit(scene) -> None:
    n = len(scene.located)
    chosen, doubtful = review_choice(scene.located, most=100, fine=7)
    assert doubtful == 6
    assert set(chosen[:6]) == {0, 1, 2, 3, n - 2, n - 3}
    assert len(chosen) == len(set(chosen)) == 13
    sample = scene.located.score[chosen[6:]]
    fine = scene.located.score[[k for k in range(4, n) if k not in (n - 2, n - 3)]]
    assert (sample[0], sample[-1]) == (fine.min(), fine.max())  # a spread, not the first ones
    flags = ["ambiguous"] * 20 + ["missing"] * 20 + [""] * (n - 40)
    few, _ = review_choice(replace(scene.located, flag=tuple(flags)), most=6, fine=0)
    assert sorted(flags[k] for k in few) == ["", "", "ambiguous", "ambiguous", "missing", "missing"]


def test_a_gallery_shows_best_middle_worst_and_every_flag(scene) -> None:
    groups = dict(gallery_groups(scene.located, each=4))
    score = scene.located.score
    fine = np.sort(score[4:])
    assert sorted(score[groups["Highest scores"]]) == list(fine[-4:])
    assert sorted(score[groups["Lowest scores without a flag"]]) == list(fine[:4])
    assert abs(np.median(score[groups["Middle scores"]]) - np.median(fine)) < 0.1
    assert {name.split()[1] for name in groups if name.startswith("Flagged")} == set(FLAG_MARKS)
    flagged = replace(scene.located, flag=("missing",) * len(score))
    assert [name for name, _ in gallery_groups(flagged, each=4)] == [f"Flagged missing ({len(score)})"]


# What is cut out ------------------------------------------------------------------------------------------------------


def test_outlines_have_the_size_and_direction_that_was_found() -> None:
    corners = Outline("triangle", SIZE_PX, ANGLE_RAD).corners_px()
    sides = np.roll(corners, -1, axis=0) - corners
    np.testing.assert_allclose(np.hypot(*sides.T), SIZE_PX)
    middles = (corners + np.roll(corners, -1, axis=0)) / 2
    normals = np.sort(np.arctan2(middles[:, 1], middles[:, 0]) % (2 * math.pi))
    wanted = np.sort((ANGLE_RAD + 2 * math.pi / 3 * np.arange(3)) % (2 * math.pi))
    np.testing.assert_allclose(normals, wanted)
    np.testing.assert_allclose(np.hypot(*Outline("disc", 8.0, 0.0).corners_px().T), 4.0)


@pytest.mark.parametrize("appearance", [None, {}, {"shape": "star", "size_px": 3}, {"shape": "disc", "size_px": None}])
def test_an_unknown_appearance_has_no_outline(scene, appearance) -> None:
    located = replace(scene.located, about={"appearance": appearance})
    assert Outline.of(located) is None
    assert edge_px(located, None, times=2.0, pitches=0.8) == round(0.8 * PITCH_PX)


@pytest.mark.parametrize("xy", [(100.4, 90.6), (2.0, 3.0), (396.5, 236.2)])
def test_windows_hold_both_images_around_the_place_and_nothing_beyond_them(scene, xy) -> None:
    edge = 31
    pair = pair_at(scene.micrograph, scene.warped, np.array(xy), edge=edge)
    row, col = (round(place) - edge // 2 for place in (xy[1], xy[0]))
    assert pair.centre_px == pytest.approx((xy[0] - col, xy[1] - row))
    for i in range(edge):
        for j in range(edge):
            inside = 0 <= row + i < SHAPE[0] and 0 <= col + j < SHAPE[1]
            want = scene.before[row + i, col + j] if inside else np.nan
            np.testing.assert_array_equal(pair.before[i, j], np.float32(want))
    np.testing.assert_array_equal(pair.after, scene.warped(row, col, edge, edge))


@pytest.mark.parametrize("xy", [(np.nan, 5.0), (-80.0, 20.0), (20.0, 400.0)])
def test_a_place_that_is_unknown_or_off_the_image_has_no_windows(scene, xy) -> None:
    assert pair_at(scene.micrograph, scene.warped, np.array(xy), edge=31) is None


def test_an_overview_is_the_mean_of_the_known_pixels(scene, monkeypatch) -> None:
    monkeypatch.setattr("cemvis.report._located_crops._BLOCK_PX", 20)
    made = overview_of(scene.located, SHAPE, scene.warped, largest_px=60)
    factor = made.factor
    assert max(made.values.shape) <= 60 < max(made.values.shape) * factor / (factor - 1)
    whole = scene.warped(0, 0, *SHAPE)
    for i, j in np.ndindex(*made.values.shape):
        block = whole[made.row + i * factor :, made.col + j * factor :][:factor, :factor]
        known = block[np.isfinite(block)]
        want = known.astype(np.float64).mean() if known.size else np.nan
        np.testing.assert_allclose(made.values[i, j], want, rtol=1e-6)
    left, right, top, bottom = made.extent_um(PIXEL_UM)
    assert (left, top) == pytest.approx(((made.col - 0.5) * PIXEL_UM, (made.row - 0.5) * PIXEL_UM))
    assert (right - left, bottom - top) == pytest.approx(np.array(made.values.shape)[::-1] * factor * PIXEL_UM)


def test_an_overview_by_the_field_shows_the_same_places(scene) -> None:
    y, x = np.indices((300, 460))
    after = np.rint(60 + 0.3 * x + 0.1 * y).astype(np.uint8)  # grey levels that tell the place
    affine = np.array([[1.0, 0.02, -12.0], [-0.02, 1.0, -20.0]])
    field = DisplacementField.from_affine(affine, after_shape=after.shape, before_shape=SHAPE)
    micrograph = Micrograph.from_array(after, pixel_size=PixelSize(PIXEL_UM, "test"))
    made = overview_by_field(scene.located, SHAPE, micrograph, field, largest_px=70)
    rows, cols = np.indices(made.values.shape)
    before = np.stack([made.col + (cols + 0.5) * made.factor - 0.5, made.row + (rows + 0.5) * made.factor - 0.5], -1)
    place = np.linalg.solve(affine[:, :2], (before - affine[:, 2]).reshape(-1, 2).T)
    want = 60 + 0.3 * place[0] + 0.1 * place[1]
    # The nearest large pixel lies at most half its edge away in x and y; rounding adds half a grey level at most.
    np.testing.assert_allclose(made.values.ravel(), want, atol=0.4 * made.factor / 2 + 0.5)


def test_an_overview_holds_only_the_part_of_the_after_image_that_it_shows(scene, monkeypatch) -> None:
    read: list[tuple[int, int]] = []
    whole_shape = (4000, 5000)
    after = Micrograph.from_array(np.full(whole_shape, 90, np.uint8), pixel_size=PixelSize(PIXEL_UM, "test"))
    own = after.read

    def counted(row: int, col: int, rows: int, cols: int, **kept: object) -> np.ndarray:
        read.append((rows, cols))
        return own(row, col, rows, cols, **kept)

    monkeypatch.setattr(after, "read", counted)
    affine = np.array([[1.0, 0.0, -3000.0], [0.0, 1.0, -2000.0]])
    field = DisplacementField.from_affine(affine, after_shape=whole_shape, before_shape=SHAPE)
    made = overview_by_field(scene.located, SHAPE, after, field, largest_px=10_000)
    assert made.factor == 1
    np.testing.assert_array_equal(made.values, 90)
    # One knot's distance more than what is shown, at most.
    assert sum(rows * cols for rows, cols in read) <= (made.values.shape[0] + 66) * (made.values.shape[1] + 66)


def test_an_overview_of_finer_pixels_averages_as_many_of_them_as_it_should(scene) -> None:
    y, x = np.indices((4 * SHAPE[0], 4 * SHAPE[1]))
    after = np.where((x + y) % 2 == 0, 20, 220).astype(np.uint8)
    affine = np.array([[0.25, 0.0, -0.375], [0.0, 0.25, -0.375]])
    field = DisplacementField.from_affine(affine, after_shape=after.shape, before_shape=SHAPE)
    image = Micrograph.from_array(after, pixel_size=None)
    made = overview_by_field(scene.located, SHAPE, image, field, largest_px=10_000)
    assert made.factor == 1
    np.testing.assert_array_equal(made.values, 120)


def test_an_overview_beside_the_after_image_is_empty(scene) -> None:
    affine = np.array([[1.0, 0.0, 9000.0], [0.0, 1.0, 9000.0]])
    field = DisplacementField.from_affine(affine, after_shape=(200, 200), before_shape=SHAPE)
    after = Micrograph.from_array(np.zeros((200, 200), np.uint8), pixel_size=None)
    made = overview_by_field(scene.located, SHAPE, after, field)
    assert np.isnan(made.values).all()


# What is drawn --------------------------------------------------------------------------------------------------------


def test_the_gallery_draws_the_windows_the_outline_in_place_and_what_was_measured(scene) -> None:
    figure = gallery_figure(scene.located, scene.micrograph, scene.warped, decisions={("b0", "T001"): "reject"})
    said = texts(figure)
    labels = [text for text in said if "\n" in text and "score" in text]
    assert len(labels) == 4 * 3 + 4
    table = scene.located.table
    (label,) = (text for text in labels if text.startswith("T001, b0 - rejected"))
    assert f"E {table.modulus_gpa[1]:.3g} GPa, H {table.hardness_gpa[1]:.3g} GPa" in label
    assert f"score 1.2, residual {np.hypot(*scene.located.residual_px[1]):.3g} px" in label
    edge = edge_px(scene.located, Outline.of(scene.located), times=2.2, pitches=0.8)
    order = [int(number) for _, group in gallery_groups(scene.located, each=4) for number in group]
    shown = [axes for axes in figure.axes if axes.images]
    assert len(shown) == 2 * len(order)
    outlines = Outline.of(scene.located).corners_px()
    for number, left, right in zip(order, shown[::2], shown[1::2], strict=True):
        pair = pair_at(scene.micrograph, scene.warped, scene.located.before_xy_px[number], edge=edge)
        np.testing.assert_array_equal(left.images[0].get_array(), pair.before)
        np.testing.assert_array_equal(right.images[0].get_array(), np.ma.masked_invalid(pair.after))
        for axes in (left, right):
            (drawn,) = (patch for patch in axes.patches if isinstance(patch, Polygon))
            wanted = (np.array(pair.centre_px) + 0.5 + outlines) * PIXEL_UM
            np.testing.assert_allclose(drawn.get_xy()[:-1], wanted)
    assert any("after.tif (sha256 aaaaaaaaaaaa)" in text and "100 nm/px" in text for text in said)
    assert fits(figure)


def test_a_gallery_without_outline_images_or_scores_still_says_what_it_can(scene) -> None:
    n = len(scene.located)
    lost = replace(
        scene.located,
        about={},
        score=np.full(n, np.nan),
        flag=("unregistered",) * n,
        table=replace(scene.located.table, x_um=np.full(n, np.nan)),
    )
    figure = gallery_figure(lost, scene.micrograph, scene.warped)
    assert texts(figure).count("no image") == 8
    assert fits(figure)


def test_grids_arrows_and_marks_are_where_they_belong(scene) -> None:
    located = scene.located
    overview = overview_of(located, SHAPE, scene.warped)
    figure = grid_figure(
        located, overview, scene.warped, decisions={("b1", "T040"): "reject", ("b1", "T041"): "accept"}
    )
    axes = figure.axes[0]
    (grid,) = (part for part in axes.collections if isinstance(part, LineCollection) and not isinstance(part, Quiver))
    segments = grid.get_segments()
    assert len(segments) == sum(batch.rows + batch.columns for batch in located.batches)
    np.testing.assert_allclose(segments[0], located.batches[0].erred_places_px()[0] * PIXEL_UM)
    np.testing.assert_allclose(segments[6], located.batches[0].erred_places_px()[:, 0] * PIXEL_UM)
    (arrows,) = (part for part in axes.collections if isinstance(part, Quiver))
    gain = magnification(located)
    sizes = np.hypot(*located.residual_px.T)
    known = np.isfinite(sizes)
    away = located.residual_px[known] * gain
    away *= np.minimum(1, PITCH_PX / np.hypot(*away.T))[:, None]
    np.testing.assert_allclose(np.column_stack([arrows.U, arrows.V]), away * PIXEL_UM)
    np.testing.assert_allclose(arrows.get_offsets(), located.before_xy_px[known] * PIXEL_UM)
    marks = {line.get_marker(): line.get_xydata() for line in axes.lines}
    for number, flag in enumerate(located.flag[:4]):
        np.testing.assert_allclose(marks[FLAG_MARKS[flag][0]], located.before_xy_px[[number]] * PIXEL_UM)
    np.testing.assert_allclose(marks["X"], located.before_xy_px[[40]] * PIXEL_UM)
    np.testing.assert_allclose(marks["o"], located.before_xy_px[[41]] * PIXEL_UM)
    said = texts(figure)
    assert {"missing: 1", "pore: 1", "ambiguous: 1", "unregistered: 1", "rejected by a person: 1"} <= set(said)
    assert any(f"{gain:,} times enlarged" in text for text in said)
    assert "Around the most doubtful: T002, b0" in said
    assert fits(figure)


def test_where_places_lie_too_close_the_batches_are_outlined(scene) -> None:
    overview = overview_of(scene.located, SHAPE, scene.warped)
    far = replace(overview, factor=40)  # as if the picture showed 40 times as much
    axes, close = grid_figure(scene.located, far, scene.warped).axes[:2]
    (lines,) = (part for part in axes.collections if isinstance(part, LineCollection))
    places = scene.located.batches[1].erred_places_px() * PIXEL_UM
    around = [places[0, j] for j in range(6)] + [places[i, 5] for i in range(1, 6)]
    around += [places[5, j] for j in range(4, -1, -1)] + [places[i, 0] for i in range(4, -1, -1)]
    np.testing.assert_allclose(lines.get_segments()[1], around)
    assert not any(isinstance(part, Quiver) for part in axes.collections)
    assert any(isinstance(part, Quiver) for part in close.collections)


@pytest.mark.parametrize(("scale", "gain"), [(1.0, 20), (0.1, 200), (100.0, 1)])
def test_residuals_are_enlarged_by_a_round_number_that_keeps_arrows_within_a_pitch(scene, scale, gain) -> None:
    located = replace(scene.located, residual_px=scene.located.residual_px * scale)
    assert magnification(located) == gain
    unknown = replace(located, residual_px=np.full_like(located.residual_px, np.nan))
    assert magnification(unknown) == 1


def test_marks_differ_in_shape_and_colour() -> None:
    for column in (0, 1):
        assert len({mark[column] for mark in FLAG_MARKS.values()}) == len(FLAG_MARKS)
    assert mark_style("s", "#123456", 5.0)["markerfacecolor"] == "none"


def test_walks_are_the_errors_in_px_and_um(scene) -> None:
    figure = walks_figure(scene.located)
    columns, rows = figure.axes[:2]
    for which, axes in (("column_error_px", columns), ("row_error_px", rows)):
        lines = {line.get_label(): line.get_ydata() for line in axes.lines if not line.get_label().startswith("_")}
        assert len(lines) == 2
        for batch in scene.located.batches:
            (label,) = (name for name in lines if name.startswith(batch.name))
            np.testing.assert_array_equal(lines[label], getattr(batch, which))
        figure.canvas.draw()
        (second,) = axes.child_axes
        np.testing.assert_allclose(second.get_ylim(), np.array(axes.get_ylim()) * PIXEL_UM)
        assert "(px)" in axes.get_ylabel()
        assert "\N{MICRO SIGN}m" in second.get_ylabel()
    assert fits(figure)


def test_of_many_batches_the_worst_are_named(scene) -> None:
    figure = walks_figure(many_batches(scene.located, 25))
    labels = [line.get_label() for line in figure.axes[0].lines if not line.get_label().startswith("_")]
    assert {label.split(":")[0] for label in labels} == {f"c{k}" for k in range(15, 25)} | {"15 other batches"}
    drawn = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 6]
    assert len(drawn) == 25
    assert fits(figure)


def test_the_same_indents_give_the_same_pictures(scene) -> None:
    first, second = (walks_figure(scene.located) for _ in range(2))
    for figure in (first, second):
        figure.canvas.draw()
    np.testing.assert_array_equal(np.asarray(first.canvas.buffer_rgba()), np.asarray(second.canvas.buffer_rgba()))
