from __future__ import annotations

import json
import struct
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from cemvis.errors import FileAccessError, InputError, ModelFileError
from cemvis.models.map_classifier_file import load_any_model, load_class_model, save_class_model
from cemvis.models.map_classifier_model import ClassModel
from cemvis.models.map_classifier_predict import ClassPredictor
from cemvis.models.model_file import embedded_model, load_model, save_model
from class_models import learner_class_model, pore_class_model


def same(one: ClassModel, other: ClassModel) -> bool:
    plain = [each.name for each in fields(ClassModel) if each.name not in ("arrays", "digest")]
    arrays = one.arrays.keys() == other.arrays.keys() and all(
        np.array_equal(one.arrays[name], other.arrays[name]) for name in one.arrays
    )
    return arrays and all(getattr(one, name) == getattr(other, name) for name in plain)


@pytest.mark.parametrize("model", [pore_class_model(), learner_class_model()], ids=["network", "learner"])
def test_what_was_saved_is_what_is_read(model, tmp_path) -> None:
    save_class_model(tmp_path / "m.safetensors", model)
    again = load_class_model(tmp_path / "m.safetensors")
    assert same(model, again)
    assert len(again.digest) == 64
    save_class_model(tmp_path / "n.safetensors", model)
    assert (tmp_path / "m.safetensors").read_bytes() == (tmp_path / "n.safetensors").read_bytes()


def test_the_network_answers_as_before(tmp_path) -> None:
    model = pore_class_model()
    save_class_model(tmp_path / "m.safetensors", model)
    maps = torch.rand(3, 1, 32, 32)
    with torch.inference_mode():
        assert torch.equal(
            load_class_model(tmp_path / "m.safetensors").pore_network()(maps), model.pore_network()(maps)
        )


@pytest.mark.parametrize("kind", ["forest", "svm", "knn"])
def test_a_learner_is_fitted_again_to_the_same_answers(kind, tmp_path) -> None:
    model = learner_class_model(kind)
    save_class_model(tmp_path / "m.safetensors", model)
    asked = np.random.default_rng(2).normal(size=(30, 22)) + 1.5
    before = ClassPredictor(model).scores_of_features(asked)
    assert before.shape == (30, 2)
    assert len(np.unique(before)) > 3
    assert np.array_equal(
        ClassPredictor(load_class_model(tmp_path / "m.safetensors")).scores_of_features(asked), before
    )


def test_each_kind_of_model_is_told_from_the_other(tmp_path) -> None:
    ours, other = tmp_path / "class.safetensors", tmp_path / "table.safetensors"
    save_class_model(ours, pore_class_model())
    save_model(other, embedded_model("table"))
    with pytest.raises(ModelFileError, match="cemvis classify --model"):
        load_model(ours)
    with pytest.raises(ModelFileError, match="not a model of classes"):
        load_class_model(other)
    assert load_any_model(ours).classes == ("plain", "graphene")
    assert load_any_model(other).properties
    with pytest.raises(FileAccessError):
        load_class_model(tmp_path / "none")
    (tmp_path / "pickle").write_bytes(b"\x80\x04")
    for read in (load_class_model, load_any_model):
        with pytest.raises(ModelFileError, match="pickle"):
            read(tmp_path / "pickle")


def rewritten(path, change) -> None:
    """Change a file's cemvis header and give it a checksum that fits, as who means harm could."""
    from safetensors.numpy import load

    from cemvis.models.model_file import write_parts

    data = path.read_bytes()
    length = struct.unpack_from("<Q", data)[0]
    header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["cemvis"])
    header.pop("integrity")
    change(header)
    write_parts(path, header, load(data))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format_version", 2, "update cemvis"),
        ("format_version", True, "format version is True"),
        ("classes", ["plain"], "two or more"),
        ("classes", ["plain", "plain"], "each once"),
        ("classes", ["plain", "graphene", "c"], r"array 'network.chain.*' has shape \(2,"),
        ("classes", ["a\x1b[2J", "b"], "printable"),
        ("classes", "ab", "list of printable texts"),
        ("classifier", "pickle", "one of"),
        ("classifier", "forest", "array 'learner"),
        ("describe", "statistics", "on statistics with channels"),
        ("channels", [4, 4], "has shape"),
        ("channels", [4, 4, -1], "whole numbers from 1"),
        ("channels", [4, 4, 6.0], "whole numbers from 1"),
        ("size_px", 0, "whole number from 1"),
        ("size_px", 7, "wanted 8 to 65536"),
        ("size_px", 10**9, "wanted 8 to 65536"),
        ("sigma_px", 10.0, "mulf maps whose Gaussian has 10.0 px"),
        ("features", "micf", "micf maps whose Gaussian has None px"),
        ("pixel_size_um", 0, "above 0"),
        ("temperature", -1, "above 0"),
        ("temperature", None, "temperature is None"),
        ("features", "bse", "one of mulf, micf"),
        ("surprise", 1, "unknown field 'surprise'"),
        ("test", {}, "no field"),
        ("warnings", [1], "list of printable texts"),
    ],
)
def test_a_header_that_cannot_be_is_refused(key, value, message, tmp_path) -> None:
    path = tmp_path / "m.safetensors"
    save_class_model(path, pore_class_model())
    rewritten(path, lambda header: header.update({key: value}))
    with pytest.raises(ModelFileError, match=message):
        load_class_model(path)


def test_an_edited_file_is_noticed(tmp_path) -> None:
    path = tmp_path / "m.safetensors"
    save_class_model(path, pore_class_model())
    data = path.read_bytes()
    path.write_bytes(data.replace(b'\\"temperature\\": 1.5', b'\\"temperature\\": 2.5'))
    with pytest.raises(ModelFileError, match="checksum"):
        load_class_model(path)


def test_arrays_that_contradict_are_refused() -> None:
    model = learner_class_model()
    with pytest.raises(InputError, match=r"array 'learner.features' has shape \(20, 22\)"):
        replace(model, arrays={**model.arrays, "learner.labels": np.zeros(3)})
    with pytest.raises(InputError, match="labels that the learner"):
        replace(model, arrays={**model.arrays, "learner.labels": np.full(20, 0.5)})
    with pytest.raises(InputError, match="holds no network"):
        model.pore_network()
