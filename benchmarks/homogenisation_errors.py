"""Compare what is homogenised from indents and maps with the truth of virtual specimens.

    python benchmarks/homogenisation_errors.py AREA_FOLDER... [--every 5] [--maps MAP_FOLDER...]

Each folder is an area of `cemvis specimen`; all are taken together. Fractions of the true phases are those of its phase
image, their moduli those of its recipe (without scatter inside of a phase), pores are empty. Four populations are
deconvolved from the usable indents, and get the true share of pores, with the error of counting it in blocks.

The first table has the effective moduli in three dimensions by the same methods, from true phases and from populations;
the second one those in plane strain, solved from the phase image (every n-th pixel), from the field of moduli that
indents feel, and from maps, with pores added to the latter two as round holes.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from cemvis.analysis.homogenisation.field import SOLUTION, estimate_field
from cemvis.analysis.homogenisation.known import Known
from cemvis.analysis.homogenisation.paste import Phase, PhaseDraws, estimate_paste
from cemvis.analysis.homogenisation.pores import pore_share
from cemvis.analysis.indentation.deconvolution.deconvolve import Settings, deconvolve
from cemvis.analysis.indentation.deconvolution.grouped import grouped_values
from cemvis.analysis.indentation.deconvolution.populations import Deconvolution
from cemvis.images.micrograph import Micrograph

NAMES = ("pore", "LD-CSH", "HD-CSH", "CH", "alite", "belite", "aluminate", "ferrite")
POISSON = 0.24
LEVEL = 0.95


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--every", type=int, default=5, help="pixels of the phase image from cell to cell")
    parser.add_argument("--maps", type=Path, nargs="*", default=[], help="folders of cemvis map, of the same areas")
    chosen = parser.parse_args()
    images = [tifffile.imread(folder / "truth_phases.ome.tif") for folder in chosen.folders]
    recipe = json.loads((chosen.folders[0] / "specimen.json").read_text())["recipe"]
    moduli = np.array(recipe["mechanics"]["modulus_gpa"])
    moduli[0] = 0.0
    share = np.mean([np.bincount(each.ravel(), minlength=8) / each.size for each in images], axis=0)
    print("true shares: " + ", ".join(f"{name} {each:.4f}" for name, each in zip(NAMES, share, strict=True)))
    counted = [pore_share(Micrograph.from_array(each, pixel_size=None), 0) for each in images]
    error = float(np.linalg.norm([each.sd for each in counted])) / len(counted)
    pores = Known(float(share[0]), error)
    true_phases = [
        Phase(name, Known(float(each / (1 - share[0]))), Known(float(modulus)), Known(POISSON))
        for name, each, modulus in zip(NAMES[1:], share[1:], moduli[1:], strict=True)
    ]
    found = deconvolved(chosen.folders)
    for each in found.populations:
        mean = each.means["modulus"]
        print(
            f"  {each.name:8} {each.fraction.value:.3f} ({each.fraction.low:.3f} to {each.fraction.high:.3f})  "
            f"{mean.value:.1f} ({mean.low:.1f} to {mean.high:.1f}) GPa"
        )
    in_space(true_phases, found, pores)
    in_plane(chosen.folders, images, moduli, pores, chosen.every, chosen.maps)


def deconvolved(folders: list[Path]) -> Deconvolution:
    tables = [pd.read_csv(folder / "indents.csv") for folder in folders]
    table = pd.concat([each[each["status"] == "ok"] for each in tables])
    data = grouped_values(table["modulus_gpa"].to_numpy(float), table["batch"].to_numpy(str))
    found, _ = deconvolve(data, name="modulus", settings=Settings(populations=4, resamplings=200))
    supported = "supported" if found.supported else "NOT supported"
    print(f"{found.size} indents, {found.batches} batches, {found.draws.unit} resampled; {supported}")
    return found


def in_space(true_phases: list[Phase], found: Deconvolution, pores: Known) -> None:
    phases = []
    for each in found.populations:
        fraction, mean = (
            Known.of_interval(one.value, one.low, one.high, level=LEVEL)
            for one in (each.fraction, each.means["modulus"])
        )
        phases.append(Phase(each.name, fraction, mean, Known(POISSON)))
    draws = PhaseDraws(found.draws.fractions, found.draws.means, found.draws.units)
    truth = estimate_paste(true_phases, porosity=Known(pores.value))
    apart = estimate_paste(phases, porosity=pores, level=LEVEL)
    together = estimate_paste(phases, porosity=pores, draws=draws, level=LEVEL)
    print(f"\n{'E in GPa, three dimensions':27}{'true':>7}{'found':>8}{'off':>8}", end="")
    print(f"{'independent':>17}{'resampled':>17}{'outer':>17}")
    for one, other, same in zip(truth, apart, together, strict=True):
        off = 100 * (other.modulus_gpa / one.modulus_gpa - 1) if one.modulus_gpa else np.nan
        intervals = [
            f"{low:.2f} to {high:.2f}"
            for low, high in filter(None, (other.interval_gpa, same.interval_gpa, other.outer_gpa))
        ]
        print(f"{one.method:27}{one.modulus_gpa:7.2f}{other.modulus_gpa:8.2f}{off:7.1f}%", end="")
        print("".join(f"{each:>17}" for each in intervals))


def in_plane(
    folders: list[Path], images: list[np.ndarray], moduli: np.ndarray, pores: Known, every: int, maps: list[Path]
) -> None:
    print(f"\n{'E in GPa, plane strain':44}{'solved':>8}{'with pores':>12}{'bounds':>17}{'iterations':>13}{'s':>7}")
    for folder, image in zip(folders, images, strict=True):
        cells = np.asarray(moduli[image[::every, ::every]])
        row(f"{folder.name}: phases, pores empty, {cells.shape[0]} cells", cells, None)
        solid = float((moduli[1:] * np.bincount(image.ravel(), minlength=8)[1:]).sum() / (image > 0).sum())
        row(f"{folder.name}: phases, pores filled with the mean", np.where(cells > 0, cells, solid), pores)
        felt = tifffile.imread(folder / "truth_modulus.ome.tif").astype(float)
        row(f"{folder.name}: what indents feel, {felt.shape[0]} cells", felt, pores)
    for folder in maps:
        values = tifffile.imread(folder / "modulus.ome.tif").astype(float)
        row(f"{folder.name}: map, {values.shape[0]} cells", values, pores)


def row(name: str, modulus: np.ndarray, pores: Known | None) -> None:
    began = time.perf_counter()
    found = estimate_field(modulus, POISSON, porosity=pores, threads=1)
    seconds = time.perf_counter() - began
    low, solved, high = (
        float(found.methods[each].modulus_gpa)
        for each in ("Hashin-Shtrikman lower", SOLUTION, "Hashin-Shtrikman upper")
    )
    porous = "" if found.with_pores is None else f"{float(found.with_pores.modulus_gpa):.2f}"
    print(f"{name:44}{solved:8.2f}{porous:>12}{f'{low:.2f} to {high:.2f}':>17}", end="")
    print(f"{'/'.join(map(str, found.stiffness.iterations)):>13}{seconds:7.1f}", flush=True)


if __name__ == "__main__":
    main()
