"""Measure the registration of virtual pairs against the truth.

    python benchmarks/registration_errors.py AREA_FOLDER... [--threads 2] [--json FILE]

An area folder is what ``cemvis specimen --after`` writes. For each, prints time, peak memory, the distance between
found and true places over the whole before-image and where the field says it is reliable (median, 90th, 99th and 99.9th
percentile, in px), how its own estimate of the error compares, seams found and true, and which tiles were refused
although they were right, or used although they were wrong (by more than 2 px).
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np

from cemvis.analysis.specimen.visit import Visit
from cemvis.images import open_micrograph
from cemvis.images.registration import register
from cemvis.images.registration.result import USED

POINTS = 200_000
WRONG_PX = 2.0


def percentiles(values: np.ndarray) -> dict[str, float]:
    if len(values) == 0:
        return {}
    return {f"p{q:g}": round(float(np.percentile(values, q)), 4) for q in (50, 90, 99, 99.9)}


def measure(folder: Path, threads: int | None) -> dict[str, object]:
    visit = Visit.from_json(json.loads((folder / "specimen.json").read_text(encoding="utf-8"))["truth_visit"])
    with open_micrograph(folder / "before.tif") as before, open_micrograph(folder / "after.tif") as after:
        started = time.perf_counter()
        found = register(before, after, threads=threads)
        seconds = time.perf_counter() - started
        rows, cols = before.shape
    places = np.random.default_rng(0).uniform([0, 0], [cols - 1, rows - 1], (POINTS, 2))
    away = np.hypot(*(found.field.after_xy(places) - visit.before_to_after(places)).T)
    reliable = found.field.reliable(places)
    told = found.field.error_px(places)
    tiles = np.hypot(*(found.tiles.found_xy - visit.after_to_before(found.tiles.after_xy)).T)
    used, right = found.status == USED, tiles < WRONG_PX
    true = visit.to_json()
    return {
        "folder": str(folder),
        "before_px": [rows, cols],
        "seconds": round(seconds, 1),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "error_px": percentiles(away),
        "error_where_reliable_px": percentiles(away[reliable]),
        "reliable_share": round(float(reliable.mean()), 4),
        "error_over_estimate": round(float(np.median(away[reliable] / told[reliable]) / 1.1774), 3),
        "seams_found": found.seams_px,
        "seams_true": {"x": true["seam_x_px"], "y": true["seam_y_px"]},
        "tiles": len(found.tiles),
        "right_but_refused": int(np.count_nonzero(right & ~used)),
        "wrong_but_used": int(np.count_nonzero(~right & used)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    text = json.dumps([measure(folder, options.threads) for folder in options.folders], indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
