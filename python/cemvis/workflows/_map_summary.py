"""What a map was made from and what came out, as JSON and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cemvis import __version__
from cemvis._files import finite_or_none
from cemvis.models.prediction import Flag
from cemvis.workflows._map_network_plan import NetworkPlan, how_computed
from cemvis.workflows._map_plan import CellGrid
from cemvis.workflows._map_predict import CellCounts, Statistics

if TYPE_CHECKING:
    from cemvis.images.grey_scale import GreyTransform
    from cemvis.images.pixel_size import PixelSize
    from cemvis.models.model import Model

SOFTWARE = f"cemvis {__version__}"
_MODEL_NAMES = {"resnet": "ResNet"}
_MASKED_TEXT = "not wholly inside the region of interest: not mapped"
_FLAG_TEXT = {
    Flag.CLIPPED_LOW: "darker than the training range: predicted as the darkest training window",
    Flag.CLIPPED_HIGH: "brighter than the training range: predicted as the brightest training window",
    Flag.UNSEEN_LEVEL: "a grey level that no training window had: predicted by the nearest one",
    Flag.MASKED: _MASKED_TEXT,
}
_NETWORK_FLAG_TEXT = {
    Flag.CLIPPED_LOW: "darker than every training window: no interval",
    Flag.CLIPPED_HIGH: "brighter than every training window: no interval",
    Flag.MASKED: _MASKED_TEXT,
    Flag.BORDER: "the network reads over the border of the mosaic (mirrored) or of the region of interest: no interval",
}


def flag_text(model: Model) -> dict[Flag, str]:
    """Return what each flag says about a cell of a map with `model`."""
    return _FLAG_TEXT if model.window_network is None else _NETWORK_FLAG_TEXT


def origin_of(
    *,
    mosaic: Mapping[str, Any],
    mask: Mapping[str, Any] | None,
    model: Model,
    pixel_size: PixelSize,
    grid: CellGrid,
    transform: GreyTransform,
    asked: Mapping[str, Any],
    network: NetworkPlan | None,
) -> dict[str, Any]:
    """Return everything that the values of a map depend on, ready for JSON."""
    origin = {
        "cemvis": __version__,
        "asked_for": dict(asked),
        "mosaic": dict(mosaic),
        "mask": None if mask is None else dict(mask),
        "model": {
            "sha256": model.digest,
            "cemvis": model.version,
            "networks": {each.name: each.network for each in model.properties},
            "training_pairs": model.training.pairs,
            "training_areas": [
                {"name": each.name, "mosaic_sha256": each.mosaic_sha256, "indents_sha256": each.indents_sha256}
                for each in model.training.areas
            ],
            "note": model.note,
        },
        "pixel_size": {"um": pixel_size.um, "source": pixel_size.source},
        "grid": {
            "cells": list(grid.shape),
            "window_px": grid.window_px,
            "window_um": grid.window_um,
            "step_px": grid.step_px,
            "step_um": grid.step_um,
            "first_centre_um": float(grid.centres_um(0, 1)[0]),
            "left_over_px": {"bottom": grid.left_over_px[0], "right": grid.left_over_px[1]},
            "origin": "centre of the mosaic's top-left pixel; x to the right, y down",
        },
        "grey_scale": {
            "gain": transform.gain,
            "offset": transform.offset,
            "source": transform.source,
            "reliable": transform.reliable,
            "note": transform.note,
            "anchors": asdict(transform.anchors),
            "model_anchors": asdict(model.grey_scale),
        },
    }
    if network is not None:
        origin["network"] = {
            "layout": asdict(network.layout),
            "field_px": network.field_px,
            "field_um": network.field_px * pixel_size.um,
            "first_field_px": network.offset_px,
            "computed": how_computed(network),
        }
    return origin


def summary_of(
    origin: Mapping[str, Any],
    *,
    model: Model,
    counts: CellCounts,
    statistics: Mapping[str, Statistics],
    warnings: Sequence[str],
    notes: Sequence[str],
    ran_on: str,
    files: Sequence[str],
    mosaic_path: str | None = None,
) -> dict[str, Any]:
    """Return the summary of a map, ready for JSON; it names no time, so that the same map gives the same file.

    `mosaic_path` stands beside the mosaic's name; no value depends on it, so it is no part of the origin.
    """
    return {
        "format": "cemvis map",
        "format_version": 1,
        **origin,
        "mosaic": {**origin["mosaic"], **({} if mosaic_path is None else {"path": mosaic_path})},
        **({"ran_on": ran_on} if ran_on else {}),
        "notes": list(notes),
        "warnings": list(warnings),
        "cells": {
            "all": counts.cells,
            "mapped": counts.mapped,
            "masked": counts.masked,
            "outside_training_range": counts.outside,
            "outside_training_range_share": counts.outside_share,
            "unseen_level": counts.unseen_level,
            **({} if model.window_network is None else {"at_border": counts.border}),
        },
        "flags": {str(flag.value): text for flag, text in flag_text(model).items()},
        "properties": {
            each.name: {
                "unit": each.unit,
                "cells_used": statistics[each.name].cells_used,
                "mean": finite_or_none(statistics[each.name].mean),
                "sd": finite_or_none(statistics[each.name].sd),
                "quantiles": {
                    f"{share:g}": finite_or_none(at) for share, at in statistics[each.name].quantiles.items()
                },
                "interval_level": each.interval.level if each.interval.stretch is not None else None,
                "interval_note": each.interval.note,
            }
            for each in model.properties
        },
        "files": list(files),
    }


def caption_of(origin: Mapping[str, Any], model: Model) -> str:
    """Return the small print below a figure."""
    grid, size, grey = origin["grid"], origin["pixel_size"], origin["grey_scale"]
    rows, cols = grid["cells"]
    names = {each.network for each in model.properties}
    networks = " and ".join(f"{_MODEL_NAMES.get(each, each.capitalize())} model" for each in sorted(names))
    return (
        f"{rows:,} x {cols:,} cells of {grid['window_um']:.4g} um, one every {grid['step_um']:.4g} um; "
        f"{size['um'] * 1000:.6g} nm/px ({size['source']}). Grey scale: {grey['note'].rstrip('.')}. "
        f"{networks} {model.digest[:12]}, {model.training.pairs:,} training pairs. "
        f"{model.note.rstrip('.')}. {SOFTWARE}."
    )
