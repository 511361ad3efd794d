from __future__ import annotations

import threading

import numpy as np
import pytest

from cemvis.workflows._map_plan import CellGrid, plan_blocks
from cemvis.workflows._map_read import StripeReader, read_ahead


class Counted:
    """An image that counts how often each of its rows is read."""

    def __init__(self, image: np.ndarray) -> None:
        self.image = image
        self.shape = image.shape
        self.dtype = image.dtype
        self.reads = np.zeros(image.shape, int)

    def read(self, row: int, col: int, rows: int, cols: int, *, threads: int) -> np.ndarray:
        assert threads == 2
        assert row >= 0
        assert col >= 0
        assert rows > 0
        assert row + rows <= self.shape[0]
        assert col + cols <= self.shape[1]
        self.reads[row : row + rows, col : col + cols] += 1
        return self.image[row : row + rows, col : col + cols].copy()


@pytest.fixture
def counted() -> Counted:
    return Counted(np.random.default_rng(3).integers(0, 255, (500, 430), dtype=np.uint8))


@pytest.mark.parametrize("step", [5, 20, 33])
@pytest.mark.parametrize("chunk", [(1, 430), (64, 430), (64, 64)])
def test_blocks_get_their_pixels_and_no_row_of_a_stripe_is_read_twice(counted: Counted, chunk, step) -> None:
    plan = plan_blocks(CellGrid((500, 430), 1.0, 20, step), chunk, block_px=16_000, block_cells=10_000)
    assert len(plan.blocks) > 2
    reader = StripeReader(counted, row_multiple=plan.row_multiple, threads=2)
    for block in plan.blocks:
        pixels = reader.read(block.top, block.left, block.bottom, block.right)
        np.testing.assert_array_equal(pixels, counted.image[block.top : block.bottom, block.left : block.right])
    stripes = len({block.left for block in plan.blocks})
    assert counted.reads.max() <= min(stripes, 2)
    if chunk == (64, 430):
        assert counted.reads.max() == 1


def test_reads_end_where_chunks_do(counted: Counted) -> None:
    reader = StripeReader(counted, row_multiple=64, threads=2)
    assert reader.read(0, 0, 50, 100).shape == (50, 100)
    assert counted.reads[:64, :100].min() == 1
    assert counted.reads[64:].max() == 0
    reader.read(40, 0, 64, 100)
    assert counted.reads.max() == 1


def test_a_later_block_can_be_read_first(counted: Counted) -> None:
    reader = StripeReader(counted, row_multiple=16, threads=2)
    np.testing.assert_array_equal(reader.read(300, 10, 350, 90), counted.image[300:350, 10:90])
    np.testing.assert_array_equal(reader.read(10, 10, 20, 90), counted.image[10:20, 10:90])


def test_the_next_item_is_read_in_a_thread_while_one_is_used() -> None:
    started = [threading.Event() for _ in range(4)]

    def read(item: int) -> int:
        started[item].set()
        return item * 10

    got = []
    for item, value in read_ahead(read, range(4)):
        if item < 3:
            assert started[item + 1].wait(5)
        got.append((item, value))
    assert got == [(0, 0), (1, 10), (2, 20), (3, 30)]


def test_an_interrupt_in_the_reading_thread_reaches_the_caller() -> None:
    def read(item: int) -> int:
        if item == 2:
            raise KeyboardInterrupt
        return item

    got = []
    with pytest.raises(KeyboardInterrupt):
        got.extend(item for item, _ in read_ahead(read, range(4)))
    assert got == [0, 1]
