"""Located indents with two small images for tests of pictures: two batches of dark triangles on a grey ground."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cemvis.analysis.indentation.located import LocatedBatch, LocatedIndents
from cemvis.analysis.indentation.table import IndentTable
from cemvis.images.micrograph import Micrograph
from cemvis.images.pixel_size import PixelSize

PIXEL_UM, PITCH_PX, SIZE_PX, ANGLE_RAD = 0.1, 30.0, 14.0, 0.4
SHAPE, ROWS, COLUMNS = (240, 400), 6, 6
ORIGINS = ((32.3, 28.6), (220.8, 31.2))


@dataclass(frozen=True)
class Scene:
    """Located indents and their images, pixel on pixel; the after-image ends at column `known_cols`."""

    located: LocatedIndents
    before: np.ndarray
    after: np.ndarray
    known_cols: int

    @property
    def micrograph(self) -> Micrograph:
        return Micrograph.from_array(self.before, pixel_size=PixelSize(PIXEL_UM, "test"))

    def warped(self, row: int, col: int, rows: int, cols: int) -> np.ndarray:
        out = np.full((rows, cols), np.nan, np.float32)
        for i in range(max(0, -row), min(rows, SHAPE[0] - row)):
            for j in range(max(0, -col), min(cols, self.known_cols - col)):
                out[i, j] = self.after[row + i, col + j]
        return out


def make_scene(*, seed: int = 0, known_cols: int = 390, ids: Any = None) -> Scene:
    """Return a scene whose first indents are flagged: missing, pore, ambiguous, unregistered; the last one is off."""
    rng = np.random.default_rng(seed)
    batches = tuple(_batch(f"b{n}", origin, rng) for n, origin in enumerate(ORIGINS))
    xy = np.concatenate([batch.erred_places_px().reshape(-1, 2) for batch in batches])
    n = len(xy)
    row, column = np.indices((ROWS, COLUMNS)).reshape(2, -1)
    flag = ["missing", "pore", "ambiguous", "unregistered"] + [""] * (n - 4)
    score = np.r_[0.3, 1.2, 6.0, 7.0, rng.uniform(7, 9, n - 4)]
    residual = rng.normal(0, 0.4, (n, 2))
    residual[0], residual[2] = np.nan, (6.0, -3.0)
    residual[-2], score[-3] = (4.0, 3.0), 1.0
    table = IndentTable(
        id=tuple(ids or (f"T{k:03d}" for k in range(n))),
        batch=tuple(name for name in ("b0", "b1") for _ in range(ROWS * COLUMNS)),
        status=("ok",) * (n - 1) + ("failed",),
        row=np.tile(row, 2),
        column=np.tile(column, 2),
        x_um=xy[:, 0] * PIXEL_UM,
        y_um=xy[:, 1] * PIXEL_UM,
        modulus_gpa=np.r_[rng.uniform(20, 90, n - 1), np.nan],
        hardness_gpa=np.r_[rng.uniform(0.5, 6, n - 1), np.nan],
        reduced_modulus_gpa=np.full(n, np.nan),
        depth_nm=np.full(n, 500.0),
        load_mn=np.full(n, np.nan),
        sources=(),
        notes=(),
    )
    about = {
        "before": {"path": "somewhere/before.tif", "sha256": "b" * 64},
        "after": {"path": "after.tif", "sha256": "a" * 64},
        "appearance": {"shape": "triangle", "size_px": SIZE_PX, "angle_rad": ANGLE_RAD},
    }
    located = LocatedIndents(
        table, xy + 5, score, residual, rng.uniform(0.2, 0.3, n), tuple(flag), batches, PIXEL_UM, about
    )
    before = rng.normal(120, 12, SHAPE).clip(0, 255).astype(np.uint8)
    after = before.copy()
    y, x = np.indices(SHAPE)
    for number, (at_x, at_y) in enumerate(xy):
        if number:
            after[_inside(x - at_x, y - at_y)] = 40
    return Scene(located, before, after, known_cols)


def many_batches(located: LocatedIndents, count: int) -> LocatedIndents:
    """Return the indents with copies of the first batch whose errors grow from one to the next."""
    first = located.batches[0]
    copies = (
        replace(first, name=f"c{k}", column_error_px=tuple((k + 1.0) * e for e in first.column_error_px))
        for k in range(count)
    )
    return replace(located, batches=tuple(copies))


def _batch(name: str, origin: tuple[float, float], rng: np.random.Generator) -> LocatedBatch:
    errors = [np.r_[0.0, rng.normal(0, 1.0, count - 1).cumsum()] for count in (COLUMNS, ROWS)]
    turn = 0.01
    return LocatedBatch(
        name=name,
        rows=ROWS,
        columns=COLUMNS,
        pitch_px=(PITCH_PX, PITCH_PX),
        origin_px=origin,
        x_axis=(math.cos(turn), math.sin(turn)),
        y_axis=(-math.sin(turn), math.cos(turn)),
        column_error_px=tuple(errors[0]),
        row_error_px=tuple(errors[1]),
        amplitude=8.0,
        mean_score=8.0,
        evidence=60.0,
        walk_px=1.0,
        spread_px=0.05,
    )


def _inside(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return which places lie inside an equilateral triangle, by its three sides' normals."""
    inner = SIZE_PX / (2 * math.sqrt(3))
    normals = [ANGLE_RAD + 2 * math.pi / 3 * k for k in range(3)]
    return np.all([x * math.cos(a) + y * math.sin(a) <= inner for a in normals], axis=0)
