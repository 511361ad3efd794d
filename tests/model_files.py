"""Looking into model files, changing and re-signing them, and the line that refuses one."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from safetensors.numpy import load, save

from cemvis.errors import ModelFileError
from cemvis.models.model_file import _integrity, load_model


def rewritten(path: Path, change, *, tensors=None) -> Path:
    """Change the header of a model file and sign it again, as somebody who knows the format could."""
    arrays = load(path.read_bytes()) if tensors is None else tensors
    header = header_in(path)
    del header["integrity"]
    change(header)
    header["integrity"] = _integrity(header, arrays)
    path.write_bytes(save(arrays, metadata={"cemvis": json.dumps(header)}))
    return path


def header_in(path: Path) -> dict:
    data = path.read_bytes()
    outer = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
    return json.loads(outer["__metadata__"]["cemvis"])


def refusal(path: Path) -> str:
    with pytest.raises(ModelFileError) as caught:
        load_model(path)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


def assign(place: str, value: object):
    """Return a function that sets one field of a header, such as ``properties.0.interval.level``."""

    def change(header) -> None:
        *above, last = [int(part) if part.isdigit() else part for part in place.split(".")]
        for part in above:
            header = header[part]
        if value is KeyError:
            del header[last]
        else:
            header[last] = value

    return change
