"""The tables of a classification."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cemvis._files import write_table
from cemvis.workflows._classify_result import FeaturesResult
from cemvis.workflows._npm_maps import MapPlace, MapSet

if TYPE_CHECKING:
    import pandas as pd

SUMMARY, SCORES, CONFUSION = "classify.json", "classify.csv", "confusion.csv"
RELIABILITY, PREDICTIONS, PARTS, HISTORY = "reliability.csv", "predictions.csv", "parts.csv", "history.csv"
PICTURE, PDF = "classify.png", "classify.pdf"
TABLES = (SCORES, CONFUSION, RELIABILITY, PREDICTIONS, PARTS)


def model_name(features: str) -> str:
    """Return the name of the model file of one kind of maps."""
    return f"model_{features}.safetensors"


def write_tables(output: Path, maps: MapSet, results: Sequence[FeaturesResult]) -> None:
    """Write classify.csv, confusion.csv, reliability.csv, predictions.csv, parts.csv and, of networks, history.csv."""
    import pandas as pd

    write_csv(output / SCORES, pd.DataFrame([row for each in results for row in _scores(each)]))
    write_csv(output / CONFUSION, pd.DataFrame([row for each in results for row in _confusion(each)]))
    write_csv(output / RELIABILITY, pd.DataFrame([row for each in results for row in _reliability(each)]))
    write_csv(output / PREDICTIONS, pd.concat([_predictions(maps, each) for each in results], ignore_index=True))
    write_csv(output / PARTS, _parts(maps, results[0]))
    history = [row for each in results for row in _history(each)]
    if history:
        write_csv(output / HISTORY, pd.DataFrame(history))


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table, whole or not at all; numbers with ten digits."""
    write_table(path, table, digits=10)


def place_columns(place: MapPlace) -> dict[str, object]:
    """Return where a map is, as columns."""
    return {
        "specimen": place.specimen,
        "region": place.region,
        "session": place.session,
        "file": str(place.path),
        "row_px": place.row_px,
        "column_px": place.column_px,
    }


def _scores(one: FeaturesResult) -> list[dict[str, Any]]:
    scores, interval = one.scores, one.scores.interval
    rows: list[dict[str, Any]] = [
        {
            "features": one.features,
            "class": "all",
            "maps": scores.maps,
            "accuracy": scores.accuracy,
            "accuracy_low": interval.low,
            "accuracy_high": interval.high,
            "interval_by": interval.by,
            "interval_groups": interval.groups,
            "balanced_accuracy": scores.balanced_accuracy,
            "chance": scores.chance,
            "calibration_error": one.after.expected_error,
            "calibration_error_without_scaling": one.before.expected_error,
        }
    ]
    return rows + [
        {
            "features": one.features,
            "class": each.name,
            "maps": each.maps,
            "precision": each.precision,
            "recall": each.recall,
            "f1": each.f1,
        }
        for each in scores.per_class
    ]


def _confusion(one: FeaturesResult) -> list[dict[str, Any]]:
    scores, shares = one.scores, one.scores.row_shares
    return [
        {
            "features": one.features,
            "class": true,
            "answer": answer,
            "maps": scores.confusion[row][column],
            "share": float(shares[row, column]),
        }
        for row, true in enumerate(scores.classes)
        for column, answer in enumerate(scores.classes)
    ]


def _reliability(one: FeaturesResult) -> list[dict[str, Any]]:
    return [
        {
            "features": one.features,
            "scaled": scaled,
            "confidence_from": curve.edges[index],
            "confidence_to": curve.edges[index + 1],
            "maps": curve.count[index],
            "mean_confidence": curve.confidence[index],
            "accuracy": curve.accuracy[index],
        }
        for scaled, curve in (("no", one.before), ("yes", one.after))
        for index in range(len(curve.count))
    ]


def _predictions(maps: MapSet, one: FeaturesResult) -> pd.DataFrame:
    import pandas as pd

    answers = one.probability.argmax(axis=1)
    rows = []
    for index, fold, answer, chances in zip(one.tested, one.fold_of, answers, one.probability, strict=True):
        place = maps.places[index]
        rows.append(
            {"features": one.features, "fold": int(fold) + 1, "class": place.class_name, **place_columns(place)}
            | {"answer": maps.classes[answer]}
            | {f"p_{name}": float(chance) for name, chance in zip(maps.classes, chances, strict=True)}
        )
    return pd.DataFrame(rows)


def _parts(maps: MapSet, one: FeaturesResult) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame([{"class": place.class_name, **place_columns(place)} for place in maps.places])
    for number, fold in enumerate(one.folds, start=1):
        part = pd.Series("", index=table.index, dtype=object)
        for name in ("train", "validation", "test"):
            part.iloc[getattr(fold.split, name)] = name
        table[f"fold_{number}"] = part
    return table


def _history(one: FeaturesResult) -> list[dict[str, Any]]:
    return [
        {
            "features": one.features,
            "fold": number,
            "epoch": epoch.epoch,
            "learning_rate": epoch.learning_rate,
            "train_loss": epoch.train_loss,
            "validation_loss": epoch.validation_loss,
            "kept": int(epoch == fold.history.best),
        }
        for number, fold in enumerate(one.folds, start=1)
        if fold.history is not None
        for epoch in fold.history.epochs
    ]
