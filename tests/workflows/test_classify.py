from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from cemvis.errors import CemvisWarning, FileAccessError, InputError, OutputExistsError, PixelSizeError
from cemvis.models.map_classifier import HEAD_TRAINING, MAP_TRAINING
from cemvis.models.map_classifier_file import load_class_model, save_class_model
from cemvis.models.map_classifier_learners import LEARNERS
from cemvis.models.map_classifier_predict import ClassPredictor
from cemvis.workflows._classify_predict import predict_classes
from cemvis.workflows._classify_store import stored_maps
from cemvis.workflows._npm_maps import read_map_set
from cemvis.workflows.classify import ClassifyConfig, classify
from class_models import pore_class_model
from npm_maps import texture, write_classes, write_map

LENGTHS = {"coarse": 2.0, "fine": 1.0}
QUICK = replace(MAP_TRAINING, epochs=6, batch=6, learning_rate=5e-3, stop_after=None, device="cpu")
NETWORK = ClassifyConfig(size_px=64, channels=(4, 8, 8, 8), trainer=QUICK, threads=1)
LONGER = replace(NETWORK, trainer=replace(QUICK, epochs=10))
STATISTICS = replace(NETWORK, classifier="forest")
OUTPUTS = ["classify.csv", "confusion.csv", "reliability.csv", "predictions.csv", "parts.csv"]
pytestmark = pytest.mark.filterwarnings("ignore::cemvis.errors.CemvisWarning")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def few_trees(monkeypatch) -> None:
    """Nothing here is about how many there are."""
    monkeypatch.setitem(LEARNERS, "forest", {**LEARNERS["forest"], "n_estimators": 40})


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return write_classes(tmp_path_factory.mktemp("maps"), LENGTHS, specimens=4, regions=2, shape=(128, 128))


@pytest.fixture(scope="module")
def found(root, tmp_path_factory):
    output = tmp_path_factory.mktemp("out")
    with pytest.warns(CemvisWarning, match="sessions are unknown"):
        return classify([root], output, replace(LONGER, features=("mulf", "micf")), command="cemvis classify"), output


def test_textures_are_told_on_specimens_that_were_left_out(found) -> None:
    result, output = found
    mulf, micf = result.results
    assert mulf.scores.accuracy > 0.9
    assert mulf.scores.chance == 0.5
    assert mulf.folds[0].split.tested_by == "specimen"
    # Nothing of a texture of 1 or 2 px is left behind a Gaussian of 10 px but its rare large voids.
    assert micf.scores.accuracy <= mulf.scores.accuracy
    assert result.comparisons[0].difference == pytest.approx(mulf.scores.accuracy - micf.scores.accuracy)
    names = [path.name for path in result.files]
    assert names == ["model_mulf.safetensors", "model_micf.safetensors", *OUTPUTS, "history.csv", *names[-3:]]
    assert sorted(path.name for path in output.iterdir()) == sorted(names)


def test_the_summary_says_all(found, root) -> None:
    result, output = found
    record = json.loads((output / "classify.json").read_text())
    assert record["maps"]["digest"] == result.maps.digest == read_map_set([root], size_px=64).digest
    assert record["maps"]["classes"][0] == {"class": "coarse", "specimens": 4, "regions": 8, "maps": 32, "sessions": []}
    assert record["results"]["mulf"]["scores"]["accuracy"] == result.results[0].scores.accuracy
    assert record["split"] == {"tested_by": "specimen", "validated_by": "specimen", "folds": 1, "seed": 0}
    assert record["warnings"] == list(result.warnings)
    assert any("sessions are unknown" in line for line in record["warnings"])
    assert any("--folds" in line for line in record["warnings"])
    assert record["command"] == "cemvis classify"


def test_tables_agree_with_the_scores(found) -> None:
    result, output = found
    mulf = result.results[0]
    predictions = pd.read_csv(output / "predictions.csv").query("features == 'mulf'")
    assert (predictions["class"] == predictions["answer"]).mean() == pytest.approx(mulf.scores.accuracy)
    assert np.allclose(predictions[["p_coarse", "p_fine"]].sum(axis=1), 1)
    confusion = pd.read_csv(output / "confusion.csv").query("features == 'mulf'")
    assert confusion["maps"].tolist() == np.ravel(mulf.scores.confusion).tolist()
    parts = pd.read_csv(output / "parts.csv")
    assert len(parts) == len(result.maps)
    kept_apart = parts.groupby(["class", "specimen"])["fold_1"].nunique()
    assert (kept_apart == 1).all()
    assert set(parts["fold_1"]) == {"train", "validation", "test"}
    scores = pd.read_csv(output / "classify.csv")
    assert scores["features"].tolist() == 3 * ["mulf"] + 3 * ["micf"]
    history = pd.read_csv(output / "history.csv")
    assert len(history) == 20
    assert history.groupby("features")["kept"].sum().tolist() == [1, 1]


def test_the_model_on_disk_gives_the_predictions_of_the_table(found) -> None:
    _, output = found
    for features, sigma in (("mulf", None), ("micf", 10.0)):
        model = load_class_model(output / f"model_{features}.safetensors")
        assert (model.features, model.sigma_px, model.classes) == (features, sigma, ("coarse", "fine"))
        table = pd.read_csv(output / "predictions.csv").query(f"features == '{features}'")
        images = [Path(file) for file in table["file"].unique()]
        asked = predict_classes(images, output / f"model_{features}.safetensors")
        assert asked.probability == pytest.approx(table[["p_coarse", "p_fine"]].to_numpy(), abs=1e-4)
        assert model.warnings


def test_the_same_seed_gives_the_same_files(root, tmp_path) -> None:
    for name in ("one", "two"):
        classify([root], tmp_path / name, STATISTICS, command="same")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


@pytest.mark.parametrize("classifier", ["forest", "svm", "knn"])
def test_learners_on_statistics_with_folds(classifier, root, tmp_path) -> None:
    config = replace(STATISTICS, classifier=classifier, folds=4)
    result = classify([root], tmp_path, config)
    scores = result.results[0].scores
    assert scores.maps == len(result.maps) == 64
    assert scores.accuracy > 0.9
    assert (scores.interval.by, scores.interval.groups) == ("specimen", 8)
    assert len(pd.read_csv(tmp_path / "parts.csv").filter(like="fold_").columns) == 4
    assert "history.csv" not in [path.name for path in tmp_path.iterdir()]


def test_shuffled_classes_are_told_by_chance(root, tmp_path) -> None:
    """The same material under two names, dealt out by specimen: what a null specimen asks."""
    images = sorted((root / "fine").rglob("*.tif"))
    rows = [f"{path},{'ab'[number // 2 % 2]},{path.parent.name},{path.name}" for number, path in enumerate(images)]
    (tmp_path / "maps.csv").write_text("\n".join(["file,class,specimen,region", *rows]))
    config = replace(STATISTICS, folds=2, classifier="svm")
    result = classify([tmp_path / "maps.csv"], tmp_path / "out", config)
    # 32 maps of 4 specimens: four standard deviations of guessing.
    assert abs(result.results[0].scores.accuracy - 0.5) < 4 * np.sqrt(0.25 / 32)


def test_features_of_the_network_into_a_learner(root, tmp_path) -> None:
    config = replace(NETWORK, classifier="knn", describe="network")
    result = classify([root], tmp_path, config)
    assert result.results[0].scores.accuracy > 0.8
    model = load_class_model(tmp_path / "model_mulf.safetensors")
    assert model.channels == (4, 8, 8, 8)
    assert model.arrays["learner.features"].shape[1] == 8
    assert model.pore_network() is not None
    assert (tmp_path / "history.csv").is_file()


def test_a_linear_head_and_a_learner_on_a_backbone_of_a_file(root, tmp_path) -> None:
    save_class_model(tmp_path / "b.safetensors", pore_class_model())
    head = replace(HEAD_TRAINING, epochs=20, stop_after=None)
    for config in (
        replace(NETWORK, classifier="backbone", head=head),
        replace(NETWORK, classifier="svm", describe="backbone"),
    ):
        output = tmp_path / config.classifier
        result = classify([root], output, replace(config, weights=tmp_path / "b.safetensors"))
        assert result.models[0].backbone == "pore-network"
        trainer = json.loads((output / "classify.json").read_text())["trainer"]
        # What trained, and nothing else, is on record: the layer by its own settings, and nothing of a learner.
        assert trainer == (asdict(config.head) if config.classifier == "backbone" else None)
        if config.classifier == "backbone":
            assert len(pd.read_csv(output / "history.csv")) == config.head.epochs
        assert result.results[0].scores.accuracy > 0.6
        image = next((root / "fine").rglob("*.tif"))
        with pytest.raises(InputError, match="no backbone is given"):
            predict_classes([image], output / "model_mulf.safetensors")
        asked = predict_classes([image], output / "model_mulf.safetensors", weights=tmp_path / "b.safetensors")
        assert asked.probability.shape == (4, 2)
    save_class_model(tmp_path / "other.safetensors", pore_class_model(seed=1))
    with pytest.raises(InputError, match="wants the backbone"):
        ClassPredictor.of(load_class_model(output / "model_mulf.safetensors"), tmp_path / "other.safetensors")


def test_a_backbone_that_knows_the_maps_is_refused(found, root, tmp_path) -> None:
    _, output = found
    config = replace(NETWORK, classifier="backbone", weights=output / "model_mulf.safetensors")
    with pytest.raises(InputError, match=r"was trained on 12 of the 16 images"):
        classify([root], tmp_path, config)
    with pytest.raises(InputError, match="--weights are for"):
        classify([root], tmp_path, replace(NETWORK, weights=output / "model_mulf.safetensors"))


def test_predictions_say_what_limits_them(found, tmp_path) -> None:
    _, output = found
    parts = pd.read_csv(output / "parts.csv")
    seen = Path(parts[parts["fold_1"] == "train"]["file"].iloc[0])
    with pytest.warns(CemvisWarning) as said:
        asked = predict_classes([seen], output / "model_mulf.safetensors", tmp_path / "p.csv")
    assert any("trained on 1 of these images" in str(each.message) for each in said)
    table = pd.read_csv(tmp_path / "p.csv")
    assert list(table) == ["region", "file", "row_px", "column_px", "answer", "p_coarse", "p_fine"]
    assert len(table) == len(asked.maps) == 4
    with pytest.raises(OutputExistsError):
        predict_classes([seen], output / "model_mulf.safetensors", tmp_path / "p.csv")
    with pytest.raises(FileAccessError, match="is not a folder"):
        predict_classes([seen], output / "none", tmp_path / "none" / "p.csv")


def test_a_model_is_not_asked_about_other_maps(found, tmp_path) -> None:
    _, output = found
    model = output / "model_mulf.safetensors"
    coarser = write_map(tmp_path / "r.tif", texture(1.0, (64, 64), 5), pixel_size_um=0.1)
    with pytest.raises(PixelSizeError, match="pixels of 100 nm, the model was trained at 52 nm"):
        predict_classes([coarser], model)
    small = write_map(tmp_path / "s.tif", texture(1.0, (60, 60), 6))
    with pytest.raises(InputError, match="smaller than a map of 64 x 64"):
        predict_classes([small], model)
    with pytest.raises(InputError, match="no image is given"):
        predict_classes([], model)


def test_outputs_and_checkpoints_are_not_replaced_unasked(root, tmp_path) -> None:
    (tmp_path / "classify.csv").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"classify.csv"):
        classify([root], tmp_path, STATISTICS)
    (tmp_path / "classify.csv").unlink()
    (tmp_path / "checkpoint_mulf_1.safetensors").write_text("mine")
    with pytest.raises(OutputExistsError, match="--resume"):
        classify([root], tmp_path, STATISTICS)


def test_a_stopped_training_goes_on_to_the_same_files(root, tmp_path) -> None:
    config = replace(NETWORK, trainer=replace(QUICK, epochs=3))
    classify([root], tmp_path / "whole", config, command="same")

    def stop(stage: str, done: int, steps: int) -> None:
        if stage.startswith("training") and done == steps // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        classify([root], tmp_path / "parts", config, command="same", progress=stop)
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["checkpoint_mulf_1.safetensors"]
    classify([root], tmp_path / "parts", replace(config, resume=True), command="same")
    for path in (tmp_path / "whole").iterdir():
        assert path.read_bytes() == (tmp_path / "parts" / path.name).read_bytes(), path.name
    assert len(list((tmp_path / "parts").iterdir())) == len(list((tmp_path / "whole").iterdir()))


def test_bad_settings_and_classes(root, tmp_path) -> None:
    with pytest.raises(InputError, match="features is"):
        ClassifyConfig(features=("mulf", "mulf"))
    one = shutil.copytree(root / "fine", tmp_path / "one" / "fine")
    with pytest.raises(InputError, match="all maps are of one class"):
        classify([one.parent], tmp_path / "out", STATISTICS)
    write_map(tmp_path / "one" / "few" / "r.tif", texture(3.0, (64, 128), 77))
    with pytest.raises(InputError, match="class 'few' has 2 maps of 64 x 64 px; wanted at least 3"):
        classify([tmp_path / "one"], tmp_path / "out", STATISTICS)
    write_map(tmp_path / "one" / "few" / "q.tif", texture(3.0, (64, 128), 78))
    with pytest.raises(InputError, match="class 'few' has 2 regions; wanted at least 3"):
        classify([tmp_path / "one"], tmp_path / "out", STATISTICS)
    assert not (tmp_path / "out").exists()


def test_stored_maps_are_the_maps_and_leave_nothing(root, tmp_path) -> None:
    maps = read_map_set([root], size_px=64)
    chosen = np.array([17, 3, 40])
    with stored_maps(maps, tmp_path, features="micf") as levels:
        assert np.array_equal(levels(chosen), maps.levels(chosen, sigma_px=10.0))
        assert list(tmp_path.iterdir()) == []  # so that a killed run leaves nothing either


def test_a_full_disk_is_one_clear_line(root, tmp_path) -> None:
    resource = pytest.importorskip("resource")
    maps = read_map_set([root], size_px=64)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(FileAccessError, match="cannot write to"), stored_maps(maps, tmp_path, features="mulf"):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_goes_wrong_beside_the_store_is_not_blamed_on_it(root, tmp_path) -> None:
    maps = read_map_set([root], size_px=64)
    with pytest.raises(OSError, match="another file") as said, stored_maps(maps, tmp_path, features="mulf"):
        raise OSError("another file")
    assert not isinstance(said.value, FileAccessError)
