"""The out-of-bag test on a virtual specimen: train on three areas, map a fourth one that no model saw.

    python benchmarks/out_of_bag.py FOLDER [--threads 1] [--epochs 6] [--resamplings 100]

Four areas of 0.8 mm of one specimen (seed 7, 200 nm/px, 16 batches of 400 indents each) are made in FOLDER/specimen. A
line, a table and a small residual network are trained on the first three: the paper's layout with a pooled stem, on
windows of 10 um, 50 x 50 px, for one cycle of the learning rate up to 2e-3, in bfloat16. `validate` compares their maps
of the fourth with the indents of the first three, and with the fourth area's truth. What was made already is kept, and
a stopped training goes on, so the script may be run again after an interrupt. Prints the tables of README.md.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from cemvis.analysis.indentation.deconvolution.deconvolve import Settings
from cemvis.analysis.validation.result import PropertyValidation
from cemvis.models.trainer import Moment
from cemvis.models.trainer_config import TrainerConfig
from cemvis.workflows.areas import Area
from cemvis.workflows.resnet_training import ResNetConfig
from cemvis.workflows.specimen import SpecimenConfig, make_specimen
from cemvis.workflows.train import TrainConfig, train
from cemvis.workflows.validate import MapSettings, ValidateConfig, ValidateResult, validate

KINDS = ("linear", "table", "resnet")
SPECIMEN = SpecimenConfig(seed=7, areas=4, batches=4, pixel_size_um=0.2, truth_step_um=10.0)


def trained(kind: str, areas: list[Area], folder: Path, *, epochs: int, threads: int) -> Path:
    """Train a model unless it is there already; say what it scored on whole batches that it never saw."""
    output = folder / f"{kind}.safetensors"
    cycle = TrainerConfig(epochs, learning_rate=2e-3, schedule="one-cycle", precision="bf16", device="cpu")
    stopped = output.with_suffix(".checkpoint.safetensors").is_file()
    network = ResNetConfig(stem_pool=True, trainer=cycle, resume=stopped)
    shown = 0

    def show(moment: Moment) -> None:
        nonlocal shown
        if moment.validation_loss is not None and moment.epoch - 1 > shown:
            shown = moment.epoch - 1
            print(f"  epoch {shown}: validation loss {moment.validation_loss:.4f}", flush=True)

    if not output.is_file():
        begun = time.monotonic()
        train(areas, output, TrainConfig(network=kind, resnet=network, threads=threads), overwrite=True, progress=show)
        print(f"{kind} trained in {time.monotonic() - begun:.0f} s", flush=True)
    metrics = json.loads(output.with_suffix(".metrics.json").read_text(encoding="utf-8"))
    for name, each in metrics["properties"].items():
        test = each["by_batch"]["test"]
        print(
            f"  {kind}, {name}: R2 {test['r2']:.3f}, MAE {test['mae']:.3g} GPa on {test['n']} indents of test batches"
        )
    return output


def print_tables(found: PropertyValidation) -> None:
    """Print distances, mixtures and errors as Markdown."""
    halves = found.halves
    print(f"\n{found.name}, GPa; halves of the measured values are {halves.median:.3g} apart, 95 % {halves.high:.3g}\n")
    print("| | values | distance | mean less measured | sd / measured |\n| --- | --- | --- | --- | --- |")
    for each in found.sources[1:]:
        one = found.compared[each.label]
        cells = " | ".join(
            f"{e.value:.3g} ({e.low:.3g} to {e.high:.3g})" for e in (one.distance, one.difference, one.sd_ratio)
        )
        print(f"| {each.label} | {each.sample.size:,} | {cells} |")
    print("\n| | " + " | ".join(each.label for each in found.sources) + " |\n|" + " --- |" * (len(found.sources) + 1))
    for number, population in enumerate(found.measured.found.populations):
        row = [each.found.populations[number] for each in found.sources]
        cells = [
            f"{p.fraction.value:.2f}, {p.means[found.name].value:.4g} +- {p.sds[found.name].value:.3g}" for p in row
        ]
        print(f"| {population.name} | " + " | ".join(cells) + " |")
    print("| supported | " + " | ".join("yes" if each.found.supported else "no" for each in found.sources) + " |")
    print("\n| map | against | phase | cells | R2 | RMSE | bias | held |\n|" + " --- |" * 8)
    for label, judged in found.judged.items():
        for against, errors in (("truth", judged.truth), ("tests", judged.tests)):
            for e in errors:
                held = (
                    ""
                    if e.coverage is None
                    else f"{e.coverage.value:.1%} ({e.coverage.low:.1%} to {e.coverage.high:.1%})"
                )
                print(
                    f"| {label} | {against} | {e.phase} | {e.n:,} | {e.r2.value:.3f} | {e.rmse.value:.3g} "
                    f"({e.rmse.low:.3g} to {e.rmse.high:.3g}) | {e.bias.value:+.2g} | {held} |"
                )


def main() -> None:
    """Make the specimen, train, map, compare."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--epochs", type=int, default=6)
    arguments.add_argument("--resamplings", type=int, default=100)
    given = arguments.parse_args()
    begun = time.monotonic()
    folders = make_specimen(SPECIMEN, given.folder / "specimen", threads=given.threads)
    print(f"specimen in {time.monotonic() - begun:.0f} s", flush=True)
    areas = [Area.in_folder(folder) for folder in folders[:3]]
    models = [trained(kind, areas, given.folder, epochs=given.epochs, threads=given.threads) for kind in KINDS]
    begun = time.monotonic()
    result: ValidateResult = validate(
        models,
        given.folder / "found",
        ValidateConfig(
            Settings(populations=4, most=5, starts=10, resamplings=given.resamplings, settling_draws=0),
            maps=MapSettings(threads=given.threads, device="cpu"),
            truth=folders[3],
        ),
        measured=[area.indents for area in areas],
        mosaic=folders[3] / "before.tif",
        resume=True,
        overwrite=True,
    )
    print(f"validated in {time.monotonic() - begun:.0f} s")
    for each in result.properties:
        print_tables(each)
    for note in result.notes:
        print(f"- {note}")


if __name__ == "__main__":
    main()
