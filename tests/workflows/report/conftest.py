from __future__ import annotations

from pathlib import Path

import pytest

from report_folders import (
    mixtures_of,
    write_map,
)


@pytest.fixture(scope="session")
def root(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="session")
def mapped(root) -> Path:
    return write_map(root / "map")


@pytest.fixture(scope="session")
def mixtures(root, mapped) -> Path:
    return mixtures_of(mapped, root / "found", supported=False)
