"""Training on a data set is training on what it was made from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from areas import WINDOW_UM, make_area
from cemvis.errors import (
    InputError,
)
from cemvis.models.model_file import load_model
from cemvis.models.splits import batch_split, network_split
from cemvis.models.trainer_config import TrainerConfig
from cemvis.workflows.dataset import load_data_set, make_data_set
from cemvis.workflows.pairs import Area
from cemvis.workflows.resnet_training import ResNetConfig
from cemvis.workflows.train import train
from data_sets import CONFIG, TRAINING
from located import write_located
from networks import one_torch_thread

pytestmark = pytest.mark.filterwarnings("ignore::cemvis.errors.CoverageWarning")


def test_training_on_a_data_set_gives_the_bytes_of_training_on_the_tables(made, tmp_path) -> None:
    folders = [made / "one", made / "two"]
    make_data_set(folders, tmp_path / "data", CONFIG)
    data = load_data_set(tmp_path / "data")
    assert (data.window_um, data.seed, len(data.to_frame())) == (WINDOW_UM, 0, 576)
    listed = train(data.areas, tmp_path / "listed.safetensors", TRAINING)
    plain = train([Area.in_folder(folder) for folder in folders], tmp_path / "plain.safetensors", TRAINING)
    assert listed.files.model.read_bytes() == plain.files.model.read_bytes()
    assert listed.files.metrics_csv.read_bytes() == plain.files.metrics_csv.read_bytes()
    record = json.loads(listed.files.metrics_json.read_text())
    assert record["areas"][0]["data_set_sha256"] == data.about["manifest"]["sha256"]
    assert json.loads(plain.files.metrics_json.read_text())["areas"][0]["data_set_sha256"] is None


def test_filtered_rows_train_as_a_table_of_just_these_rows(base, tmp_path) -> None:
    located = base / "one" / "located"
    table = pd.read_csv(located / "located.csv").sample(frac=1, random_state=3)  # in no order
    write_located(located, table)
    make_data_set([located], tmp_path / "data", replace(CONFIG, min_score=6.0))
    kept = tmp_path / "kept.csv"
    table[table["score"] >= 6].to_csv(kept, index=False)
    listed = train(load_data_set(tmp_path / "data").areas, tmp_path / "listed.safetensors", TRAINING).model
    area = Area("located", base / "one" / "before.tif", kept)
    plain = train([area], tmp_path / "plain.safetensors", TRAINING).model
    assert 150 < listed.training.pairs == plain.training.pairs < 288
    for one, other in zip(listed.properties, plain.properties, strict=True):
        assert one.metrics == other.metrics
        np.testing.assert_array_equal(
            one.predict(np.arange(60.0, 210)).value, other.predict(np.arange(60.0, 210)).value
        )


@one_torch_thread()
def test_a_network_trains_on_a_data_set_as_on_its_table(tmp_path) -> None:
    quick = TrainerConfig(epochs=1, batch=32, learning_rate=2e-3, schedule="one-cycle", device="cpu")
    resnet = ResNetConfig(downsample=2, stem_pool=True, trainer=quick)
    config = replace(TRAINING, network="resnet", resnet=resnet, window_um=3.2)
    make_area(tmp_path / "one", seed=4, grid=(1, 3))
    make_data_set([tmp_path / "one"], tmp_path / "data", replace(CONFIG, window_um=3.2))
    listed = train(load_data_set(tmp_path / "data").areas, tmp_path / "listed.safetensors", config)
    plain = train([Area.in_folder(tmp_path / "one")], tmp_path / "plain.safetensors", config)
    assert listed.files.model.read_bytes() == plain.files.model.read_bytes()


def test_rows_with_one_property_serve_models_of_that_one(base, tmp_path) -> None:
    located = base / "one" / "located"
    table = pd.read_csv(located / "located.csv")
    table.loc[:9, "hardness_gpa"] = np.nan
    table.loc[5:9, "modulus_gpa"] = np.nan
    write_located(located, table)
    result = make_data_set([located], tmp_path / "data", CONFIG)
    assert (len(result.frame), result.about["areas"][0]["left_out"]["no_value"]) == (283, 5)
    areas = load_data_set(tmp_path / "data").areas
    assert train(areas, tmp_path / "both.safetensors", TRAINING).model.training.pairs == 278
    one = replace(TRAINING, properties=("modulus",))
    assert train(areas, tmp_path / "one.safetensors", one).model.training.pairs == 283
    write_located(located, table.drop(columns="hardness_gpa"))
    make_data_set([located], tmp_path / "bare", CONFIG)
    with pytest.raises(InputError, match="no indent of the data set has hardness; choose --properties"):
        train(load_data_set(tmp_path / "bare").areas, tmp_path / "n.safetensors", TRAINING)


class SplitSeenError(Exception):
    """Ends a training once it has drawn its split."""


@pytest.mark.parametrize("network", ["table", "resnet"])
def test_batches_called_test_are_never_trained_on_even_where_others_drop_out(base, tmp_path, monkeypatch, network):
    for name in ("one", "two"):
        table = pd.read_csv(base / name / "indents.csv")
        table.loc[table["batch"].isin(["b0", "b5"]), "hardness_gpa"] = np.nan
        table.to_csv(base / name / "indents.csv", index=False)
    seen = []

    def watched(plain):
        def split(*arguments, **options):
            seen.append(plain(*arguments, **options))
            raise SplitSeenError

        return split

    monkeypatch.setattr("cemvis.models.training.batch_split", watched(batch_split))
    monkeypatch.setattr("cemvis.models.network_training.network_split", watched(network_split))
    quick = ResNetConfig(downsample=2, stem_pool=True, trainer=TrainerConfig(epochs=1, device="cpu"))
    config = replace(TRAINING, network=network, resnet=quick, window_um=3.2)
    redrawn = 0
    for seed in range(3):
        folders = [base / "one", base / "two"]
        make_data_set(folders, tmp_path / "data", replace(CONFIG, seed=seed, window_um=3.2), overwrite=True)
        data = load_data_set(tmp_path / "data")
        left = data.frame[data.frame["hardness_gpa"].notna()].reset_index(drop=True)
        tested = set(np.flatnonzero(left["split_batch"] == "test"))
        assert len(left) == 12 * 36
        for drawn in (seed, seed + 100):
            with pytest.raises(SplitSeenError):
                train(data.areas, tmp_path / "m.safetensors", replace(config, seed=drawn))
        assert tested <= set(seen[-2].test)
        redrawn += not tested <= set(seen[-1].test)
    assert redrawn > 0


def test_the_model_says_which_table_its_pairs_were_chosen_from(base, tmp_path) -> None:
    located = base / "one" / "located"
    make_data_set([located], tmp_path / "data", replace(CONFIG, min_score=6.0))
    result = train(load_data_set(tmp_path / "data").areas, tmp_path / "m.safetensors", TRAINING)
    (area,) = load_model(result.files.model).training.areas
    assert area.indents_sha256 == hashlib.sha256((located / "located.csv").read_bytes()).hexdigest()
