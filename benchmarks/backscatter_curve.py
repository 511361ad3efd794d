"""Make the counts that `csh_metal_curve` reads at 5 keV: `python benchmarks/backscatter_curve.py` (some minutes).

The same seed gives the same counts on any number of threads, so a second run changes nothing but the version.
"""

from __future__ import annotations

import json
from pathlib import Path

import cemvis
from cemvis._files import write_text
from cemvis.analysis.porosity.calibration import CSH, FIELDS_METAL, simulated_points

ELECTRONS, ENERGY_KEV, SEED = 4_000_000, 5.0, 0
FIRST = 100_000  # how many of them a test follows again
TARGET = Path(cemvis.__file__).parent / "data" / "csh_metal_backscatter.json"


def main() -> None:
    points, parts = (
        simulated_points(CSH, FIELDS_METAL, energy_kev=ENERGY_KEV, electrons=electrons, seed=SEED)
        for electrons in (ELECTRONS, FIRST)
    )
    table = {
        "about": "Electrons that come back from C-S-H with Field's metal, by porosity; benchmarks/backscatter_curve.py",
        "version": cemvis.__version__,
        "energy_kev": ENERGY_KEV,
        "electrons": ELECTRONS,
        "seed": SEED,
        "matrix": CSH.to_json(),
        "metal": FIELDS_METAL.to_json(),
        "first": FIRST,
        "columns": ["porosity", "backscattered", "backscattered of the first"],
        "points": [
            [point.porosity, point.backscattered, part.backscattered] for point, part in zip(points, parts, strict=True)
        ],
    }
    write_text(TARGET, json.dumps(table, indent=1) + "\n")
    print(TARGET)


if __name__ == "__main__":
    main()
