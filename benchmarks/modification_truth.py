"""What the classifier and its explanations make of a modification that is known.

    python benchmarks/modification_truth.py FOLDER [--strengths 0.25,0.5,1] [--folds 4] [--only TEXT]

Makes virtual metal-intruded specimens in FOLDER (300 maps of 384 px a class), trains the seven-convolution network on
pairs of classes and tests it on whole specimens that it never saw, one of each class a fold:

- truth: plain against each strength, on true maps, MulF and MicF;
- measured: plain against the strongest, on maps calibrated from the images with the session's own anchors;
- null: two classes of the same material; null-session: each class seen in a session of its own, as calibrated maps;
  null-mixed: each specimen seen in one of its own; grey-session: null-session as raw grey levels.

Then: the share of relevance on truly modified pixels against their area, for each explanation and for a network with
random weights; and the two-point correlation of whole maps, plain against null and each strength, by permuting
regions. What is done is kept as JSON in FOLDER/results and not done again; FOLDER/*.csv are the tables. A training
takes minutes on two cores.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _modification_maps import Kind, Maps, load
from _modification_places import localisation
from safetensors.torch import load_file, save_file

from cemvis._files import write_text
from cemvis.analysis.correlation.classes import ClassMap, compare_correlations, correlate_class
from cemvis.analysis.specimen.intruded_recipes import IntrudedClass, Modification
from cemvis.models.map_classifier import MAP_TRAINING, network_scores, train_pore_network
from cemvis.models.pore_network import PoreNetwork
from cemvis.workflows.specimen_intruded import IntrudedConfig, make_intruded

PLAIN, NULL = "plain", "null"
PASTE, SESSIONS, MIXED = "paste", "sessions", "mixed-sessions"
R_MAX_PX = 191
PIXEL_UM = 0.052
TOLD = ("share", "area", "lift", "other_lift", "auc", "regions_modified")


@dataclass(frozen=True)
class Case:
    """Two classes to be told apart, each (folder, class), and what their maps are."""

    name: str
    first: tuple[str, str]
    second: tuple[str, str]
    kind: Kind
    micro: bool


def strength_class(strength: float) -> str:
    """Return the name of the class of that strength."""
    return f"strength-{strength:g}"


def cases(strengths: Sequence[float]) -> list[Case]:
    """Return all pairs of classes that are trained on."""
    found = []
    plain, null = (PASTE, PLAIN), (PASTE, NULL)
    for micro in (False, True):
        ending = "micf" if micro else "mulf"
        for strength in sorted(strengths, reverse=True):
            second = (PASTE, strength_class(strength))
            found.append(Case(f"truth-{strength:g}-{ending}", plain, second, "truth", micro))
        found.append(Case(f"null-{ending}", plain, null, "truth", micro))
        found.append(Case(f"null-session-{ending}", (SESSIONS, PLAIN), (SESSIONS, NULL), "measured", micro))
        found.append(Case(f"null-mixed-{ending}", (MIXED, PLAIN), (MIXED, NULL), "measured", micro))
    strongest = (PASTE, strength_class(max(strengths)))
    found.append(Case(f"measured-{max(strengths):g}-mulf", plain, strongest, "measured", micro=False))
    found.append(Case("grey-session-mulf", (SESSIONS, PLAIN), (SESSIONS, NULL), "grey", micro=False))
    return found


def make_all(folder: Path, strengths: Sequence[float], options: argparse.Namespace) -> None:
    """Make the virtual specimens that are not there yet."""
    null = (IntrudedClass(name=PLAIN), IntrudedClass(name=NULL))
    modified = tuple(
        IntrudedClass(
            name=strength_class(each),
            modification=Modification(strength=each, density_per_um2=options.density, mode=options.mode),
        )
        for each in strengths
    )
    config = IntrudedConfig(classes=null + modified, regions=options.regions, map_px=options.map_px, seed=options.seed)
    wanted = {
        PASTE: config,
        SESSIONS: replace(config, classes=null, session="by-class"),
        MIXED: replace(config, classes=null, session="by-specimen"),
    }
    for name, each in wanted.items():
        if (folder / name).exists():
            held = json.loads((folder / name / "specimen.json").read_text())["settings"]
            if held != each.to_json():
                raise SystemExit(f"{folder / name} was made with other settings; choose another folder")
        else:
            make_intruded(each, folder / name, command="modification_truth")


def run_fold(
    folder: Path, case: Case, maps: tuple[Maps, Maps], fold: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Train on all specimens but two of each class, choose the epoch by one of them, test on the other."""
    results, stem = folder / "results", f"{case.name}-fold{fold}"
    done, kept = results / f"{stem}.json", results / f"{stem}.checkpoint"
    if done.exists():
        return json.loads(done.read_text())
    levels = np.concatenate([each.levels for each in maps])
    labels = np.repeat([0, 1], [len(each.levels) for each in maps]).astype(np.intp)
    specimen = np.concatenate([each.specimen for each in maps])
    count = int(specimen.max()) + 1
    test, validation = specimen == fold, specimen == (fold + 1) % count
    config = replace(MAP_TRAINING, epochs=options.epochs, seed=fold)
    began = time.perf_counter()
    trained = train_pore_network(
        lambda which: levels[which],
        labels,
        np.flatnonzero(~test & ~validation),
        np.flatnonzero(validation),
        classes=2,
        size_px=levels.shape[1],
        config=config,
        checkpoint=kept,
    )
    seconds = time.perf_counter() - began
    scores = network_scores(trained.network, lambda which: levels[which], np.flatnonzero(test))
    right = (scores[:, 1] > scores[:, 0]) == labels[test]
    result = {
        "case": case.name,
        "fold": fold,
        "maps": len(right),
        "accuracy": float(right.mean()),
        "recall_first": float(right[labels[test] == 0].mean()),
        "recall_second": float(right[labels[test] == 1].mean()),
        "epochs": len(trained.history.epochs),
        "best_epoch": trained.history.best.epoch,
        "validation_loss": trained.history.best.validation_loss,
        "seconds": round(seconds, 1),
        "modified_area": float(maps[1].modified.mean()),
    }
    weights = {name: value.contiguous() for name, value in trained.network.state_dict().items()}
    save_file(weights, results / f"{stem}.safetensors")
    write_text(done, json.dumps(result, indent=2) + "\n")
    kept.unlink(missing_ok=True)
    return result


def run_places(folder: Path, case: Case, second: Maps, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return where the relevance of the first fold's test maps falls, or what was found before."""
    done = folder / "results" / f"{case.name}-places.json"
    if done.exists():
        return json.loads(done.read_text())
    network = PoreNetwork(2)
    network.load_state_dict(load_file(folder / "results" / f"{case.name}-fold0.safetensors"))
    with_some = np.flatnonzero((second.specimen == 0) & second.modified.any(axis=(1, 2)))
    chosen = with_some[np.linspace(0, len(with_some) - 1, min(options.explain, len(with_some))).astype(int)]
    rows = [
        {"case": case.name, **row}
        for row in localisation(network.eval(), second.levels[chosen], second.modified[chosen])
    ]
    write_text(done, json.dumps(rows) + "\n")
    return rows


def run_correlations(folder: Path, names: Sequence[str], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return lengths of whole maps of classes, and whether each differs from the first by permuting regions."""
    done = folder / "results" / "correlations.json"
    if done.exists():
        return json.loads(done.read_text())
    found = []
    for name in names:
        maps = load(folder / PASTE, name, "truth", micro=False)
        chosen = np.linspace(0, len(maps.levels) - 1, min(options.correlated, len(maps.levels))).astype(int)
        unit = maps.specimen * (maps.region.max() + 1) + maps.region
        r_max = min(R_MAX_PX, maps.levels.shape[1] - 1)
        found.append(correlate_class(name, (ClassMap(maps.levels[i], None, int(unit[i])) for i in chosen), r_max=r_max))
    rows = []
    for each in found:
        test = compare_correlations(found[0], each) if each is not found[0] else None
        rows.append(
            {
                "class": each.name,
                "maps": each.maps,
                "regions": len(each.units),
                "correlation_um": None if each.correlation_px is None else PIXEL_UM * each.correlation_px,
                "characteristic_um": PIXEL_UM * each.characteristic_px,
                "distance_from_first": None if test is None else test.distance,
                "under_permutation": None if test is None else test.usual_distance,
                "distance_p": None if test is None else test.distance_p,
                "characteristic_p": None if test is None else test.characteristic_p,
            }
        )
    write_text(done, json.dumps(rows) + "\n")
    return rows


def write_table(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as CSV, with a column for each key of any row."""
    rows = list(rows)
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, names, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def summary(rows: Sequence[dict[str, Any]], places: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield lines that say what was found."""
    for name in dict.fromkeys(row["case"] for row in rows):
        of = [row["accuracy"] for row in rows if row["case"] == name]
        maps = sum(row["maps"] for row in rows if row["case"] == name)
        yield f"{name}: accuracy {np.mean(of):.3f} ({min(of):.3f} to {max(of):.3f}, {len(of)} folds, {maps} maps)"
    for key in dict.fromkeys((row["case"], row["network"], row["method"]) for row in places):
        of_key = [row for row in places if (row["case"], row["network"], row["method"]) == key and "lift" in row]
        told = [f"{name} {np.mean([row[name] for row in of_key]):.3f}" for name in TOLD] if of_key else ["no relevance"]
        yield f"{' '.join(key)}, {len(of_key)} maps: {', '.join(told)}"


def main() -> None:
    """Run what is missing, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--strengths", default="0.25,0.5,1")
    parser.add_argument("--density", type=float, default=Modification().density_per_um2, help="spots per um2 of C-S-H")
    parser.add_argument("--mode", choices=["conserve", "densify"], default="conserve")
    parser.add_argument("--folds", type=int, choices=[1, 2, 3, 4], default=4)
    parser.add_argument("--epochs", type=int, default=MAP_TRAINING.epochs)
    parser.add_argument("--regions", type=int, default=5, help="of each of the four specimens of a class")
    parser.add_argument("--map-px", type=int, default=384)
    parser.add_argument("--explain", type=int, default=16, help="maps explained in each case")
    parser.add_argument("--correlated", type=int, default=100, help="maps of each class whose correlation is counted")
    parser.add_argument("--only", default="", help="cases whose name holds this, or correlations")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    strengths = [float(part) for part in options.strengths.split(",")]
    folder: Path = options.folder
    (folder / "results").mkdir(parents=True, exist_ok=True)
    make_all(folder, strengths, options)

    rows: list[dict[str, Any]] = []
    places: list[dict[str, Any]] = []
    for case in cases(strengths):
        if options.only not in case.name:
            continue
        maps = tuple(
            load(folder / where, name, case.kind, micro=case.micro) for where, name in (case.first, case.second)
        )
        for fold in range(options.folds):
            rows.append(run_fold(folder, case, (maps[0], maps[1]), fold, options))
            print(json.dumps(rows[-1]), flush=True)
        if maps[1].modified.any() and not case.micro:
            places += run_places(folder, case, maps[1], options)
        write_table(folder / "accuracy.csv", rows)
        write_table(folder / "places.csv", places)
    if not options.only or options.only in "correlations":
        names = (PLAIN, NULL, *(strength_class(each) for each in strengths))
        write_table(folder / "correlations.csv", run_correlations(folder, names, options))
    print("\n".join(summary(rows, places)))


if __name__ == "__main__":
    main()
