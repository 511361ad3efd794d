"""Imprints drawn into a real micrograph of cement paste, whose pores, grains and smoothness no simulation chose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cemvis.analysis.indentation.micro_positioning.appearance import learned_appearance
from cemvis.analysis.indentation.micro_positioning.batch import Search
from cemvis.analysis.indentation.micro_positioning.grid import Grid
from cemvis.images import open_micrograph
from reference import imprints

DOTS = {"shape": "disc", "size_px": 5.5, "pitch_px": (14.0, 14.0), "rows": 15, "columns": 15, "walk_px": 0.3}
TRIANGLES = {"shape": "triangle", "size_px": 24.0, "pitch_px": (60.0, 60.0), "rows": 8, "columns": 8, "walk_px": 1.5}
CASES = {
    "dots": (DOTS, 0.7, -1.0),
    "triangles as sharp as pixels": (TRIANGLES, 0.0, -0.5),
    "triangles as sharp as the micrograph": (TRIANGLES, 1.0, -0.5),
}


@pytest.mark.parametrize("seed", [0, 3])
@pytest.mark.parametrize("case", CASES)
def test_imprints_in_a_real_paste(shared_data: Path, case: str, seed: int) -> None:
    how, blur, contrast = CASES[case]
    random = np.random.default_rng(seed)
    batch = imprints.batch(random, contrast=0, origin_px=3.0 if how is DOTS else 15.0, margin_px=30.0, **how)
    with open_micrograph(shared_data / "bse" / "paste_bse_768x1024.tif") as micrograph:
        # Away from black and white: a pore has to be able to get darker.
        paste = micrograph.read(0, 0, *micrograph.shape) * np.float32(0.5) + 80
    low = [int(random.integers(whole - part)) for whole, part in zip(paste.shape, batch.image.shape, strict=True)]
    image = paste[low[0] : low[0] + batch.image.shape[0], low[1] : low[1] + batch.image.shape[1]]
    imprints.add_imprints(
        image,
        batch.places_px.reshape(-1, 2),
        level=contrast * float(paste.std()),
        size_px=how["size_px"],
        angle_rad=0.3,
        blur_px=blur,
        shape=how["shape"],
        outline=False,
    )
    grid = Grid(batch.expected_origin_px, how["pitch_px"], 0.0, np.ones(batch.missing.shape, bool))
    search = Search(origin_px=3.0 if how is DOTS else 15.0, walk_px=how["walk_px"])
    grey = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    _, found = learned_appearance(grey, grid, search)
    away = np.hypot(*np.moveaxis(found.grid.places() - batch.places_px, -1, 0))
    rms = np.sqrt((away**2).mean())
    assert rms < 0.4
    assert rms < 3 * np.sqrt((found.error_px**2).mean()) + 0.05
    assert found.evidence > 6
