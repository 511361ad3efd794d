"""Folders of located indents for tests, as ``cemvis locate`` leaves them, made from a small area."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd

from areas import PIXEL_UM, SIDE


def make_located(area: Path, folder: Path, *, absolute: bool = False, seed: int = 0) -> pd.DataFrame:
    """Write located.csv and located.json of the indents of `area` into `folder`; return the table."""
    folder.mkdir(parents=True)
    table = pd.read_csv(area / "indents.csv")
    n, rng = len(table), np.random.default_rng(seed)
    place = np.arange(n) % (SIDE * SIDE)
    table = table.assign(
        id=[f"{batch}-{number}" for batch, number in zip(table["batch"], place, strict=True)],
        row=place // SIDE,
        column=place % SIDE,
        depth_nm=rng.uniform(480, 520, n),
        load_mn=24.5e-6 * 500**2 * table["hardness_gpa"],
        after_x_px=table["x_um"] / PIXEL_UM + 7,
        after_y_px=table["y_um"] / PIXEL_UM - 5,
        score=rng.uniform(5, 9, n),
        residual_x_px=rng.normal(0, 0.3, n),
        residual_y_px=rng.normal(0, 0.3, n),
        error_px=rng.uniform(0.1, 0.4, n),
        flag="",
    )
    write_located(folder, table)
    before = area / "before.tif"
    about = {
        "version": "0.1.0",
        "command": "cemvis locate",
        "before": {
            "path": str(before.resolve()) if absolute else os.path.relpath(before, folder),
            "sha256": hashlib.sha256(before.read_bytes()).hexdigest(),
        },
        "pixel_size_um": PIXEL_UM,
        "batches": [],
    }
    (folder / "located.json").write_text(json.dumps(about))
    return table


def write_located(folder: Path, table: pd.DataFrame) -> None:
    """Write located.csv."""
    table.to_csv(folder / "located.csv", index=False)
