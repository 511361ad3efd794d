"""Checkpoints of a training: safetensors with a JSON header, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from cemvis._files import access_errors, written_whole
from cemvis.errors import InputError

_PARTS = ("network", "best")


@dataclass(frozen=True)
class Checkpoint:
    """What a training needs to go on.

    Attributes
    ----------
    network, best : mapping
        State of the network now, and at its best epoch; `best` may be empty.
    optimizer : mapping
        As `torch.optim.Optimizer.state_dict` returns it.
    numbers : mapping
        JSON-ready: "job", "state", "schedule" and "scaler".
    """

    network: Mapping[str, Tensor]
    best: Mapping[str, Tensor]
    optimizer: Mapping[str, Any]
    numbers: Mapping[str, Any]


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write `checkpoint` to `path`, replacing what is there only once the new one is whole.

    Raises
    ------
    FileAccessError
        If it cannot be written.
    """
    tensors = {f"network.{name}": each for name, each in checkpoint.network.items()}
    tensors |= {f"best.{name}": each for name, each in checkpoint.best.items()}
    for index, moments in checkpoint.optimizer["state"].items():
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(each) for name, each in moments.items()}
    # Memory order is kept by neither format nor need; a copy of its own per tensor is what safetensors wants.
    plain = {name: each.detach().cpu().clone(memory_format=torch.contiguous_format) for name, each in tensors.items()}
    header = json.loads(json.dumps({**checkpoint.numbers, "groups": checkpoint.optimizer["param_groups"]}))
    header["sha256"] = _digest(header, plain)
    with written_whole(path) as beside, access_errors(path):
        beside.write_bytes(save(plain, metadata={"cemvis checkpoint": json.dumps(header)}))


def read_checkpoint(path: Path, network: nn.Module, *, job: Mapping[str, Any]) -> Checkpoint:
    """Read a checkpoint and make sure that it is one of `job`, for `network`.

    Raises
    ------
    InputError
        If it is damaged, of another network, or of a job that differs; the line names what differs.
    """
    numbers, tensors = _contents(path)
    if numbers.pop("sha256", "") != _digest(numbers, tensors):
        msg = f"{path} is damaged, or not a whole checkpoint; delete it to start anew"
        raise InputError(msg)
    _check_same(path, dict(job), numbers["job"])
    parts: dict[str, dict[str, Tensor]] = {name: {} for name in _PARTS}
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        if part == "optimizer":
            index, _, rest = rest.partition(".")
            moments.setdefault(int(index), {})[rest] = tensor
        else:
            parts[part][rest] = tensor
    wanted = {name: each.shape for name, each in network.state_dict().items()}
    for part in _PARTS:
        found = {name: each.shape for name, each in parts[part].items()}
        if found != wanted and (part == "network" or found):
            msg = f"{path} is a checkpoint of another network; delete it, or give the settings that it was made with"
            raise InputError(msg)
    state = {"state": moments, "param_groups": numbers["groups"]}
    return Checkpoint(parts["network"], parts["best"], state, numbers)


def _digest(numbers: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(json.dumps(numbers, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}\n".encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _contents(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with access_errors(path, doing="read"), safe_open(path, framework="pt") as file:
            numbers = json.loads((file.metadata() or {})["cemvis checkpoint"])
            return dict(numbers), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        msg = f"{path} is not a cemvis checkpoint, or it is damaged; delete it to start anew"
        raise InputError(msg) from error


def _check_same(path: Path, now: dict[str, Any], then: dict[str, Any]) -> None:
    """Refuse the checkpoint of another job, naming the entries that differ."""
    now = json.loads(json.dumps(now))
    differing = [f"{where} was {before!r}, is {after!r}" for where, before, after in _differences(then, now)]
    if differing:
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        msg = (
            f"cannot continue from {path}: {'; '.join(differing[:3])}{more}; "
            "give the same settings, or start anew with --overwrite and without --resume"
        )
        raise InputError(msg)


def _differences(then: Any, now: Any, where: str = "") -> list[tuple[str, Any, Any]]:
    if isinstance(then, dict) and isinstance(now, dict):
        found = []
        for key in sorted({*then, *now}):
            found += _differences(then.get(key), now.get(key), f"{where}.{key}" if where else key)
        return found
    return [] if then == now else [(where, then, now)]
