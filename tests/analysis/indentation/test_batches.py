from __future__ import annotations

import math

import numpy as np
import pytest

from cemvis.analysis.indentation.batches import laid_out, with_batches
from cemvis.analysis.indentation.lattice import lattice_of
from cemvis.analysis.indentation.table import IndentTable, Source
from cemvis.errors import InputError

SOURCE = Source("made.csv", "0" * 64, "table", "", "")


def table_at(xy: np.ndarray, batch: list[str] | None = None) -> IndentTable:
    ids = [str(i) for i in range(len(xy))]
    return IndentTable.of(
        ids, source=SOURCE, batch=batch, x_um=xy[:, 0], y_um=xy[:, 1], modulus_gpa=np.full(len(xy), 30.0)
    )


def grid(rows: int, columns: int, order: str, *, pitch=(10.0, 10.0), origin=(0.0, 0.0), along: str = "x") -> np.ndarray:
    places = []
    lines, length = (rows, columns) if along == "x" else (columns, rows)
    for line in range(lines):
        steps = range(length)
        if order == "serpentine" and line % 2:
            steps = reversed(steps)
        places += [(step, line) if along == "x" else (line, step) for step in steps]
    return np.array(places, float) * pitch + origin


def turned(xy: np.ndarray, degrees: float) -> np.ndarray:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return xy @ np.array([[cos, sin], [-sin, cos]])


@pytest.mark.parametrize("order", ["raster", "serpentine"])
@pytest.mark.parametrize("along", ["x", "y"])
@pytest.mark.parametrize(("rows", "columns"), [(3, 3), (20, 11), (5, 40), (2, 4)])
@pytest.mark.parametrize("degrees", [0.0, 3.0, -30.0])
@pytest.mark.parametrize("pitch", [(10.0, 10.0), (5.0, 20.0)])
def test_one_batch_of_any_shape_order_pitch_and_rotation(rows, columns, along, order, degrees, pitch) -> None:
    xy = grid(rows, columns, order, along=along, pitch=pitch)
    table, (batch,) = with_batches(table_at(turned(xy, degrees)), name="b")
    assert (batch.rows, batch.columns, batch.order) == (rows, columns, order)
    assert batch.pitch_um == pytest.approx(pitch)
    assert batch.angle_deg == pytest.approx(degrees, abs=1e-6)
    assert batch.first == ("+x, then +y" if along == "x" else "+y, then +x")
    assert table.column.tolist() == np.rint(xy[:, 0] / pitch[0]).astype(int).tolist()
    assert table.row.tolist() == np.rint(xy[:, 1] / pitch[1]).astype(int).tolist()
    assert set(table.batch) == {"b"}


@pytest.mark.parametrize("order", ["raster", "serpentine"])
def test_batches_that_touch_are_told_apart_by_the_order_of_the_tests(order) -> None:
    rng = np.random.default_rng(5)
    blocks = [grid(20, 20, order, origin=(200.0 * i, 200.0 * j)) for j in range(2) for i in range(3)]
    xy = np.concatenate(blocks) + rng.normal(0, 0.3, (2400, 2))
    table, batches = with_batches(table_at(xy), name="area")
    assert [(each.name, each.tests, each.rows, each.columns) for each in batches] == [
        (f"area-{k}", 400, 20, 20) for k in range(1, 7)
    ]
    assert table.batch == tuple(f"area-{k}" for k in range(1, 7) for _ in range(400))
    assert {each.order for each in batches} == {order}


def test_batches_one_below_the_other_are_split_by_a_stated_shape() -> None:
    xy = np.concatenate([grid(4, 5, "raster"), grid(4, 5, "raster", origin=(0, 40))])
    assert [each.rows for each in with_batches(table_at(xy), name="b")[1]] == [8]
    assert [each.rows for each in with_batches(table_at(xy), name="b", shape=(4, 5))[1]] == [4, 4]
    with pytest.raises(InputError, match="b has 40 tests; batches of 3 rows x 5 columns need a multiple of 15"):
        with_batches(table_at(xy), name="b", shape=(3, 5))
    with pytest.raises(InputError, match="b-1 has 4 rows x 5 columns; wanted 5 x 4"):
        with_batches(table_at(xy), name="b", shape=(5, 4))


def test_tests_in_no_order_are_grouped_by_gaps() -> None:
    xy = np.concatenate([grid(6, 7, "raster"), grid(6, 7, "raster", origin=(300, 20))])
    shuffled = np.random.default_rng(1).permutation(len(xy))
    table, batches = with_batches(table_at(xy[shuffled]), name="b")
    assert [(each.rows, each.columns, each.order) for each in batches] == [(6, 7, "irregular")] * 2
    for name in ("b-1", "b-2"):
        assert len({x > 150 for x, each in zip(table.x_um, table.batch, strict=True) if each == name}) == 1


def test_tests_left_out_leave_places_empty() -> None:
    xy = grid(8, 9, "serpentine")
    kept = np.delete(np.arange(72), [0, 13, 14, 40, 71])
    table, (batch,) = with_batches(table_at(xy[kept]), name="b")
    assert (batch.rows, batch.columns, batch.tests, batch.order) == (8, 9, 67, "serpentine")
    assert "5 places without a test" in batch.to_text()
    assert np.array_equal(table.column, np.rint(xy[kept, 0] / 10))


def test_names_in_the_file_are_kept() -> None:
    xy = np.concatenate([grid(3, 3, "raster"), grid(3, 3, "raster", origin=(30, 0))])
    table, batches = with_batches(table_at(xy, batch=["left"] * 9 + ["right"] * 9), name="b")
    assert [each.name for each in batches] == ["left", "right"]
    assert table.column.tolist() == [0, 1, 2] * 6


def test_directions_are_stated_as_the_stage_moved() -> None:
    xy = grid(4, 5, "serpentine") * (-1, -1) + (100, -50)
    batch = with_batches(table_at(xy), name="b")[1][0]
    assert (batch.order, batch.first) == ("serpentine", "-x, then -y")
    assert batch.to_text() == "b: 4 rows x 5 columns, 10 um apart, serpentine (-x, then -y)"


def test_a_line_and_a_single_test_have_no_second_pitch() -> None:
    line, (batch,) = with_batches(table_at(grid(1, 6, "raster", pitch=(2.0, 2.0))), name="b")
    assert (batch.rows, batch.columns, batch.order, batch.first) == (1, 6, "raster", "+x")
    assert batch.pitch_um[0] == pytest.approx(2)
    assert math.isnan(batch.pitch_um[1])
    assert line.row.tolist() == [0] * 6
    one, (batch,) = with_batches(table_at(np.array([[5.0, 7.0]])), name="b")
    assert (batch.rows, batch.columns, one.row.tolist()) == (1, 1, [0])


def test_a_missing_position_is_named() -> None:
    xy = grid(3, 3, "raster")
    xy[4, 0] = math.nan
    with pytest.raises(InputError, match="b: 1 of 9 tests have no position"):
        with_batches(table_at(xy), name="b")


def test_the_lattice_of_noisy_positions() -> None:
    xy = turned(grid(30, 30, "raster", pitch=(10.0, 7.0)), 12.5) + np.random.default_rng(0).normal(0, 0.05, (900, 2))
    lattice = lattice_of(xy)
    assert math.degrees(lattice.angle_rad) == pytest.approx(12.5, abs=0.1)
    assert lattice.pitch_um == pytest.approx((10, 7), abs=0.2)


def without_places(count: int) -> IndentTable:
    return IndentTable.of([str(i) for i in range(count)], source=SOURCE, modulus_gpa=np.full(count, 30.0))


def test_positions_from_the_order_as_stated() -> None:
    table, (batch,) = laid_out(without_places(6), name="b", shape=(2, 3), pitch_um=(10.0, 5.0), order="serpentine")
    assert table.x_um.tolist() == [0, 10, 20, 20, 10, 0]
    assert table.y_um.tolist() == [0, 0, 0, 5, 5, 5]
    assert (table.row.tolist(), table.column.tolist()) == ([0, 0, 0, 1, 1, 1], [0, 1, 2, 2, 1, 0])
    assert (batch.order, batch.pitch_um) == ("serpentine", (10.0, 5.0))
    assert "positions follow from the order of the tests as stated: serpentine" in table.notes[-1]
    raster = laid_out(without_places(6), name="b", shape=(2, 3), pitch_um=(10.0, 5.0))[0]
    assert raster.x_um.tolist() == [0, 10, 20, 0, 10, 20]
    assert with_batches(table, name="b")[1][0].order == "serpentine"


def test_more_or_fewer_tests_than_the_grid() -> None:
    with pytest.raises(InputError, match="b has 7 tests; a grid of 2 rows x 3 columns has 6"):
        laid_out(without_places(7), name="b", shape=(2, 3), pitch_um=(10.0, 10.0))
    with pytest.raises(InputError, match="order is 'spiral'"):
        laid_out(without_places(6), name="b", shape=(2, 3), pitch_um=(10.0, 10.0), order="spiral")
    with pytest.raises(InputError, match="pitch is 0"):
        laid_out(without_places(6), name="b", shape=(2, 3), pitch_um=(0.0, 10.0))
