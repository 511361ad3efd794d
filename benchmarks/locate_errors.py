"""Measure where micro-positioning puts the imprints of simulated batches, against the truth.

    python benchmarks/locate_errors.py [accuracy] [kinds] [seeds] [evidence] [--seeds N] [--json FILE]

Size, orientation, sharpness and sign of the imprints, the walks and the background's spectrum are all estimated.
`accuracy`: 20 x 20 imprints 250 px apart, walks of 5 px a step, origin within 60 px. `kinds`: grids from 3 x 3 to
100 x 100, turned, with holes, bright, dark, outlines alone, discs, dots between particles. `seeds`: 20 x 20 imprints
125 px apart, many times. `evidence`: what images with imprints and without say.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path

import numpy as np

from cemvis.analysis.indentation.micro_positioning.appearance import learned_appearance
from cemvis.analysis.indentation.micro_positioning.batch import Search, locate_batch
from cemvis.analysis.indentation.micro_positioning.grid import Grid

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from reference import imprints

FULL = {"rows": 20, "columns": 20, "pitch_px": (250.0, 250.0), "walk_px": 5.0, "origin_px": 60.0, "margin_px": 250.0}
HALF = {"rows": 20, "columns": 20, "pitch_px": (125.0, 125.0), "walk_px": 5.0, "origin_px": 40.0, "margin_px": 125.0}
SMALL = {"pitch_px": (60.0, 60.0), "size_px": 24.0, "walk_px": 1.5, "origin_px": 15.0}
DOTS = {"rows": 15, "columns": 15, "pitch_px": (14.0, 14.0), "size_px": 5.5, "shape": "disc", "walk_px": 0.3}
DOTS |= {"origin_px": 3.0, "correlation_px": 6, "blur_px": 0.7, "particles": 60, "particle_px": 3, "margin_px": 20.0}
LARGE = {"pitch_px": (40.0, 40.0), "size_px": 16.0, "walk_px": 0.6, "origin_px": 10.0}
KINDS = {
    "3 x 3": {"rows": 3, "columns": 3, **SMALL},
    "3 x 3, contrast 0.5": {"rows": 3, "columns": 3, "contrast": -0.5, **SMALL},
    "1 x 10": {"rows": 1, "columns": 10, **SMALL},
    "8 x 8": {**SMALL},
    "50 x 80 px": {**SMALL, "pitch_px": (50.0, 80.0)},
    "turned by 30 degrees": {"turn_rad": math.radians(30), **SMALL},
    "turned by 137 degrees": {"turn_rad": math.radians(137), **SMALL},
    "turned by 0.008 more than told": {"off_rad": 0.008, "rows": 12, "columns": 12, **SMALL},
    "30 % missing": {"missing": 0.3, **SMALL},
    "bright": {"contrast": 1.0, **SMALL},
    "dark outlines": {"outline": True, "contrast": -1.5, **SMALL},
    "bright outlines": {"outline": True, "contrast": 1.5, **SMALL},
    "discs": {"shape": "disc", **SMALL},
    "blurred by 2 px": {"blur_px": 2.0, **SMALL},
    "among particles": {"particles": 300, "particle_px": 5, **SMALL},
    "dots of 5.5 px, 14 px apart": {"contrast": -2.0, **DOTS},
    "the same, half as dark": {"contrast": -1.0, **DOTS},
    "50 x 80, turned by 17 degrees": {"rows": 50, "columns": 80, "turn_rad": 0.3, **LARGE},
    "100 x 100": {"rows": 100, "columns": 100, **LARGE},
}


def measured(seed: int, **how: object) -> dict[str, float]:
    random = np.random.default_rng(1000 + seed)
    how = {"angle_rad": random.uniform(0, 2 * math.pi / 3), **how}
    batch = imprints.batch(random, **how)
    grid = Grid(batch.expected_origin_px, how["pitch_px"], how.get("turn_rad", 0.0), np.ones(batch.missing.shape, bool))
    search = Search(origin_px=how["origin_px"], walk_px=how["walk_px"])
    started = time.perf_counter()
    appearance, found = learned_appearance(batch.image, grid, search)
    learned = time.perf_counter() - started
    started = time.perf_counter()
    locate_batch(batch.image, grid, appearance, search)
    away = np.hypot(*np.moveaxis(found.grid.places() - batch.places_px, -1, 0))
    rms, told = float(np.sqrt((away**2).mean())), float(np.sqrt((found.error_px**2).mean()))
    numbers = {"rms_px": rms, "max_px": float(away.max()), "told_px": told, "evidence": found.evidence}
    return numbers | {"learned_s": learned, "located_s": time.perf_counter() - started}


def many(name: str, seeds: int, **how: object) -> dict[str, object]:
    each = [measured(seed, **how) for seed in range(seeds)]
    columns = {key: np.array([one[key] for one in each]) for key in each[0]}
    line = {"case": name, "seeds": seeds}
    line |= {"rms_px": round(float(np.sqrt((columns["rms_px"] ** 2).mean())), 3)}
    line |= {
        "max_px": round(float(columns["max_px"].max()), 2),
        "told_px": round(float(np.median(columns["told_px"])), 3),
    }
    line |= {"evidence": [round(float(q), 1) for q in np.percentile(columns["evidence"], (0, 50, 100))]}
    line |= {key: round(float(np.median(columns[key])), 2) for key in ("learned_s", "located_s")}
    print(json.dumps(line), flush=True)
    return line


def accuracy(seeds: int) -> list[dict[str, object]]:
    cases = [(1.0, 0.0), (0.5, 0.0), (0.25, 0.0), (1.0, 4.0)]
    return [many(f"contrast {c}, blur {b} px", seeds, contrast=-c, blur_px=b, size_px=90.0, **FULL) for c, b in cases]


def kinds(seeds: int) -> list[dict[str, object]]:
    return [many(name, 1 if how.get("rows", 8) >= 50 else seeds, **how) for name, how in KINDS.items()]


def seeds(number: int) -> list[dict[str, object]]:
    return [many(f"125 px apart, contrast {c}", number, contrast=-c, size_px=40.0, **HALF) for c in (1.0, 0.5)]


def evidence(number: int) -> list[dict[str, object]]:
    cases = {"none": 0.0, "contrast 1": -1.0, "contrast 0.5": -0.5}
    sides = (3, 8, 20)
    small = {"pitch_px": (60.0, 60.0), "walk_px": 1.5, "origin_px": 15.0, "size_px": 24.0}
    return [
        many(f"{n} x {n}, {name}", number, contrast=c, rows=n, columns=n, **small)
        for n in sides
        for name, c in cases.items()
    ]


def main() -> None:
    parts = {"accuracy": accuracy, "kinds": kinds, "seeds": seeds, "evidence": evidence}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*parts, []], help="default: all")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    lines = [line for name in options.parts or parts for line in parts[name](options.seeds)]
    if options.json:
        options.json.write_text(json.dumps(lines, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
