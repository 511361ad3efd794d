from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real micrographs and tables that are not part of the project; their tests skip where they are absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("real data not found (../shared/data)")
    return SHARED_DATA
