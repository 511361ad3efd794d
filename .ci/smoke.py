"""Check an installed cemvis and the sample's map below the current folder, as a first user would see them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

HELP_WITHIN_S = 1.0
PLAUSIBLE_MEDIAN_GPA = {"modulus": (10, 80), "hardness": (0.2, 8)}


def only(pattern: str) -> Path:
    """Return the one file that fits; a result has no business being there twice, or not at all."""
    (found,) = Path.cwd().rglob(pattern)
    return found


def check_command() -> None:
    """Both ways to call the command answer, and the help does so at once."""
    cemvis = Path(sys.executable).with_name("cemvis")
    for call in ([cemvis], [sys.executable, "-m", "cemvis"]):
        answer = subprocess.run([*call, "--version"], capture_output=True, text=True, check=True).stdout
        assert version("cemvis") in answer, answer
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run([cemvis, "--help"], capture_output=True, check=True)
        seconds.append(time.perf_counter() - began)
    assert min(seconds) < HELP_WITHIN_S, f"cemvis --help took {min(seconds):.2f} s"
    print(f"cemvis --help: {min(seconds):.2f} s")


def check_core() -> None:
    """The compiled core loads, and this wheel is the one without CUDA."""
    from cemvis import _core

    devices, reason = _core.cuda_devices()
    assert not _core.built_with_cuda()
    assert devices == []
    assert reason


def check_map() -> None:
    """The maps, the tables, the summary and the figures are there and say something plausible."""
    summary = json.loads(only("summary.json").read_text(encoding="utf-8"))
    assert version("cemvis") in json.dumps(summary)
    table = pd.read_csv(only("*.csv"))
    pd.testing.assert_index_equal(pd.read_parquet(only("*.parquet")).columns, table.columns)
    for name, (low, high) in PLAUSIBLE_MEDIAN_GPA.items():
        values = tifffile.imread(only(f"{name}*map.ome.tif"))
        assert values.dtype == np.float32
        assert values.size == len(table), f"{values.size} cells in the {name} map, {len(table)} in the table"
        assert low < np.nanmedian(values) < high, f"median {name} {np.nanmedian(values)} GPa"
    figures = list(Path.cwd().rglob("*.png"))
    assert len(figures) > len(PLAUSIBLE_MEDIAN_GPA)
    assert all(figure.stat().st_size > 0 for figure in figures)
    print(f"sample mapped: {values.shape[0]} x {values.shape[1]} cells, {len(figures)} figures")


if __name__ == "__main__":
    check_command()
    check_core()
    check_map()
