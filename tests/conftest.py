from __future__ import annotations

import os
from pathlib import Path

import pytest

# Several processes at once share the cores: numerical libraries that each take all of them wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real micrographs and tables that are not part of the project; their tests skip where they are absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("real data not found (../shared/data)")
    return SHARED_DATA
