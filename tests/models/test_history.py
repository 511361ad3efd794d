from __future__ import annotations

import csv
import io

import pytest

from cemvis.models.history import Epoch, History

HISTORY = History(
    (Epoch(1, 1e-5, 1.25, 0.875), Epoch(2, 1e-5, 0.5, 0.75), Epoch(3, 9e-6, 1 / 3, 0.75), Epoch(4, 9e-6, 0.25, 0.8))
)


def test_the_best_epoch_is_the_first_of_the_least_validation_loss() -> None:
    assert HISTORY.best.epoch == 2


def test_csv_has_a_row_for_each_epoch_and_marks_the_best() -> None:
    text = HISTORY.to_csv()
    assert text.splitlines()[0] == "epoch,learning_rate,train_loss,validation_loss,best"
    assert text.splitlines()[1] == "1,1e-05,1.25,0.875,0"
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["best"] for row in rows] == ["0", "1", "0", "0"]
    for row, one in zip(rows, HISTORY.epochs, strict=True):
        assert int(row["epoch"]) == one.epoch
        assert float(row["train_loss"]) == pytest.approx(one.train_loss, rel=1e-5)
        assert float(row["learning_rate"]) == pytest.approx(one.learning_rate, rel=1e-5)
    assert text.endswith("\n")
    assert "\r" not in text
