"""`map_mosaic` with a table model against plainly reading the same mosaic: time, and resident memory.

Run with ``python benchmarks/bench_map.py [SIDE]`` (25,000 px by default, 600 MB of pixels) or, at 6,000 px, with
``pytest benchmarks/bench_map.py``. Every measurement is a process of its own, so that its peak memory is its own; maps
and reads alternate. The map's time is that of the whole call on two threads: grey scale, pass, tables, rasters and
figures. *cells* is its time until all cells are predicted; what follows, and importing what draws, takes about a second
whatever the mosaic's size. The rivals read with the same `Micrograph` and do nothing with the pixels:

- *bands*: full-width bands of 64 MiB aligned to the stored tiles, each tile decoded once, on two threads;
- *bands, plain*: the same on one thread, `Micrograph.read`'s default;
- *windows*: the windows of the map one by one, as a loop over cells would (every 25th row of them, times 25).

The answer is checked first, against NumPy means of crops.

``python benchmarks/bench_map.py network [SIDE]`` (2,048 px by default) maps with residual networks of random weights,
and times what the network takes, with its reading and gathering, on two threads:

- *dense*: a cell every 8 px, by a network without padding that reads 357 px;
- *its windows*: the same network window by window, a cell every 512 px, in a mosaic that has 121 of them at least;
- *paper's windows*: the paper's network on windows of 247 px side by side.

The networks are settled on windows of their own, so that cells differ. Dense map and windows are compared first: no
cell may differ by more than 1e-4 of the spread of the map.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("resource", reason="needs POSIX's getrusage")

TESTS = Path(__file__).resolve().parents[1] / "tests"
PIXEL_UM, WINDOW_PX = 0.04, 247
ROUNDS = 3

MEASURED = """
import json, resource, sys, time
import numpy as np
from cemvis.images.micrograph import open_micrograph
from cemvis.images.pixel_size import PixelSize
from cemvis.models.window_network import WindowNetwork
from cemvis.workflows.map import map_mosaic

mosaic, model, output = sys.argv[1:]
size = PixelSize({pixel_um}, "option")

def bands(threads):
    with open_micrograph(mosaic, pixel_size=size) as image:
        rows, cols = image.shape
        high = max(1, 2**26 // cols // image.chunk_shape[0]) * image.chunk_shape[0]
        for row in range(0, rows, high):
            image.read(row, 0, min(high, rows - row), cols, threads=threads)

def windows(side, every):
    with open_micrograph(mosaic, pixel_size=size) as image:
        rows, cols = image.shape
        for row in range(0, rows - side + 1, side * every):
            for col in range(0, cols - side + 1, side):
                image.read(row, col, side, side)

def mapped(progress=None):
    map_mosaic(mosaic, model, output=output, pixel_size=size, threads=2, overwrite=True, progress=progress)

def cells():
    stages = []
    mapped(lambda stage, done, steps: stages.append((stage, time.perf_counter())))
    return next(at for stage, at in stages if stage.startswith("writing"))

def network(step_px):
    plain = WindowNetwork.predictor
    def warm(self, **settings):
        predictor = plain(self, **settings)
        window = np.zeros((1, self.layout.window, self.layout.window), np.float32)
        predictor.windows(window)
        if self.layout.padding == "none":
            predictor.dense(window[0])
        return predictor
    WindowNetwork.predictor = warm  # what is made ready on first use is no part of a map's price
    during = []
    def note(stage, done, steps):
        if stage.startswith("running"):
            during.append(time.perf_counter())
    settings = dict(output=output, pixel_size=size, threads=2, overwrite=True, device="cpu", anchors="none")
    map_mosaic(mosaic, model, step_um=step_px * size.um, progress=note, **settings)
    return during[-1] - during[0] + began

began = time.perf_counter()
ended = {call}
seconds = (ended or time.perf_counter()) - began
unit = 1 if sys.platform == "darwin" else 1024
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit]))
"""
EVERY = 25
CALLS = {
    "map": "mapped()",
    "cells": "cells()",
    "bands": "bands(threads=2)",
    "bands, plain": "bands(threads=1)",
    "windows": f"windows({WINDOW_PX}, every={EVERY})",
}


def measure(call: str, mosaic: Path, model: Path, output: Path) -> tuple[float, int]:
    """Make one call in a process of its own; return its seconds and its peak resident bytes."""
    code = MEASURED.format(call=call, pixel_um=PIXEL_UM)
    arguments = [sys.executable, "-c", code, str(mosaic), str(model), str(output)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    finished = subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment)
    seconds, peak_bytes = json.loads(finished.stdout)
    return seconds, peak_bytes


def write_mosaic(path: Path, side: int, *, compression: str | None) -> None:
    """Write a mosaic of noisy discs in tiles of 1024 px, as stitching programs do, from one repeated square."""
    import tifffile

    from mosaics import paste_like

    square = paste_like((2048, 2048))

    def tiles() -> object:
        for row in range(0, side, 1024):
            for col in range(0, side, 1024):
                turned = np.rot90(square, (row // 1024 + 3 * (col // 1024)) % 4)
                yield np.ascontiguousarray(turned[row % 2048 :, col % 2048 :][:1024, :1024])

    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        settings = {"tile": (1024, 1024), "compression": compression, "metadata": None}
        writer.write(tiles(), shape=(side, side), dtype="uint8", **settings)


def check_answer(mosaic: Path, output: Path, side: int) -> None:
    """Compare cells at the corners and in the middle of a map with NumPy means of crops."""
    import pandas as pd

    from cemvis.images.micrograph import open_micrograph

    table = pd.read_parquet(output / "cells.parquet", columns=["row", "column", "mean_grey"])
    count = side // WINDOW_PX
    assert len(table) == count**2
    with open_micrograph(mosaic) as image:
        for row, col in [(0, 0), (count - 1, count - 1), (count // 2, 0), (count // 3, count // 2)]:
            crop = image.read(row * WINDOW_PX, col * WINDOW_PX, WINDOW_PX, WINDOW_PX)
            cell = table.iloc[row * count + col]
            assert (cell["row"], cell["column"]) == (row, col)
            assert abs(cell["mean_grey"] - crop.mean(dtype=np.float64)) < 1e-5


def prepare(folder: Path, side: int, compression: str | None) -> None:
    """Write the model and the mosaic, map it once and check the map."""
    sys.path.insert(0, str(TESTS))
    from mosaics import example_model

    mosaic, model, output = paths_in(folder)
    example_model(model, window_um=WINDOW_PX * PIXEL_UM)
    write_mosaic(mosaic, side, compression=compression)
    measure(CALLS["map"], mosaic, model, output)
    check_answer(mosaic, output, side)


def paths_in(folder: Path) -> tuple[Path, Path, Path]:
    """Return the paths of mosaic, model and map."""
    return folder / "mosaic.tif", folder / "model.safetensors", folder / "map"


def compare(folder: Path, side: int, *, compression: str | None, rounds: int) -> dict[str, tuple[float, int]]:
    """Return the median seconds and the highest peak memory of each of `CALLS`, after checking the map."""
    # A process takes over the peak of the one that starts it, so this one has to stay small.
    preparing = multiprocessing.get_context("spawn").Process(target=prepare, args=(folder, side, compression))
    preparing.start()
    preparing.join()
    assert preparing.exitcode == 0
    taken: dict[str, list[tuple[float, int]]] = {name: [] for name in CALLS}
    for _ in range(rounds):
        for name, call in CALLS.items():
            taken[name].append(measure(call, *paths_in(folder)))
    found = {
        name: (statistics.median(seconds for seconds, _ in each), max(peak for _, peak in each))
        for name, each in taken.items()
    }
    seconds, peak = found["windows"]
    rows = side // WINDOW_PX
    return found | {"windows": (seconds * rows / -(-rows // EVERY), peak)}


def test_map_of_6000_px_stays_within_memory(tmp_path: Path) -> None:
    found = compare(tmp_path, 6000, compression="zlib", rounds=1)
    assert found["map"][1] < 2**30


# Networks

STEPS_PX = {"dense": 8, "its windows": 512, "paper's windows": WINDOW_PX}
LEAST_SIDE_PX = {"its windows": 10 * 512 + WINDOW_PX}
LARGEST_ERROR = 1e-4  # of the spread of the map
CHEAPER_THAN_WINDOWS, PRICE_IN_PAPERS_WINDOWS = 400.0, 1.8  # what dense maps were written to reach


def network_paths(folder: Path, name: str) -> tuple[Path, Path, Path]:
    """Return the paths of mosaic, model and map."""
    model = "paper" if name.startswith("paper") else "dense"
    mosaic = "large" if name in LEAST_SIDE_PX else "mosaic"
    return folder / f"{mosaic}.tif", folder / f"{model}.safetensors", folder / name


def prepare_networks(folder: Path, side: int) -> None:
    """Write the models and the mosaic, and compare the dense map with the network's windows."""
    sys.path.insert(0, str(TESTS))
    import tifffile

    from cemvis.models.model_file import save_model
    from cemvis.models.resnet_layout import ResNetLayout
    from networks import model_around, settled_window_network

    layouts = {
        "dense": ResNetLayout.dense(pooled=32, targets=2, spread=True),
        "paper": ResNetLayout(targets=2, spread=True),
    }
    for name, layout in layouts.items():
        around = {"pixel_size_um": PIXEL_UM, "window_um": WINDOW_PX * PIXEL_UM}
        save_model(folder / f"{name}.safetensors", model_around(settled_window_network(layout), **around))
    for name in ("dense", "its windows"):
        write_mosaic(network_paths(folder, name)[0], side_of(name, side), compression="zlib")
    maps = {}
    for name in ("dense", "its windows"):
        measure(f"network({STEPS_PX[name]})", *network_paths(folder, name))
        maps[name] = tifffile.imread(folder / name / "modulus.ome.tif")
    apart = STEPS_PX["its windows"] // STEPS_PX["dense"]
    # Both mosaics begin with the same pixels; what reads beyond the smaller one is left out.
    reach = WINDOW_PX + (layouts["dense"].window_px - WINDOW_PX + 1) // 2
    common = (side - reach) // STEPS_PX["its windows"] + 1
    error = np.abs(maps["dense"][::apart, ::apart][:common, :common] - maps["its windows"][:common, :common]).max()
    assert error <= LARGEST_ERROR * maps["dense"].std()


def side_of(name: str, side: int) -> int:
    """Return the edge of the mosaic that a map is made of, in pixels."""
    return max(side, LEAST_SIDE_PX.get(name, 0))


def compare_networks(folder: Path, side: int, *, rounds: int) -> dict[str, tuple[float, int, int]]:
    """Return the median seconds of the network, the highest peak memory and the number of cells of each map."""
    preparing = multiprocessing.get_context("spawn").Process(target=prepare_networks, args=(folder, side))
    preparing.start()
    preparing.join()
    assert preparing.exitcode == 0
    taken: dict[str, list[tuple[float, int]]] = {name: [] for name in STEPS_PX}
    for _ in range(rounds):
        for name, step in STEPS_PX.items():
            taken[name].append(measure(f"network({step})", *network_paths(folder, name)))
    return {
        name: (
            statistics.median(seconds for seconds, _ in each),
            max(peak for _, peak in each),
            ((side_of(name, side) - WINDOW_PX) // STEPS_PX[name] + 1) ** 2,
        )
        for name, each in taken.items()
    }


def test_dense_map_is_cheaper_than_its_windows(tmp_path: Path) -> None:
    found = compare_networks(tmp_path, 800, rounds=1)
    per_cell = {name: seconds / cells for name, (seconds, _, cells) in found.items()}
    assert per_cell["its windows"] > 50 * per_cell["dense"]
    assert found["dense"][1] < 3 * 2**30


def main_networks(side: int) -> None:
    """Print the prices of maps with networks."""
    print(f"{side:,} x {side:,} uint8, residual networks on two threads; medians of {ROUNDS} rounds")
    with tempfile.TemporaryDirectory() as folder:
        found = compare_networks(Path(folder), side, rounds=ROUNDS)
    for name, (seconds, peak, cells) in found.items():
        print(f"  {name:16s}{seconds:8.2f} s, {cells:7,} cells, peak {peak / 2**20:5,.0f} MiB")
    (dense, _, dense_cells), (own, _, own_cells), (paper, _, _) = found.values()
    cheaper, price = own / own_cells / (dense / dense_cells), dense / paper
    print(
        f"  a cell of the dense map is {cheaper:,.0f} times cheaper than its windows; wanted {CHEAPER_THAN_WINDOWS:g}"
    )
    print(
        f"  the dense map takes {price:.2f} times as long as the paper's windows side by side; wanted at most "
        f"{PRICE_IN_PAPERS_WINDOWS:g}"
    )


def main(side: int) -> None:
    """Print the comparison for two compressed mosaics and an uncompressed one of `side` px."""
    print(f"{side:,} x {side:,} uint8 in tiles of 1024 px, cached by the system; medians of {ROUNDS} rounds")
    for compression in ("lzw", "zlib", None):
        with tempfile.TemporaryDirectory() as folder:
            found = compare(Path(folder), side, compression=compression, rounds=ROUNDS)
        print(compression or "uncompressed")
        for name, (seconds, peak) in found.items():
            ratio = found["map"][0] / seconds
            print(
                f"  {name:13s}{seconds:8.2f} s, peak {peak / 2**20:5,.0f} MiB; the map takes {ratio:.2f} times as long"
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["network"]:
        main_networks(int(sys.argv[2]) if len(sys.argv) > 2 else 2048)
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 25_000)
