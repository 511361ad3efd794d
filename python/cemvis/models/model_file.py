"""Model files: safetensors with a checked JSON header. Nothing in one is ever executed.

The header carries a SHA-256 over its own fields and all arrays. That notices damage and edits; it cannot vouch for
the author, who could compute it anew. Pickles, PyTorch checkpoints and other containers are refused unopened.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cemvis._files import written_whole
from cemvis.errors import CemvisError, FileAccessError, InputError, ModelFileError
from cemvis.models.model import Model
from cemvis.models.model_header import check_format, header_of, model_from, tensors_of
from cemvis.models.window_network_header import NETWORK_PREFIX

EMBEDDED = {"table": "virtual_paste_table.safetensors", "resnet": "virtual_paste_resnet.safetensors"}
"""The models that come with cemvis, in its data folder, by their kind."""

_LARGEST_FILE = 64 * 2**20
_LARGEST_HEADER = 2**20
_OTHER_KINDS = {
    b"\x80": "a pickle, which could run code when opened",
    b"PK\x03\x04": "a zip archive (a PyTorch checkpoint, npz or Keras file), which could run code when opened",
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "a gzip file",
    b"\x93NUMPY": "a NumPy array",
}

Array = NDArray[Any]


def save_model(path: Path, model: Model) -> None:
    """Write `model` to `path`, whole or not at all; the same model gives the same bytes.

    Raises
    ------
    FileAccessError
        If the file cannot be written.
    """
    write_parts(path, header_of(model), tensors_of(model))


def write_parts(path: Path, header: Mapping[str, object], tensors: Mapping[str, Array]) -> None:
    """Write a header and its arrays to `path` with their checksum, whole or not at all.

    Raises
    ------
    FileAccessError
        If the file cannot be written.
    """
    from safetensors.numpy import save

    vouched = {**header, "integrity": _integrity(header, tensors)}
    data = save(dict(tensors), metadata={"cemvis": json.dumps(vouched, allow_nan=False)})
    with written_whole(Path(path)) as beside:
        beside.write_bytes(data)


def read_file(path: Path | str) -> bytes:
    """Return the bytes of a model file, no more than one may have.

    Raises
    ------
    FileAccessError
        If the file cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return file.read(_LARGEST_FILE + 1)
    except OSError as error:
        msg = f"cannot read model {path}: {error.strerror or error}"
        raise FileAccessError(msg) from error


def parts_of(
    data: bytes, check: Callable[[Mapping[str, object]], None] = check_format
) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the header, without its checksum, and the arrays of a model file's bytes; `check` sees the header first.

    Raises
    ------
    ModelFileError
        If it is of another kind, damaged or edited.
    """
    header, tensors = _contents(data)
    check(header)
    if header.pop("integrity", None) != _integrity(header, tensors):
        msg = "its contents do not match their checksum: the file is damaged or was edited"
        raise ModelFileError(msg)
    return header, tensors


def load_model(path: Path | str) -> Model:
    """Read a model file and check all of it.

    Raises
    ------
    FileAccessError
        If the file cannot be read.
    ModelFileError
        If it is of another kind, damaged, edited, of a later format, or says anything impossible.
    """
    return _parsed(read_file(path), str(path))


def embedded_kinds() -> tuple[str, ...]:
    """Return the kinds of models that this installation comes with, of those in `EMBEDDED`."""
    folder = importlib.resources.files("cemvis").joinpath("data")
    return tuple(kind for kind, name in EMBEDDED.items() if folder.joinpath(name).is_file())


def embedded_model(kind: str = "table") -> Model:
    """Return a model that comes with cemvis: the "table" of mean grey levels, or the "resnet".

    It was trained on virtual paste and is there to demonstrate; real work needs a model of one's own pairs.

    Raises
    ------
    InputError
        If there is no such kind.
    ModelFileError
        If this installation lacks the file.
    """
    if kind not in EMBEDDED:
        msg = f"there is no embedded model {kind!r}; wanted one of {', '.join(EMBEDDED)}"
        raise InputError(msg)
    if kind not in embedded_kinds():
        msg = f"this installation has no embedded {kind} model ({EMBEDDED[kind]}); give the path of a model file"
        raise ModelFileError(msg)
    resource = importlib.resources.files("cemvis").joinpath("data", EMBEDDED[kind])
    return _parsed(resource.read_bytes(), f"the embedded {kind} model")


def _parsed(data: bytes, name: str) -> Model:
    try:
        header, tensors = parts_of(data)
        return model_from(header, tensors, digest=hashlib.sha256(data).hexdigest())
    except (CemvisError, RecursionError) as error:
        msg = f"cannot use model {name}: {error}"
        raise ModelFileError(msg) from error


def _contents(data: bytes) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the cemvis header and the arrays of a safetensors file."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    length = struct.unpack_from("<Q", data)[0] if len(data) >= 8 else 0
    if data[8:9] != b"{" or length > min(len(data) - 8, _LARGEST_HEADER) or len(data) > _LARGEST_FILE:
        msg = f"it is {_kind(data)}; cemvis reads only .safetensors files with a header of its own, and opens no others"
        raise ModelFileError(msg)
    try:
        outer = json.loads(data[8 : 8 + length])
        header = dict(json.loads(outer["__metadata__"]["cemvis"]))
        tensors = load(data)
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        msg = f"its header is not that of a cemvis model, or it is damaged ({type(error).__name__}: {str(error)[:80]})"
        raise ModelFileError(msg) from error
    for key, array in tensors.items():
        wanted = ("float32", "float16") if key.startswith(NETWORK_PREFIX) else ("float32", "float64")
        if array.dtype.name not in wanted or not np.isfinite(array).all():
            msg = f"array {key!r} is {array.dtype} or not finite; wanted finite {' or '.join(wanted)}"
            raise ModelFileError(msg)
    return header, {
        key: array if key.startswith(NETWORK_PREFIX) else array.astype(np.float64) for key, array in tensors.items()
    }


def _kind(data: bytes) -> str:
    for magic, kind in _OTHER_KINDS.items():
        if data.startswith(magic):
            return kind
    return f"larger than {_LARGEST_FILE} bytes" if len(data) > _LARGEST_FILE else "not a safetensors file"


def _integrity(header: Mapping[str, object], tensors: Mapping[str, Array]) -> str:
    """Return a SHA-256 over the header's fields and the arrays with their names and shapes."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True, separators=(",", ":")).encode())
    for name in sorted(tensors):
        array = tensors[name]
        # A window network's arrays are of two precisions, so theirs is part of what is vouched for.
        dtype = array.dtype.newbyteorder("<") if name.startswith(NETWORK_PREFIX) else np.dtype("<f8")
        array = np.ascontiguousarray(array, dtype=dtype)
        kind = f" {dtype.name}" if name.startswith(NETWORK_PREFIX) else ""
        digest.update(f"\n{name} {array.shape}{kind}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
