from __future__ import annotations

import csv
import io

from cemvis.models.resnet_layout import ResNetLayout
from cemvis.report.model_card import metrics_csv, model_card
from networks import model_around, random_window_network


def card_of(layout: ResNetLayout, *, half: bool = False) -> str:
    return model_card(model_around(random_window_network(layout, half=half), pixel_size_um=0.04, window_um=10.0))


def test_a_dense_network_says_what_it_reads() -> None:
    card = card_of(ResNetLayout.dense(pooled=4, targets=2, downsample=4, spread=True), half=True)
    for line in (
        "predicts       modulus in GPa (residual network); hardness in GPa (residual network)",
        "for each       square window of 10 um, from the pixels in and around its middle",
        "network        ResNet-18 of half width, unpadded; 3,063,236 numbers, weights in float16",
        "reads          133 x 133 samples (each the mean of 4 x 4 px): 532 px, 21.28 um along an edge",
        "dense maps     steps of 32 px, 1.28 um, in one pass; down to 8 px, 0.32 um, in 16",
        "grey range     60 to 215 (modulus); 60 to 215 (hardness)",
    ):
        assert line in card.split("\n")


def test_the_papers_network_says_what_it_reads() -> None:
    card = card_of(ResNetLayout())
    assert "padded with zeros; 3,060,161 numbers, weights in float32" in card
    assert "reads          247 x 247 samples: 247 px, 9.88 um along an edge" in card
    assert "dense maps" not in card
    assert "unpadded" not in card


def test_scores_of_the_validation_pairs_are_shown_and_written() -> None:
    model = model_around(random_window_network(ResNetLayout(window=32)))
    assert "validation: the pairs that the epoch was chosen by" in model_card(model)
    rows = list(csv.DictReader(io.StringIO(metrics_csv(model))))
    assert [row["set"] for row in rows] == ["train", "validation", "test"] * 2
    assert rows[1]["r2"] == "0.85"
    assert rows[1]["interval_coverage"] == ""
