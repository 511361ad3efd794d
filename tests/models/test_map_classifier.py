from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from cemvis.errors import InputError
from cemvis.models.calibration_curve import probabilities
from cemvis.models.map_classifier import (
    MAP_TRAINING,
    network_features,
    network_scores,
    settle,
    train_head,
    train_pore_network,
    weighted_cross_entropy,
)
from cemvis.models.map_classifier_learners import LEARNERS, Learner
from cemvis.models.map_classifier_statistics import STATISTICS, map_statistics
from cemvis.models.map_examples import MapExamples, as_input, symmetry
from cemvis.models.pore_network import PoreNetwork
from npm_maps import texture

CHANNELS = (4, 8, 8, 8)
QUICK = replace(MAP_TRAINING, epochs=6, batch=6, learning_rate=5e-3, stop_after=None, device="cpu")
LABELS = np.arange(120) % 2
TRAIN, VALIDATION, TEST = np.arange(60), np.arange(60, 80), np.arange(80, 120)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Small networks are slower on several threads, and far slower where cores are shared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def textures() -> np.ndarray:
    """Maps of two textures of one histogram: correlation lengths of 1 and 2 px."""
    return np.stack([texture(1.0 + label, (64, 64), 1000 + index) for index, label in enumerate(LABELS)])


@pytest.fixture(scope="module")
def trained(textures):
    arguments = {"classes": 2, "size_px": 64, "config": QUICK, "channels": CHANNELS}
    return train_pore_network(lambda i: textures[i], LABELS, TRAIN, VALIDATION, **arguments)


def test_textures_of_another_length_are_learnt(textures, trained) -> None:
    scores = network_scores(trained.network, lambda i: textures[i], TEST)
    assert scores.shape == (40, 2)
    assert np.mean(scores.argmax(axis=1) == LABELS[TEST]) > 0.9


def test_shuffled_labels_stay_at_chance(textures) -> None:
    shuffled = np.random.default_rng(3).permutation(LABELS)
    arguments = {"classes": 2, "size_px": 64, "config": replace(QUICK, epochs=4), "channels": CHANNELS}
    found = train_pore_network(lambda i: textures[i], shuffled, TRAIN, VALIDATION, **arguments)
    right = network_scores(found.network, lambda i: textures[i], TEST).argmax(axis=1) == shuffled[TEST]
    # Four standard deviations of guessing 40 times.
    assert abs(right.mean() - 0.5) < 4 * np.sqrt(0.25 / 40)


def test_the_seed_decides_the_weights(textures) -> None:
    few, held = np.arange(8), np.arange(8, 12)

    def weights(seed: int) -> torch.Tensor:
        config = replace(QUICK, epochs=1, batch=4, seed=seed)
        arguments = {"classes": 2, "size_px": 64, "config": config, "channels": CHANNELS}
        return train_pore_network(lambda i: textures[i], LABELS, few, held, **arguments).network.layers()[0].weight

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_scores_do_not_depend_on_the_batch_and_weigh_the_features(textures, trained) -> None:
    network = trained.network
    scores = network_scores(network, lambda i: textures[i], TEST, batch=7)
    assert scores == pytest.approx(network_scores(network, lambda i: textures[i], TEST, batch=40), rel=1e-4, abs=1e-4)
    features = network_features(network, lambda i: textures[i], TEST)
    last = network.layers()[-1]
    by_hand = features @ last.weight.detach().double().numpy().T + last.bias.detach().double().numpy()
    assert scores == pytest.approx(by_hand, rel=1e-4, abs=1e-4)


def test_batch_normalisation_is_settled_by_the_weights_as_they_are(textures) -> None:
    torch.manual_seed(0)
    network = PoreNetwork(2, CHANNELS).to(memory_format=torch.channels_last)
    norm = network.layers()[1]
    norm.running_mean.fill_(9.0)
    settle(network, MapExamples(lambda i: textures[i], TRAIN, LABELS), device=torch.device("cpu"))
    with torch.inference_mode():
        through = network.layers()[0](torch.from_numpy(as_input(textures[TRAIN])))
    # 60 maps in batches of 8 or 9: their mean weighs them but for that alike.
    assert norm.running_mean.numpy() == pytest.approx(through.mean((0, 2, 3)).numpy(), rel=0.02, abs=1e-4)
    assert norm.momentum == 0.1
    assert not network.training


def test_classes_weigh_alike_however_many_maps_they_have() -> None:
    loss = weighted_cross_entropy(np.array([0, 0, 0, 1]), 2)
    scores = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    value = float(loss(torch.nn.Identity(), (scores, torch.tensor([0, 0, 0, 1]))))
    of_zero, of_one = np.log1p(np.exp(-1.0)), np.log1p(np.exp(-2.0))
    assert value == pytest.approx((of_zero + of_one) / 2)
    with pytest.raises(InputError, match="class number 3 has no map"):
        weighted_cross_entropy(np.array([0, 1]), 3)


def test_maps_too_small_for_the_network_are_refused(textures) -> None:
    with pytest.raises(InputError, match="at least 64 px"):
        train_pore_network(lambda i: textures[i], LABELS, TRAIN, VALIDATION, classes=2, size_px=48)


def test_a_killed_training_goes_on(textures, tmp_path) -> None:
    few, held = np.arange(8), np.arange(8, 12)
    arguments = {"classes": 2, "size_px": 64, "channels": CHANNELS}
    config = replace(QUICK, epochs=2, batch=4, checkpoint_every_s=0.0)

    def train(**more):
        found = train_pore_network(lambda i: textures[i], LABELS, few, held, config=config, **arguments, **more)
        return found.network.layers()[0].weight

    def stop(moment) -> None:
        if moment.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(checkpoint=tmp_path / "c.safetensors", progress=stop)
    assert torch.equal(train(checkpoint=tmp_path / "c.safetensors"), train())


def test_statistics_by_hand() -> None:
    image = np.zeros((32, 32), np.uint8)
    image[:, ::2] = 255
    found = dict(zip(STATISTICS, map_statistics(lambda i: image[None][i], np.array([0]))[0], strict=True))
    assert found["porosity"] == 0.5
    assert found["porosity_sd"] == 0.5
    # Ring 1 is the four neighbours at 1 and the four at sqrt(2): of the half plane, down, right and two diagonals.
    right, down, diagonal = 32 * 31, 31 * 32, 31 * 31
    differing = (right + 2 * diagonal) / (right + down + 2 * diagonal)
    assert found["difference_r1"] == pytest.approx(differing)
    assert found["square_r1"] == pytest.approx(differing)
    assert found["equal_r1"] == pytest.approx(1 - differing)


def test_statistics_do_not_change_under_symmetries(textures) -> None:
    turned = np.stack([symmetry(textures[0], which) for which in range(8)])
    found = map_statistics(lambda i: turned[i], np.arange(8), threads=1)
    assert found == pytest.approx(np.repeat(found[:1], 8, axis=0), rel=1e-9)
    with pytest.raises(InputError, match="more than 16 px"):
        map_statistics(lambda i: turned[i, :16, :16], np.arange(1))


@pytest.mark.parametrize("kind", LEARNERS)
def test_learners_tell_textures_by_statistics(kind, textures) -> None:
    features = map_statistics(lambda i: textures[i], np.arange(120), threads=1)
    learner = Learner(kind, features[TRAIN], LABELS[TRAIN], seed=0)
    scores = learner.scores(features[TEST])
    assert np.mean(scores.argmax(axis=1) == LABELS[TEST]) > 0.9
    assert probabilities(scores).min() > 0
    shuffled = np.random.default_rng(4).permutation(LABELS)
    guessing = Learner(kind, features[TRAIN], shuffled[TRAIN], seed=0).scores(features[TEST]).argmax(axis=1)
    assert abs(np.mean(guessing == shuffled[TEST]) - 0.5) < 4 * np.sqrt(0.25 / 40)


@pytest.mark.parametrize("kind", LEARNERS)
def test_learners_of_three_classes(kind) -> None:
    labels = np.arange(60) % 3
    features = np.random.default_rng(0).normal(size=(60, 4)) * 0.1 + labels[:, None]
    features[:, 3] = 7.0
    learner = Learner(kind, features, labels, seed=0)
    scores = learner.scores(features + 0.01)
    assert scores.shape == (60, 3)
    assert np.mean(scores.argmax(axis=1) == labels) > 0.95


def test_learners_refuse_what_they_cannot_learn_from() -> None:
    features = np.zeros((4, 2))
    with pytest.raises(InputError, match="unknown"):
        Learner("boost", features, np.array([0, 1, 0, 1]), seed=0)
    with pytest.raises(InputError, match="of 1 classes"):
        Learner("knn", features, np.zeros(4, np.intp), seed=0)
    with pytest.raises(InputError, match="finite"):
        Learner("knn", features + np.nan, np.array([0, 1, 0, 1]), seed=0)


def test_a_linear_head_on_features() -> None:
    labels = np.arange(90) % 3
    features = np.random.default_rng(0).normal(size=(90, 5)) * 0.3 + np.eye(3, 5)[labels] * 2
    config = replace(QUICK, epochs=30, learning_rate=0.05)
    head, history = train_head(features, labels, np.arange(60), np.arange(60, 75), classes=3, config=config)
    answers = head(torch.from_numpy(features[75:]).float()).argmax(1).numpy()
    assert np.mean(answers == labels[75:]) > 0.9
    assert len(history.epochs) == 30
