from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from cemvis.models.model import Model
from cemvis.workflows.map import MapResult
from mapped import mapped
from mosaics import example_model, paste_like


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("map")


@pytest.fixture(scope="session")
def model(folder: Path) -> Model:
    return example_model(folder / "model.safetensors", properties=("modulus",))


@pytest.fixture(scope="session")
def image() -> np.ndarray:
    return paste_like((305, 407))


@pytest.fixture(scope="session")
def mosaic(folder: Path, image: np.ndarray) -> Path:
    path = folder / "mosaic.tif"
    tifffile.imwrite(path, image, tile=(64, 64), compression="zlib", metadata=None)
    return path


@pytest.fixture(scope="session")
def plain(folder: Path, mosaic: Path, model: Model) -> MapResult:
    return mapped(mosaic, model, folder / "plain")
