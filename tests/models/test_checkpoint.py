from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from cemvis.errors import FileAccessError, InputError
from cemvis.models.checkpoint import Checkpoint, read_checkpoint, write_checkpoint

JOB = {"pairs": ["ab12"], "layout": {"window": 61, "targets": 2}, "trainer": {"learning_rate": 1e-3, "seed": 0}}


def network(width: int = 3) -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width))


def checkpoint(module: nn.Module, **numbers: object) -> Checkpoint:
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    module(torch.randn(2, 1, 5, 5)).sum().backward()
    optimizer.step()
    state = {"job": JOB, "state": {"epoch": 3, "loss_sum": 0.1 + 0.2}, "schedule": {"best": float("inf")}, "scaler": {}}
    return Checkpoint(module.state_dict(), {}, optimizer.state_dict(), state | numbers)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "m.checkpoint.safetensors"
    write_checkpoint(path, checkpoint(network()))
    return path


def refused(path: Path, *, job: dict = JOB, module: nn.Module | None = None) -> str:
    with pytest.raises(InputError) as caught:
        read_checkpoint(path, module or network(), job=job)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_all_comes_back_to_the_bit(path) -> None:
    written = checkpoint(network())
    found = read_checkpoint(path, network(), job=JOB)
    assert found.network.keys() == written.network.keys()
    assert all(torch.equal(found.network[name], each) for name, each in written.network.items())
    assert found.best == {}
    assert found.numbers["state"] == {"epoch": 3, "loss_sum": 0.1 + 0.2}
    assert found.numbers["schedule"]["best"] == float("inf")
    module = network()
    optimizer = torch.optim.Adam(module.parameters())
    optimizer.load_state_dict(dict(found.optimizer))
    for index, moments in written.optimizer["state"].items():
        for name, each in moments.items():
            assert torch.equal(optimizer.state_dict()["state"][index][name], each)
    assert optimizer.param_groups[0]["lr"] == 1e-3


def test_the_same_state_gives_the_same_bytes(path, tmp_path) -> None:
    write_checkpoint(tmp_path / "again.safetensors", checkpoint(network()))
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_another_network_is_refused(path) -> None:
    assert "is a checkpoint of another network" in refused(path, module=network(4))
    assert "is a checkpoint of another network" in refused(path, module=nn.Linear(2, 2))


def test_another_job_is_refused_and_the_difference_named(path) -> None:
    job = {**JOB, "trainer": {"learning_rate": 1e-4, "seed": 0}}
    message = refused(path, job=job)
    assert "trainer.learning_rate was 0.001, is 0.0001; give the same settings, or start anew" in message
    job = {"pairs": ["cd34"], "layout": {"window": 62, "targets": 1}, "trainer": {"learning_rate": 1e-3, "seed": 4}}
    assert refused(path, job=job).count(" was ") == 3
    assert "and 1 more" in refused(path, job=job)


def test_a_job_is_compared_as_json_sees_it(path) -> None:
    read_checkpoint(path, network(), job={**JOB, "pairs": ("ab12",)})


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.999])
def test_a_truncated_file_is_refused(path, share) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    assert "is not a cemvis checkpoint, or it is damaged; delete it" in refused(path)


def test_a_flipped_bit_is_noticed_wherever_it_is(path) -> None:
    data = path.read_bytes()
    for place in range(0, len(data), 97):
        path.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        with pytest.raises(InputError):
            read_checkpoint(path, network(), job=JOB)


@pytest.mark.parametrize(
    "data", [pickle.dumps({"epoch": 1}), b"PK\x03\x04 a zip", b"", b"\xff" * 100, b"\x02\0\0\0\0\0\0\0{}"]
)
def test_other_files_are_refused_unopened(path, data) -> None:
    path.write_bytes(data)
    assert "is not a cemvis checkpoint" in refused(path)


def test_a_torch_checkpoint_is_refused(path) -> None:
    torch.save(network().state_dict(), path)
    assert "is not a cemvis checkpoint" in refused(path)


def test_other_safetensors_files_are_refused(path) -> None:
    save_file(network().state_dict(), path)
    assert "is not a cemvis checkpoint" in refused(path)
    for text in ("[]", "{}", "3", "not json"):
        save_file(network().state_dict(), path, metadata={"cemvis checkpoint": text})
        refused(path)


def test_a_part_that_is_missing_is_noticed(path) -> None:
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for name in tensors:
        save_file({key: each for key, each in tensors.items() if key != name}, path, metadata=metadata)
        refused(path)


def test_what_cannot_be_read_or_written_is_one_line(tmp_path) -> None:
    with pytest.raises(FileAccessError, match="cannot read"):
        read_checkpoint(tmp_path / "none.safetensors", network(), job=JOB)
    with pytest.raises(FileAccessError, match="cannot write"):
        write_checkpoint(tmp_path / "no folder" / "m.safetensors", checkpoint(network()))
    assert list(tmp_path.iterdir()) == []
