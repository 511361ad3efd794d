"""Compare the populations that indents show with the true phases of a virtual specimen.

    python benchmarks/deconvolution_truth.py AREA_FOLDER... [--width-um 1.5]

Each folder is an area of `cemvis specimen`. Four populations are fitted to the modulus of the usable indents. Beside
their fractions stand the shares of indents whose centre lies on LD-CSH, HD-CSH, CH and clinker, and the shares of these
phases in a square around the centres, which is nearer to what an indent feels. The table below says on which phase the
centres of each population's indents lie: what is off the diagonal is why populations are not phases.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from cemvis.analysis.indentation.deconvolution.bootstrap import resampled
from cemvis.analysis.indentation.deconvolution.grouped import grouped_values
from cemvis.analysis.indentation.deconvolution.mixture import PopulationMixture

PIXEL_UM = 0.04
NAMES = ("LD-CSH", "HD-CSH", "CH", "clinker")
# of the truth: 0 pore, 1 LD-CSH, 2 HD-CSH, 3 CH, and 4 to 7 the clinker's minerals
PHASE = np.array([4, 0, 1, 2, 3, 3, 3, 3])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--width-um", type=float, default=1.5, help="of the square around a centre")
    chosen = parser.parse_args()
    half = round(chosen.width_um / PIXEL_UM / 2)
    tables, centre, around = [], [], np.zeros(5)
    for folder in chosen.folders:
        table = pd.read_csv(folder / "indents.csv")
        table = table[table["status"] == "ok"]
        phases = PHASE[tifffile.imread(folder / "truth_phases.ome.tif")]
        for x, y in np.round(table[["x_um", "y_um"]].to_numpy() / PIXEL_UM).astype(int):
            centre.append(phases[y, x])
            around += np.bincount(
                phases[max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1].ravel(), minlength=5
            )
        tables.append(table)
    table = pd.concat(tables)
    values = table["modulus_gpa"].to_numpy(float)
    data = grouped_values(values, table["batch"].to_numpy(str))
    mixture = PopulationMixture(4).fit_grouped(data)
    draws = resampled(mixture, data, resamplings=200)
    low, high = draws.interval(draws.fractions)
    at = np.array(centre)
    own = mixture.predict(values)
    print(f"{len(values)} indents, {len(data.batches)} batches; {draws.unit} resampled")
    print(f"{'population':12}{'fraction':>10}{'interval':>18}{'at centres':>12}{'around':>10}")
    for n, name in enumerate(NAMES):
        interval = f"{low[n]:.3f} to {high[n]:.3f}"
        shares = f"{(at[at < 4] == n).mean():12.3f}{around[n] / around[:4].sum():10.3f}"
        print(f"{name:12}{mixture.weights_[n]:10.3f}{interval:>18}{shares}")
    print(f"\n{'by posterior':12}" + "".join(f"{name:>10}" for name in (*NAMES, "pore")) + "   at the centre")
    for n, name in enumerate(NAMES):
        print(f"{name:12}" + "".join(f"{np.count_nonzero((own == n) & (at == m)):10d}" for m in range(5)))
    solid = at < 4
    print(f"population and phase agree in {100 * (own[solid] == at[solid]).mean():.0f} % of the indents on solid")


if __name__ == "__main__":
    main()
