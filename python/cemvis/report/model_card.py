"""What a model predicts, from what, and how well, as text and as rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from cemvis.models.metrics import IntervalScores, Scores
from cemvis.models.model import Model, PropertyModel
from cemvis.models.resnet_layout import ResNetLayout
from cemvis.models.window_network import WindowNetwork

_BY_BATCH = "by batch: the model in the file, tested on whole batches that it never saw."
WHICH_IS_WHICH = (
    _BY_BATCH,
    "random: a fit of its own to 80 % of the pairs, as in the literature, not kept. Neighbours of each test indent",
    "are trained on, so its scores flatter.",
)
WHICH_IS_WHICH_OF_A_NETWORK = (
    _BY_BATCH,
    "random: the same model, tested on pairs left out of its training batches at random. Neighbours of each test",
    "indent are trained on, so its scores flatter.",
    "validation: the pairs that the epoch was chosen by.",
)
WHAT_INTERVALS_HOLD = (
    "Scores by batch and intervals are for a new batch of the same specimens and sessions. They promise nothing for",
    "another material, another mosaic or another fit of the grey scale: measure indents there to know.",
)
ONLY_VIRTUAL = (
    "It was trained on virtual paste, to demonstrate and to test. For real work, train a model on your own pairs of "
    "mosaics and indents."
)
FINEST_STEP_PX = 8  # of dense maps
_LABEL = 15
_NETWORKS = {
    "table": "table of mean grey levels",
    "linear": "straight line through mean grey levels",
    "resnet": "residual network",
}


def model_card(model: Model) -> str:
    """Return a card that says what a model is for, where it is valid, what it was trained on and how good it is."""
    grey, training, network = model.grey_scale, model.training, model.window_network
    what = "from its mean grey level" if network is None else "from the pixels in and around its middle"
    rows = [
        ("predicts", "; ".join(f"{one.name} in {one.unit} ({_NETWORKS[one.network]})" for one in model.properties)),
        ("for each", f"square window of {model.window_um:g} um, {what}"),
        *(() if network is None else _network_rows(network, model.pixel_size_um)),
        ("grey scale", f"matrix at {grey.matrix:.4g}, clinker at {grey.clinker:.4g}; other images are brought to it"),
        ("pixel size", f"{model.pixel_size_um * 1e3:.6g} nm"),
        ("grey range", "; ".join(f"{low:.4g} to {high:.4g} ({name})" for name, low, high in _ranges(model))),
        ("trained on", f"{training.pairs:,} pairs of {training.batches} batches, {_areas(model)}"),
        ("made by", f"cemvis {model.version}, seed {training.seed}"),
    ]
    if model.digest:
        rows.append(("sha256", model.digest))
    if training.virtual:
        rows.append(("WARNING", ONLY_VIRTUAL))
        rows.append(("virtual paste", "; ".join(sorted({area.virtual for area in training.areas} - {""}))))
    lines = [f"{label:<{_LABEL}}{text}" for label, text in rows]
    if model.note:
        lines += [
            f"{'note' if not number else '':<{_LABEL}}{line}" for number, line in enumerate(model.note.split("\n"))
        ]
    return "\n".join([*lines, "", scores_table(model)])


def scores_table(model: Model) -> str:
    """Return the scores and the intervals of every property as a table of text, and which number is of what."""
    lines = [f"{'':<{_LABEL}}{'split':<10}{'set':<11}{'pairs':>8}{'R2':>8}{'MAE':>9}{'MSE':>10}"]
    for one in model.properties:
        label = f"{one.name}, {one.unit}"
        for split, part, scores in _score_rows(one):
            numbers = f"{scores.n:>8,}{scores.r2:>8.3f}{scores.mae:>9.3g}{scores.mse:>10.4g}"
            lines.append(f"{label:<{_LABEL}}{split:<10}{part:<11}{numbers}".rstrip())
            label = ""
        lines += [f"{'':<{_LABEL}}{text}" for text in _interval_lines(one)]
    which = WHICH_IS_WHICH if model.window_network is None else WHICH_IS_WHICH_OF_A_NETWORK
    return "\n".join([*lines, "", *which, *WHAT_INTERVALS_HOLD])


def metrics_csv(model: Model) -> str:
    """Return scores and coverage as CSV: a row for each property, split and set; units GPa and GPa squared."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(
        ["property", "split", "set", "pairs", "r2", "mae_gpa", "mse_gpa2"]
        + [f"{kind}_{column}" for kind in ("quantiles", "interval") for column in ("coverage", "lowest", "width_gpa")]
    )
    for one in model.properties:
        for split, part, scores in _score_rows(one):
            report = one.metrics.random if split == "random" else one.metrics.by_batch
            tested = part == "test"
            table.writerow(
                [
                    *(one.name, split, part, scores.n, scores.r2, scores.mae, scores.mse),
                    *_interval_cells(report.quantiles if tested else None),
                    *_interval_cells(report.intervals if tested else None),
                ]
            )
    return text.getvalue()


def _network_rows(network: WindowNetwork, pixel_size_um: float) -> Iterator[tuple[str, str]]:
    layout = network.layout
    padding = "padded with zeros" if layout.padding == "zero" else "unpadded"
    pooled = ", pooled stem" if layout.stem_pool else ""
    weights = f"{layout.parameters:,} numbers, weights in {network.precision}"
    yield "network", f"ResNet-18 of half width, {padding}{pooled}; {weights}"
    mean = f" (each the mean of {layout.downsample} x {layout.downsample} px)" if layout.downsample > 1 else ""
    edge = f"{layout.window_px} px, {layout.window_px * pixel_size_um:.4g} um"
    yield "reads", f"{layout.window} x {layout.window} samples{mean}: {edge} along an edge"
    if layout.padding == "none":
        yield "dense maps", _dense_steps(layout, pixel_size_um)


def _dense_steps(layout: ResNetLayout, pixel_size_um: float) -> str:
    """Return at which steps a dense map takes one pass over the mosaic, and how many the finest takes."""
    passes = (layout.stride_px // FINEST_STEP_PX) ** 2
    steps = f"steps of {layout.stride_px} px, {layout.stride_px * pixel_size_um:.4g} um, in one pass"
    if passes == 1:
        return steps
    return f"{steps}; down to {FINEST_STEP_PX} px, {FINEST_STEP_PX * pixel_size_um:.4g} um, in {passes}"


def _ranges(model: Model) -> Iterator[tuple[str, float, float]]:
    for one in model.properties:
        yield one.name, *one.fitted.grey_range


def _areas(model: Model) -> str:
    names = [area.name for area in model.training.areas]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{len(names)} area{'s' if len(names) > 1 else ''} ({shown})"


def _score_rows(one: PropertyModel) -> Iterator[tuple[str, str, Scores]]:
    for split, report in (("random", one.metrics.random), ("by batch", one.metrics.by_batch)):
        yield split, "train", report.train
        if report.validation is not None:
            yield split, "validation", report.validation
        yield split, "test", report.test


def _interval_lines(one: PropertyModel) -> list[str]:
    interval, random, by_batch = one.interval, one.metrics.random, one.metrics.by_batch
    lines = []
    if interval.stretch is None or by_batch.intervals is None:
        lines.append(interval.note or "no test pair lies inside the training range")
    else:
        lines.append(
            f"{interval.level:.0%} interval on the test batches holds {by_batch.intervals.coverage:.1%} (worst batch "
            f"{by_batch.intervals.lowest_coverage:.1%}), mean width {by_batch.intervals.mean_width:.3g} {one.unit}"
        )
        count = interval.calibration_batches
        share = interval.level * (count + 1) / count
        lines.append(f"calibrated so that it holds {share:.1%} of {count} other batches; more batches make it narrower")
    if random.quantiles is not None and by_batch.quantiles is not None:
        bounds = "the network's own bounds" if one.needs == "window" else "training quantiles"
        lines.append(
            f"{bounds}, not calibrated: {by_batch.quantiles.coverage:.1%} on the test batches, "
            f"{random.quantiles.coverage:.1%} on the random test set"
        )
    return lines


def _interval_cells(scores: IntervalScores | None) -> list[float | str]:
    return ["", "", ""] if scores is None else [scores.coverage, scores.lowest_coverage, scores.mean_width]
