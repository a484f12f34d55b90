from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from inside import Inside


@pytest.fixture
def inside(sqlite_api: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inside:
    """A server and workers in this process."""
    return Inside(sqlite_api, tmp_path / "cache", monkeypatch)
