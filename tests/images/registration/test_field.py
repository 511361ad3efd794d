from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cemvis.errors import FileAccessError, FileFormatError, InputError
from cemvis.images import Micrograph
from cemvis.images.registration import DisplacementField, warped_window

SHAPE = (400, 600)


def affine(angle_deg: float = 2.0, scale: float = 1.01, shift: tuple[float, float] = (12.5, -7.25)) -> np.ndarray:
    angle = np.radians(angle_deg)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.hstack([turn, np.array(shift)[:, None]])


def broken_field(jump_px: float = 6.0) -> DisplacementField:
    """Two pieces beside and two above each other, cut at x = 249.5 and y = 149.5; each with a residual of its own."""
    x_nodes, y_nodes = np.array([5, 7]), np.array([4, 6])
    rng = np.random.default_rng(3)
    offset = jump_px * rng.normal(size=(2, 2, 2))
    residual = np.repeat(np.repeat(offset, y_nodes, axis=0), x_nodes, axis=1)
    residual += rng.normal(0, 0.15, residual.shape)
    return DisplacementField(
        after_shape=SHAPE,
        before_shape=(420, 640),
        affine=affine(),
        x_edges_px=np.array([-0.5, 249.5, SHAPE[1] - 0.5]),
        y_edges_px=np.array([-0.5, 149.5, SHAPE[0] - 0.5]),
        x_nodes=x_nodes,
        y_nodes=y_nodes,
        residual_px=residual,
        node_error_px=rng.uniform(0.1, 1.0, residual.shape[:2]),
        node_reliable=rng.uniform(size=residual.shape[:2]) > 0.2,
        about={"version": "0"},
    )


def naive_before(field: DisplacementField, x: float, y: float) -> np.ndarray:
    """Lagrange's formula, node by node."""
    place = []
    for at, edges, counts in ((x, field.x_edges_px, field.x_nodes), (y, field.y_edges_px, field.y_nodes)):
        piece = int(sum(at >= edge for edge in edges[1:-1]))
        nodes = np.linspace(edges[piece], edges[piece + 1], counts[piece])
        nearest = int(np.clip(np.searchsorted(nodes, at, side="right") - 2, 0, counts[piece] - 4))
        four = range(nearest, nearest + 4)
        weights = [np.prod([(at - nodes[b]) / (nodes[a] - nodes[b]) for b in four if b != a]) for a in four]
        place.append((int(counts[:piece].sum()) + nearest, weights))
    (first_x, across), (first_y, down) = place
    total = field.affine @ [x, y, 1]
    for j in range(4):
        for i in range(4):
            total = total + down[j] * across[i] * field.residual_px[first_y + j, first_x + i]
    return total


def inside(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.uniform([0, 0], [SHAPE[1] - 1, SHAPE[0] - 1], (n, 2))


def test_before_xy_is_the_formula() -> None:
    field = broken_field()
    places = np.vstack([inside(np.random.default_rng(0), 60), [[249.4, 10], [249.6, 10], [0, 0], [599, 399]]])
    wanted = [naive_before(field, x, y) for x, y in places]
    np.testing.assert_allclose(field.before_xy(places), wanted, atol=1e-9)


def test_there_and_back() -> None:
    field = broken_field()
    places = inside(np.random.default_rng(1), 500)
    back = field.after_xy(field.before_xy(places))
    apart = np.abs(back - places).max(axis=1)
    # Near a seam two places of the after-image may show the same place: either is right.
    same = np.abs(field.before_xy(back) - field.before_xy(places)).max(axis=1)
    assert same.max() < 1e-3
    column, row = field.piece_of(places)
    deep = field.depth_in_piece(places, column, row) > field.farthest_jump_px
    assert deep.sum() > 250
    assert apart[deep].max() < 1e-3


def test_one_piece_and_turned_images() -> None:
    turned = DisplacementField.from_affine(affine(90.0, 0.5), after_shape=SHAPE, before_shape=SHAPE, error_px=0.3)
    places = inside(np.random.default_rng(2), 50)
    np.testing.assert_allclose(turned.before_xy(places), places @ affine(90.0, 0.5)[:, :2].T + [12.5, -7.25])
    np.testing.assert_allclose(turned.after_xy(turned.before_xy(places)), places, atol=1e-6)
    assert (turned.error_px(places) == 0.3).all()


def test_reliable_only_where_both_images_are_and_nodes_bear_it() -> None:
    field = broken_field()
    rng = np.random.default_rng(4)
    after = inside(rng, 300)
    column, row = field.piece_of(after)
    after = after[field.depth_in_piece(after, column, row) > field.farthest_jump_px]
    before = field.before_xy(after)
    nodes_x = np.concatenate([np.linspace(-0.5, 249.5, 5), np.linspace(249.5, 599.5, 7)])
    nodes_y = np.concatenate([np.linspace(-0.5, 149.5, 4), np.linspace(149.5, 399.5, 6)])
    column, row = field.piece_of(after)
    near_x = [
        np.argmin(np.where((np.arange(12) < 5) == (c == 0), np.abs(nodes_x - x), np.inf))
        for c, x in zip(column, after[:, 0], strict=True)
    ]
    near_y = [
        np.argmin(np.where((np.arange(10) < 4) == (r == 0), np.abs(nodes_y - y), np.inf))
        for r, y in zip(row, after[:, 1], strict=True)
    ]
    inside_before = ((before >= -0.5) & (before <= [639.5, 419.5])).all(axis=1)
    assert inside_before.sum() > 0
    np.testing.assert_array_equal(field.reliable(before), field.node_reliable[near_y, near_x] & inside_before)
    np.testing.assert_array_equal(field.error_px(before), field.node_error_px[near_y, near_x])
    far = field.before_xy([[-30.0, 5.0], [300.0, 500.0]])
    assert not field.reliable(far).any()
    assert np.isfinite(field.error_px(far)).all()


def test_where_the_way_back_does_not_settle_nothing_is_reliable() -> None:
    """On the left the residual is smooth; on the right it swings by more than its own wavelength, so that it folds."""
    calm = DisplacementField.from_affine(np.eye(2, 3), after_shape=SHAPE, before_shape=SHAPE)
    count = 61
    x, sign = np.arange(count), np.where(np.arange(count) % 2 == 0, 1.0, -1.0)
    residual = np.zeros((4, count, 2))
    residual[..., 0] = np.where(x > 30, 40 * sign, 0.0)
    parts = {name: getattr(calm, name) for name in calm.__dataclass_fields__}
    wild = DisplacementField(
        **parts
        | {
            "x_nodes": np.array([count]),
            "residual_px": residual,
            "node_error_px": np.zeros((4, count)),
            "node_reliable": np.ones((4, count), bool),
        }
    )
    places = np.random.default_rng(8).uniform([5, 5], [595, 395], (400, 2))
    back = np.hypot(*(wild.before_xy(wild.after_xy(places)) - places).T)
    assert np.count_nonzero(back > 0.1) > 50
    assert not wild.reliable(places)[back > 0.1].any()
    left = places[:, 0] < 200
    assert wild.reliable(places)[left].all()


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    field = broken_field()
    field.save(tmp_path / "field.npz")
    field.save(tmp_path / "again.npz")
    assert (tmp_path / "field.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()
    loaded = DisplacementField.load(tmp_path / "field.npz")
    places = inside(np.random.default_rng(5), 20)
    np.testing.assert_array_equal(loaded.before_xy(places), field.before_xy(places))
    assert loaded.about == {"version": "0"}
    assert (loaded.after_shape, loaded.before_shape) == (field.after_shape, field.before_shape)


def test_bad_files_are_refused(tmp_path: Path) -> None:
    bad = tmp_path / "field.npz"
    with pytest.raises(FileAccessError, match=r"cannot read .*field\.npz"):
        DisplacementField.load(bad)
    for content in (b"", b"PK\x03\x04 no archive"):
        bad.write_bytes(content)
        with pytest.raises(FileFormatError, match=r"field\.npz is not a displacement field"):
            DisplacementField.load(bad)
    np.savez(bad, header=np.array([object()], dtype=object), allow_pickle=True)
    with pytest.raises(FileFormatError, match="is not a displacement field"):
        DisplacementField.load(bad)


@pytest.mark.parametrize("xy", [[1.0, 2.0, 3.0], [[1.0, np.nan]], np.zeros((2, 2, 2))])
def test_positions_have_to_be_positions(xy: object) -> None:
    field = broken_field()
    for ask in (field.before_xy, field.after_xy, field.reliable, field.error_px):
        with pytest.raises(InputError, match=r"wanted \(n, 2\) finite"):
            ask(xy)  # type: ignore[operator]


def test_tables_have_to_fit() -> None:
    field = broken_field()
    for change in (
        {"x_nodes": np.array([4, 7])},
        {"affine": np.zeros((2, 3))},
        {"residual_px": field.residual_px * np.nan},
        {"x_nodes": field.x_nodes.astype(float)},
        {"y_nodes": field.y_nodes.astype(float)},
        {"node_error_px": field.node_error_px * np.nan},
        {"node_error_px": field.node_error_px * np.inf},
        {"node_error_px": -field.node_error_px},
        {"node_reliable": field.node_reliable.astype(float)},
        {"x_edges_px": field.x_edges_px + np.array([1.0, 0.0, 0.0])},
        {"x_edges_px": field.x_edges_px + np.array([0.0, 0.0, 1.0])},
        {"y_edges_px": field.y_edges_px - np.array([0.0, 0.0, 5.0])},
        {"y_edges_px": field.y_edges_px * np.array([1.0, np.nan, 1.0])},
    ):
        with pytest.raises(InputError, match="the field"):
            DisplacementField(**{**{name: getattr(field, name) for name in field.__dataclass_fields__}, **change})


def picture(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 30000 + 9000 * np.sin(x / 7) * np.cos(y / 9) + 3000 * np.sin((x + 2 * y) / 11)


def test_a_warped_window_shows_the_before_image() -> None:
    """An after-image made by looking the picture up through the field comes back as the picture itself."""
    field = broken_field()
    cols, rows = np.meshgrid(np.arange(SHAPE[1]), np.arange(SHAPE[0]))
    before = field.before_xy(np.stack([cols.ravel(), rows.ravel()], axis=1))
    after = Micrograph.from_array(
        np.rint(picture(before[:, 0], before[:, 1])).astype(np.uint16).reshape(SHAPE), pixel_size=None
    )
    window = warped_window(after, field, -20, -30, 460, 700)
    assert window.dtype == np.float32
    cols, rows = np.meshgrid(np.arange(-30, 670), np.arange(-20, 440))
    places = np.stack([cols.ravel(), rows.ravel()], axis=1).astype(float)
    at = field.after_xy(places).reshape(*window.shape, 2)
    there = (at >= -0.5).all(axis=-1) & (at <= [SHAPE[1] - 0.5, SHAPE[0] - 0.5]).all(axis=-1)
    assert np.mean(np.isfinite(window) == there) > 0.999
    column, row = field.piece_of(at.reshape(-1, 2))
    depth = field.depth_in_piece(at.reshape(-1, 2), column, row).reshape(window.shape)
    edge = np.minimum(at, np.array([SHAPE[1], SHAPE[0]]) - 1 - at).min(axis=-1)
    # Where the pieces leave a gap no pixel of the after-image shows the place.
    shown = np.abs(field.before_xy(at.reshape(-1, 2)) - places).max(axis=1).reshape(window.shape) < 0.01
    clear = (depth > 4) & (edge > 4) & shown
    assert clear.mean() > 0.6
    difference = np.abs(window - picture(cols, rows))[clear]
    # 120 of slopes of up to 1,700 per px are 0.07 px; few places lie as deep in either piece.
    assert np.mean(difference < 120) > 0.9999


def test_a_part_of_a_window_is_the_window() -> None:
    field = broken_field()
    rng = np.random.default_rng(8)
    after = Micrograph.from_array(rng.integers(0, 255, SHAPE, dtype=np.uint8), pixel_size=None)
    whole = warped_window(after, field, 0, 0, 300, 300)
    part = warped_window(after, field, 160, 16 * 9, 100, 90)
    np.testing.assert_allclose(part, whole[160:260, 144:234], atol=0.6)  # splines end at the block's rim


def test_windows_that_cannot_be() -> None:
    field = broken_field()
    after = Micrograph.from_array(np.zeros(SHAPE, np.uint8), pixel_size=None)
    with pytest.raises(InputError, match="wanted at least one"):
        warped_window(after, field, 0, 0, 0, 5)
    other = Micrograph.from_array(np.zeros((10, 10), np.uint8), pixel_size=None)
    with pytest.raises(InputError, match="the field was made for"):
        warped_window(other, field, 0, 0, 5, 5)
