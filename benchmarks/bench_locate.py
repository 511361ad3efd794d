"""A whole batch located, against OpenCV's response map alone.

20 x 20 imprints 250 px apart in 5,250 x 5,250 pixels, walks of 5 px a step, origin within 60 px; what they look like
is known from the batch itself. OpenCV only correlates a template of 100 x 100 and finds nothing yet.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from cemvis._checks import thread_count
from cemvis.analysis.indentation.micro_positioning.appearance import learned_appearance
from cemvis.analysis.indentation.micro_positioning.batch import Appearance, Search, locate_batch
from cemvis.analysis.indentation.micro_positioning.grid import Grid

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from reference import imprints

cv2 = pytest.importorskip("cv2", reason="the rival is OpenCV")

TEMPLATE = 100
THREADS = thread_count(None)
WHITENED, PLAIN = 3.0, 5.0


@cache
def case(off_rad: float) -> tuple[imprints.Batch, Grid, Appearance]:
    how = {"rows": 20, "columns": 20, "pitch_px": (250.0, 250.0), "size_px": 95.0, "walk_px": 5.0, "origin_px": 60.0}
    batch = imprints.batch(np.random.default_rng(5), margin_px=250.0, off_rad=off_rad, **how)
    grid = Grid(batch.expected_origin_px, (250.0, 250.0), 0.0, np.ones((20, 20), bool))
    return batch, grid, learned_appearance(batch.image, grid, Search())[0]


@pytest.fixture(autouse=True)
def opencv_threads() -> Iterator[None]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(THREADS)
    yield
    cv2.setNumThreads(before)


@pytest.mark.parametrize("whiten", [True, False], ids=["whitened", "plain"])
@pytest.mark.parametrize(("most_rad", "off_rad"), [(0.0, 0.0), (0.01, 0.0), (0.01, 0.006)])
def test_locate_a_batch(most_rad: float, off_rad: float, whiten: bool, compare: Callable[..., object]) -> None:
    batch, grid, appearance = case(off_rad)
    appearance = replace(appearance, whiten=whiten)
    pattern = batch.image[:TEMPLATE, :TEMPLATE].copy()
    ours = f"cemvis, {THREADS} threads"
    contenders = {
        ours: lambda: locate_batch(batch.image, grid, appearance, Search(turn_rad=most_rad)),
        "cv2.matchTemplate": lambda: cv2.matchTemplate(batch.image, pattern, cv2.TM_CCOEFF_NORMED),
    }
    away = np.hypot(*np.moveaxis(contenders[ours]().grid.places() - batch.places_px, -1, 0))
    assert np.sqrt((away**2).mean()) < (0.2 if whiten else 1.0)
    bar = WHITENED if whiten else PLAIN
    bars = {"times as fast as OpenCV": ("cv2.matchTemplate", ours, "at least", bar)} if not off_rad else {}
    name = f"{'whitened' if whiten else 'plain'}, may be turned by {most_rad}, is by {off_rad}"
    compare(f"a batch located, {name}", contenders, bars=bars)
