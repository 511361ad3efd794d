from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from areas import PIXEL_UM, WINDOW_PX, WINDOW_UM, make_area
from cemvis.errors import CoverageWarning, FileAccessError, InputError, OutputExistsError, TrainingError
from cemvis.models.model_file import load_model
from cemvis.models.trainer_config import TrainerConfig
from cemvis.workflows.pairs import Area
from cemvis.workflows.resnet_training import ResNetConfig
from cemvis.workflows.train import TrainConfig, train
from networks import one_torch_thread

QUICK = TrainerConfig(epochs=2, batch=16, learning_rate=2e-3, schedule="one-cycle", device="cpu")
CONFIG = TrainConfig(
    network="resnet", resnet=ResNetConfig(stem_pool=True, trainer=QUICK), window_um=WINDOW_UM, seed=3, threads=2
)
DENSE = replace(CONFIG, resnet=ResNetConfig(pooled=1, trainer=replace(QUICK, epochs=1)))


@pytest.fixture(scope="module", autouse=True)
def _one_torch_thread() -> Iterator[None]:
    with one_torch_thread():
        yield


@pytest.fixture(scope="module")
def area(tmp_path_factory) -> Area:
    """Eight batches of 6 x 6 indents."""
    folder = tmp_path_factory.mktemp("paste") / "one"
    make_area(folder, seed=1, grid=(2, 4))
    return Area.in_folder(folder)


@pytest.fixture(scope="module")
def trained(area, tmp_path_factory):
    with pytest.warns(CoverageWarning, match="90% needs at least 9"):
        return train([area], tmp_path_factory.mktemp("out") / "paste.safetensors", CONFIG, command="cemvis train one")


def stop_at(step: int):
    """Return a progress function that stops a training as Ctrl-C does."""

    def progress(moment) -> None:
        if moment.step == step:
            raise KeyboardInterrupt

    return progress


def test_the_model_holds_one_network_for_all_properties(trained) -> None:
    model = load_model(trained.files.model)
    network = model.window_network
    assert network is not None
    assert network.targets == ("modulus", "hardness")
    assert all(one.fitted is network for one in model.properties)
    assert (network.layout.window, network.layout.padding, network.layout.spread) == (WINDOW_PX, "zero", True)
    assert (model.window_um, model.pixel_size_um) == (WINDOW_UM, PIXEL_UM)
    assert not trained.files.checkpoint.exists()


def test_it_learns_and_is_judged_on_every_set(trained) -> None:
    history = pd.read_csv(trained.files.history)
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]
    for one in load_model(trained.files.model).properties:
        assert one.metrics.by_batch.test.n == 36
        assert one.metrics.by_batch.validation.n == 36
        assert 0 < one.metrics.random.test.n < one.metrics.random.train.n


def test_every_file_is_there_and_says_the_same(trained) -> None:
    files = trained.files
    assert all(path.stat().st_size for path in files.all)
    record = json.loads(files.metrics_json.read_text())
    said = record["network_training"]
    history = pd.read_csv(files.history)
    assert list(history["epoch"]) == [1, 2]
    assert history.loc[history["validation_loss"].idxmin(), "epoch"] == said["best_epoch"]
    assert list(history["best"]).count(1) == 1
    all_pairs = sum(one["pairs"] for one in record["areas"])
    assert sum(said["pairs_in"].values()) + said["left_out_by_the_guard"] == all_pairs
    assert said["trainer"]["seed"] == 3
    assert said["layout"]["window"] == WINDOW_PX
    assert record["model_sha256"] == load_model(files.model).digest
    coverage = pd.read_csv(files.coverage_csv)
    assert set(coverage.columns) >= {"property", "coverage", "mean_width_gpa"}


def test_the_same_seed_gives_the_same_file_and_a_stopped_run_does_too(trained, area, tmp_path) -> None:
    output = tmp_path / "paste.safetensors"
    steps = []
    with pytest.raises(KeyboardInterrupt):
        train(
            [area], output,
            replace(CONFIG, resnet=replace(CONFIG.resnet, trainer=replace(QUICK, checkpoint_every_s=1e-9))),
            progress=lambda moment: (steps.append(moment.step), stop_at(5)(moment)),
        )  # fmt: skip
    assert steps[-1] == 5
    checkpoint = tmp_path / "paste.checkpoint.safetensors"
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.name]
    with pytest.raises(OutputExistsError, match=r"--resume.*--overwrite"):
        train([area], output, CONFIG)
    other = replace(CONFIG, resnet=replace(CONFIG.resnet, resume=True, trainer=replace(QUICK, learning_rate=3e-3)))
    with pytest.raises(InputError, match=r"trainer\.learning_rate was 0\.002, is 0\.003"):
        train([area], output, other)
    again = replace(CONFIG, resnet=replace(CONFIG.resnet, resume=True))
    with pytest.warns(CoverageWarning):
        resumed = train([area], output, again, progress=lambda moment: steps.append(moment.step))
    assert steps[5] == 5  # step 5 had not got into a checkpoint when it was stopped
    assert resumed.files.model.read_bytes() == trained.files.model.read_bytes()
    assert resumed.files.history.read_bytes() == trained.files.history.read_bytes()
    assert not checkpoint.exists()


def test_a_network_with_surroundings_leaves_out_what_reaches_over_the_border(tmp_path) -> None:
    make_area(tmp_path / "few", seed=1, grid=(1, 4))
    area, seen = Area.in_folder(tmp_path / "few"), []
    with pytest.warns(CoverageWarning):
        result = train([area], tmp_path / "d.safetensors", DENSE, on_area=lambda pairs, _: seen.append(pairs))
    table = pd.read_csv(area.indents)
    corner = (
        np.floor(table[["y_um", "x_um"]].to_numpy() / PIXEL_UM - (WINDOW_PX - 1) / 2 + 0.5) + (WINDOW_PX - 109) // 2
    )
    inside = ((corner >= 0) & (corner + 109 <= np.array([240, 840]))).all(axis=1)
    assert 0 < seen[0].at_border == np.count_nonzero(~inside)
    said = json.loads(result.files.metrics_json.read_text())["network_training"]
    assert said["left_out_by_the_guard"] > 0
    assert load_model(result.files.model).window_network.layout.padding == "none"


def test_training_that_diverges_says_so(area, tmp_path) -> None:
    trainer = replace(QUICK, learning_rate=1e30, schedule="constant")
    with pytest.raises(TrainingError, match="lower --learning-rate than 1e\\+30"):
        train([area], tmp_path / "d.safetensors", replace(CONFIG, resnet=ResNetConfig(trainer=trainer)))


def test_what_cannot_be_trained_is_refused(area, tmp_path) -> None:
    output = tmp_path / "d.safetensors"
    with pytest.raises(InputError, match=r"30 px is 3 samples wide .* smaller --downsample"):
        train([area], output, replace(CONFIG, resnet=ResNetConfig(downsample=10)))
    with pytest.raises(InputError, match="device 'cuda:99' is not there; this machine has cpu"):
        train([area], output, replace(CONFIG, resnet=ResNetConfig(trainer=replace(QUICK, device="cuda:99"))))
    with pytest.raises(InputError, match="the window of every indent, or the 1090 px that the network reads"):
        train([area], output, replace(CONFIG, resnet=ResNetConfig(downsample=10, pooled=1)))
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_outlives_a_start_that_fails(area, tmp_path) -> None:
    checkpoint = tmp_path / "d.checkpoint.safetensors"
    checkpoint.write_bytes(b"hours of work")
    lost = replace(CONFIG, resnet=ResNetConfig(trainer=replace(QUICK, device="cuda:99")))
    with pytest.raises(InputError, match="cuda:99"):
        train([area], tmp_path / "d.safetensors", lost, overwrite=True)
    with pytest.raises(FileAccessError):
        train(
            [Area("none", tmp_path / "no.tif", tmp_path / "no.csv")], tmp_path / "d.safetensors", CONFIG, overwrite=True
        )
    assert checkpoint.read_bytes() == b"hours of work"


def test_an_odd_pair_is_no_step_of_its_own(tmp_path) -> None:
    make_area(tmp_path / "one", seed=4, grid=(1, 3))
    config = replace(DENSE, resnet=ResNetConfig(pooled=1, trainer=replace(DENSE.resnet.trainer, batch=2)))
    moments = []

    def stop(moment) -> None:
        moments.append(moment)
        if moment.step == moment.steps:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train([Area.in_folder(tmp_path / "one")], tmp_path / "d.safetensors", config, progress=stop)
    assert all(np.isfinite(one.train_loss) for one in moments)


def test_one_batch_cannot_be_split(tmp_path) -> None:
    make_area(tmp_path / "one", grid=(1, 2))
    table = pd.read_csv(tmp_path / "one" / "indents.csv")
    table.assign(batch="b0").to_csv(tmp_path / "one" / "indents.csv", index=False)
    with pytest.raises(InputError, match="all pairs are of one batch; wanted at least 2"):
        train([Area.in_folder(tmp_path / "one")], tmp_path / "d.safetensors", CONFIG)
