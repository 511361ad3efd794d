from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from cemvis.errors import InputError, TrainingError
from cemvis.models.history import History
from cemvis.models.trainer import Moment, fit
from cemvis.models.trainer_config import TrainerConfig

CONFIG = TrainerConfig(epochs=4, batch=8, learning_rate=3e-3, device="cpu")
SCHEDULES = ("plateau", "one-cycle", "constant")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Networks as small as these are not worth two threads, which wait for each other where cores are busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Images:
    """Noise on 8 x 8 px whose brightness is the target; augmentation adds noise of its own."""

    def __init__(self, count: int, *, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.targets = rng.normal(0, 1, (count, 1)).astype(np.float32)
        self.images = (self.targets[:, :, None, None] + rng.normal(0, 1, (count, 1, 8, 8))).astype(np.float32)
        self.asked: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self.targets)

    def batch(self, indices: np.ndarray, rng: np.random.Generator | None) -> tuple[np.ndarray, ...]:
        self.asked.append(indices)
        images = self.images[indices]
        if rng is not None:
            images = (images + rng.normal(0, 0.3, images.shape)).astype(np.float32)
        return images, self.targets[indices]


def small_network() -> nn.Module:
    torch.manual_seed(5)
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, stride=2), nn.ReLU(), nn.Flatten()),
        *(nn.Dropout(0.3), nn.Linear(16, 1)),
    )


def squared(network: nn.Module, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
    images, targets = batch
    return ((network(images) - targets) ** 2).mean()


TRAIN, VALIDATION = Images(42, seed=1), Images(15, seed=2)


def trained(config: TrainerConfig = CONFIG, **options) -> tuple[dict[str, torch.Tensor], History]:
    network = small_network()
    history = fit(network, squared, TRAIN, VALIDATION, config, **options)
    assert not network.training
    return network.state_dict(), history


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def at_step(step: int, act: Callable[[], None]) -> Callable[[Moment], None]:
    def watch(moment: Moment) -> None:
        if moment.step == step:
            act()

    return watch


def raise_interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_same_seed_gives_the_same_weights(schedule) -> None:
    config = replace(CONFIG, schedule=schedule)
    (one, history), (other, again) = trained(config), trained(config)
    assert same(one, other)
    assert history == again
    changed, _ = trained(replace(config, seed=1))
    assert not same(one, changed)


def test_training_learns_and_is_no_plain_gradient_descent_by_hand() -> None:
    _, history = trained(replace(CONFIG, epochs=12, schedule="constant"))
    assert [one.epoch for one in history.epochs] == list(range(1, 13))
    assert history.epochs[-1].train_loss < 0.6 * history.epochs[0].train_loss
    assert history.best.validation_loss < 0.6 * history.epochs[0].validation_loss


def test_a_pass_shows_every_example_once_in_steps_of_nearly_equal_size() -> None:
    train = Images(42, seed=1)
    seen: list[Moment] = []
    fit(small_network(), squared, train, VALIDATION, replace(CONFIG, epochs=2), progress=seen.append)
    first, second = train.asked[:6], train.asked[6:]
    for parts in (first, second):
        assert [len(part) for part in parts] == [7] * 6
        assert sorted(np.concatenate(parts)) == list(range(42))
    assert not np.array_equal(np.concatenate(first), np.concatenate(second))
    assert [(one.epoch, one.step, one.steps) for one in seen] == [(1 + n // 6, n + 1, 12) for n in range(12)]
    assert seen[5].validation_loss is None
    assert seen[6].validation_loss is not None


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("step", [1, 7, 24])
def test_a_run_that_was_killed_goes_on_to_the_same_bits(schedule, step, tmp_path) -> None:
    config = replace(CONFIG, schedule=schedule, checkpoint_every_s=0.0)
    whole, history = trained(config)
    path = tmp_path / "run.safetensors"
    with pytest.raises(KeyboardInterrupt):  # at once, without a last checkpoint
        trained(config, checkpoint=path, progress=at_step(step, raise_interrupt))
    assert path.exists() == (step > 1)
    continued, again = trained(config, checkpoint=path)
    assert same(whole, continued)
    assert history == again


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("step", [6, 9])
def test_ctrl_c_writes_a_checkpoint_and_stops_after_the_step(schedule, step, tmp_path) -> None:
    config = replace(CONFIG, schedule=schedule)
    whole, history = trained(config)
    path = tmp_path / "run.safetensors"
    before = signal.getsignal(signal.SIGINT)
    steps: list[int] = []

    def watch(moment: Moment) -> None:
        steps.append(moment.step)
        if moment.step == step:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        trained(config, checkpoint=path, progress=watch)
    assert signal.getsignal(signal.SIGINT) is before
    assert steps == list(range(1, step + 1))
    continued, again = trained(config, checkpoint=path, progress=lambda moment: steps.append(moment.step))
    assert steps == list(range(1, 25))
    assert same(whole, continued)
    assert history == again


def test_a_second_ctrl_c_stops_at_once(tmp_path) -> None:
    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    path = tmp_path / "run.safetensors"
    with pytest.raises(KeyboardInterrupt):
        trained(checkpoint=path, progress=at_step(2, twice))
    assert not path.exists()


def test_a_run_that_was_killed_twice_goes_on_too(tmp_path) -> None:
    config = replace(CONFIG, checkpoint_every_s=0.0)
    whole, history = trained(config)
    path = tmp_path / "run.safetensors"
    for step in (4, 5, 15):
        with pytest.raises(KeyboardInterrupt):
            trained(config, checkpoint=path, progress=at_step(step, raise_interrupt))
    continued, again = trained(config, checkpoint=path)
    assert same(whole, continued)
    assert history == again


def test_a_finished_run_is_not_trained_again(tmp_path) -> None:
    path = tmp_path / "run.safetensors"
    whole, history = trained(checkpoint=path)
    bytes_before = path.read_bytes()
    steps: list[Moment] = []
    again, same_history = trained(checkpoint=path, progress=steps.append)
    assert steps == []
    assert same(whole, again)
    assert history == same_history
    assert path.read_bytes() == bytes_before


def test_outside_the_main_thread_ctrl_c_is_left_alone() -> None:
    found = []
    worker = threading.Thread(target=lambda: found.append(trained()))
    worker.start()
    worker.join()
    assert same(found[0][0], trained()[0])


def test_the_weights_of_the_best_epoch_are_kept() -> None:
    config = replace(CONFIG, epochs=9, learning_rate=0.05, schedule="constant")
    network = small_network()
    history = fit(network, squared, TRAIN, VALIDATION, config)
    best = history.best
    assert 1 < best.epoch < 9  # neither end would prove anything
    assert best.validation_loss == min(one.validation_loss for one in history.epochs)
    with torch.inference_mode():
        images, targets = map(torch.from_numpy, VALIDATION.batch(np.arange(15), None))
        loss = float(squared(network, (images, targets)))
    assert loss == pytest.approx(best.validation_loss, rel=1e-5)
    shorter = fit(small_network(), squared, TRAIN, VALIDATION, replace(config, epochs=best.epoch))
    assert shorter.epochs == history.epochs[: best.epoch]


def falling_until(epoch: int) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], torch.Tensor]:
    """Return a loss whose validation value falls by 0.1 an epoch and stays the same from `epoch` on."""
    validations = iter(range(1, 10_000))

    def loss(network: nn.Module, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        nothing = network(batch[0]).sum() * 0.0
        return nothing + 1.0 if network.training else nothing + 10.0 - 0.1 * min(next(validations), epoch)

    return loss


@pytest.mark.parametrize("learning_rate", [1e-3, 1e-7])
def test_the_rate_falls_after_exactly_five_epochs_that_were_no_better(learning_rate) -> None:
    config = replace(CONFIG, epochs=16, learning_rate=learning_rate)
    history = fit(small_network(), falling_until(3), TRAIN, Images(5, seed=3), config)
    assert history.best.epoch == 3
    # Epochs 4 to 8 are no better than the third, 9 to 13 neither.
    expected = [1.0] * 8 + [0.9] * 5 + [0.81] * 3
    rates = [one.learning_rate / learning_rate for one in history.epochs]
    np.testing.assert_allclose(rates, expected, rtol=1e-12)


def test_one_cycle_rises_to_the_rate_and_falls_to_almost_nothing() -> None:
    _, history = trained(replace(CONFIG, epochs=10, schedule="one-cycle"))
    rates = [one.learning_rate for one in history.epochs]
    assert max(rates) == pytest.approx(CONFIG.learning_rate, rel=0.02)
    assert rates.index(max(rates)) == 2  # after 30 % of all steps
    assert rates[-1] < 1e-3 * CONFIG.learning_rate


def test_training_stops_once_nothing_gets_better_and_a_restart_knows_it(tmp_path) -> None:
    config = replace(CONFIG, epochs=30, stop_after=4)
    path = tmp_path / "run.safetensors"
    history = fit(small_network(), falling_until(6), TRAIN, Images(5, seed=3), config, checkpoint=path)
    assert len(history.epochs) == 10
    assert fit(small_network(), falling_until(6), TRAIN, Images(5, seed=3), config, checkpoint=path) == history


@pytest.mark.parametrize("where", ["training", "validation"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_diverged_training_is_one_line_and_leaves_the_last_good_checkpoint(where, value, tmp_path) -> None:
    path = tmp_path / "run.safetensors"
    calls = iter(range(10_000))

    def loss(network: nn.Module, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        bad = next(calls) >= 16 and network.training == (where == "training")  # 6 + 2 calls an epoch
        return squared(network, batch) * (value if bad else 1.0)

    before = TrainerConfig(**{**CONFIG.__dict__, "epochs": 4})
    with pytest.raises(
        TrainingError, match=r"training has diverged; try a lower --learning-rate than 0\.003"
    ) as caught:
        fit(small_network(), loss, TRAIN, VALIDATION, before, checkpoint=path)
    assert "epoch 3" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == [path]
    seen: list[Moment] = []
    trained(before, checkpoint=path, progress=seen.append)
    assert seen[0].epoch == 3


def test_weight_decay_is_adamw() -> None:
    plain, _ = trained()
    decayed, _ = trained(replace(CONFIG, weight_decay=0.1))
    assert sum(float(each.norm()) for each in decayed.values() if each.ndim == 4) < sum(
        float(each.norm()) for each in plain.values() if each.ndim == 4
    )


@pytest.mark.parametrize(("train", "validation"), [(1, 5), (0, 5), (5, 0)])
def test_too_few_examples_are_refused(train, validation) -> None:
    with pytest.raises(InputError, match=rf"{train} examples to train on, {validation} to validate on; wanted"):
        fit(small_network(), squared, Images(train, seed=1), Images(validation, seed=2), CONFIG)


@pytest.mark.parametrize("device", ["cuda:63", "tpu", "", "cuda:x", "cpu:1"])
def test_a_device_that_is_not_there_is_one_line(device) -> None:
    with pytest.raises(InputError, match=f"device '{device}' is not there; this machine has cpu"):
        trained(replace(CONFIG, device=device))


def test_trainings_of_different_precision_follow_each_other() -> None:
    full, _ = trained()
    rounded, _ = trained(replace(CONFIG, precision="bf16"))
    again, _ = trained()
    assert same(full, again)
    assert not same(full, rounded)
    assert all(each.dtype == full[name].dtype for name, each in rounded.items())


def test_half_precision_that_the_cpu_does_not_train_in_is_refused() -> None:
    with pytest.raises(InputError, match="precision fp16 needs a GPU; wanted bf16 or no on the CPU"):
        trained(replace(CONFIG, precision="fp16"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs is 0; wanted a whole number from 1"),
        ({"batch": 1}, "batch is 1; wanted a whole number from 2"),
        ({"epochs": 2.5}, "epochs is 2.5; wanted a whole number"),
        ({"stop_after": 0}, "stop_after is 0; wanted a whole number from 1"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"plateau_factor": 1.0}, "plateau_factor 1.0"),
        ({"weight_decay": -1.0}, "weight_decay -1.0"),
        ({"weight_decay": float("nan")}, "weight_decay nan"),
        ({"schedule": "cosine"}, "schedule is 'cosine'; wanted one of plateau, one-cycle, constant"),
        ({"precision": "int8"}, "precision is 'int8'; wanted one of no, bf16, fp16"),
    ],
)
def test_impossible_settings_are_refused(change, message) -> None:
    with pytest.raises(InputError, match=message):
        TrainerConfig(**change)


TWO_PROCESSES = """
import json, os, signal
from pathlib import Path
import numpy as np, torch
from cemvis.models.trainer import fit
from cemvis.models.trainer_config import TrainerConfig

class Points:
    def __init__(self, count, seed):
        rng = np.random.default_rng(seed)
        self.x = rng.normal(size=(count, 5)).astype(np.float32)
        self.y = (self.x.sum(1, keepdims=True) ** 2).astype(np.float32)
    def __len__(self):
        return len(self.x)
    def batch(self, indices, rng):
        return self.x[indices], self.y[indices]

torch.set_num_threads(1)
torch.manual_seed(int(os.environ.get("RANK", "0")))  # the weights of the first process are those of all
network = torch.nn.Sequential(torch.nn.Linear(5, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
loss = lambda network, batch: ((network(batch[0]) - batch[1]) ** 2).mean()
config = TrainerConfig(epochs=3, batch=8, learning_rate=1e-2, device="cpu")

def stop(moment):
    if str(moment.step) == os.environ.get("STOP"):
        os.kill(os.getpid(), signal.SIGINT)

checkpoint = Path(os.environ["CHECKPOINT"]) if "CHECKPOINT" in os.environ else None
try:
    history = fit(network, loss, Points(43, 1), Points(11, 2), config, checkpoint=checkpoint, progress=stop)
except KeyboardInterrupt:
    print(json.dumps("stopped"))
    raise SystemExit
print(json.dumps([*[[one.train_loss, one.validation_loss] for one in history.epochs], network[0].weight.tolist()[0]]))
"""


def launched(**environment: str) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    clean |= {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1", **environment}
    return subprocess.Popen([sys.executable, "-c", TWO_PROCESSES], env=clean, stdout=subprocess.PIPE, text=True)


def run_together(*environments: dict[str, str]) -> list[list[list[float]] | str]:
    runs = [launched(**environment) for environment in environments]
    return [json.loads(run.communicate(timeout=120)[0].splitlines()[-1]) for run in runs]


def two_processes(**both: str) -> list[dict[str, str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "ACCELERATE_USE_CPU": "1", **both}
    return [world | {"RANK": rank, "LOCAL_RANK": rank} for rank in ("0", "1")]


def test_two_processes_stop_together_and_train_like_one(tmp_path) -> None:
    checkpoint = str(tmp_path / "run.safetensors")
    first, second = two_processes(CHECKPOINT=checkpoint)
    assert run_together(first, second | {"STOP": "8"}) == ["stopped", "stopped"]
    # 43 examples are steps of 8 and 7, of which the processes get shares of different size.
    alone, one, other = run_together({}, *two_processes(CHECKPOINT=checkpoint))
    assert one == other
    for expected, found in zip(alone, one, strict=True):
        np.testing.assert_allclose(expected, found, rtol=1e-5)
