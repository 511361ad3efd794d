from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from areas import make_area
from located import make_located


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Path:
    """Two areas of eight batches with a folder of located indents each: base/one, base/one/located, ..."""
    base = tmp_path_factory.mktemp("paste")
    for seed, name in enumerate(("one", "two"), 1):
        make_area(base / name, seed=seed, grid=(2, 4))
        make_located(base / name, base / name / "located", seed=seed)
    return base


@pytest.fixture
def base(made, tmp_path) -> Path:
    """A copy that a test may change."""
    shutil.copytree(made, tmp_path / "paste")
    return tmp_path / "paste"
