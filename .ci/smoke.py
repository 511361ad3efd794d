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
    """The files that the summary names are there, no others, and the maps and tables say something plausible."""
    (summary_path,) = Path.cwd().rglob("summary.json")
    folder = summary_path.parent
    summary = json.loads(summary_path.read_text(encoding="utf-8"))
    assert summary["cemvis"] == version("cemvis")
    assert {*summary["files"], "summary.json"} == {path.name for path in folder.iterdir()}

    table = pd.read_csv(folder / "cells.csv")
    assert list(pd.read_parquet(folder / "cells.parquet").columns) == list(table.columns)
    for name, (low, high) in PLAUSIBLE_MEDIAN_GPA.items():
        values = tifffile.imread(folder / f"{name}.ome.tif")
        assert values.dtype == np.float32
        assert values.size == len(table), f"{values.size} cells in the {name} map, {len(table)} in the table"
        assert low < np.nanmedian(values) < high, f"the median {name} is {np.nanmedian(values)} GPa"
        assert (folder / f"{name}.png").stat().st_size > 0
    print(f"sample mapped: {values.shape[0]} x {values.shape[1]} cells, {len(summary['files'])} files")


if __name__ == "__main__":
    check_command()
    check_core()
    check_map()
