"""The wheel, installed into empty environments, works from a folder that holds strangers' code."""

from __future__ import annotations

from pathlib import Path

import pytest
from installing import built_wheel, demo_accuracy, environment, run


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_wheel(tmp_path_factory.mktemp("wheel"))


def test_installed_hpsearch_runs_its_demo_beside_folders_of_the_same_names(
    wheel: Path, tmp_path: Path
) -> None:
    bin_dir = environment(tmp_path / "env", wheel, "all")
    home = tmp_path / "elsewhere"
    for name in ("api", "workers", "migrations", "hpsearch"):
        (home / name).mkdir(parents=True)
        (home / name / "__init__.py").write_text("raise RuntimeError('a stranger was imported')")
        (home / name / "__main__.py").write_text("raise RuntimeError('a stranger was run')")
    assert demo_accuracy(bin_dir, home) >= 0.95


def test_client_installs_and_imports_without_server_or_torch(wheel: Path, tmp_path: Path) -> None:
    bin_dir = environment(tmp_path / "env", wheel)
    check = (
        "import importlib.util as u, hpsearch;"
        "hpsearch.Client('http://127.0.0.1:1', 'token');"
        "names = ('torch', 'fastapi', 'sqlalchemy', 'uvicorn', 'sklearn');"
        "print([n for n in names if u.find_spec(n)])"
    )
    assert run(bin_dir / "python", "-P", "-c", check, cwd=tmp_path).strip() == "[]"
    assert "0.1.0" in run(bin_dir / "hpsearch", "version", cwd=tmp_path)
