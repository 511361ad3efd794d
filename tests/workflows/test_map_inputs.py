from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import tifffile

from cemvis import _files
from cemvis._files import file_digest
from cemvis.cli.map import SAMPLE
from cemvis.images.micrograph import Micrograph, open_micrograph
from cemvis.images.pixel_size import PixelSize
from cemvis.workflows._map_inputs import path_of


def test_the_path_of_an_image_is_absolute_and_none_of_arrays_and_of_the_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tifffile.imwrite(tmp_path / "mosaic.tif", np.zeros((8, 8), np.uint8))
    monkeypatch.chdir(tmp_path)
    with open_micrograph("mosaic.tif", pixel_size="1 um") as image:
        assert path_of(image) == (tmp_path.resolve() / "mosaic.tif").as_posix()
    assert path_of(Micrograph.from_array(np.zeros((8, 8), np.uint8), pixel_size=PixelSize(1.0, "test"))) is None
    with open_micrograph(SAMPLE) as image:
        assert path_of(image) is None


def test_small_file_is_hashed_whole(tmp_path: Path) -> None:
    path = tmp_path / "mosaic"
    path.write_bytes(b"grey levels")
    assert file_digest(path) == {"bytes": 11, "sha256": hashlib.sha256(b"grey levels").hexdigest()}


def test_large_file_is_sampled_under_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_files, "WHOLE_UP_TO_BYTES", 1000)
    monkeypatch.setattr(_files, "SAMPLES", 5)
    monkeypatch.setattr(_files, "SAMPLE_BYTES", 16)
    data = np.random.default_rng(1).bytes(5000)
    path = tmp_path / "mosaic"

    def digest(of: bytes) -> str:
        path.write_bytes(of)
        found = file_digest(path)
        assert found.keys() == {"bytes", "sha256_of_samples"}
        assert found["bytes"] == len(of)
        return found["sha256_of_samples"]

    first = digest(data)
    assert digest(data) == first
    for at in (0, 15, 4999, 4984, (5000 - 16) * 2 // 4):
        changed = bytearray(data)
        changed[at] ^= 1
        assert digest(bytes(changed)) != first
    assert digest(data + b"x") != first
