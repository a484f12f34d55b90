"""The wheel, installed into empty environments, works from a folder that holds strangers' code."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONSTRAINTS = ROOT / "constraints.txt"


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "-w",
        directory,
        ROOT,
        cwd=directory,
    )
    (found,) = directory.glob("*.whl")
    return found


def environment(directory: Path, requirement: str | Path) -> Path:
    """An empty environment with this installed; its bin directory."""
    venv.create(directory, with_pip=True)
    python = directory / "bin" / "python"
    pip = [python, "-m", "pip", "install", "-q", "-c", CONSTRAINTS, "--disable-pip-version-check"]
    pip.append("--no-compile")  # what is imported is compiled then; the rest would take a minute
    run(*pip, requirement, cwd=directory)
    return python.parent


def lend_torch(directory: Path) -> None:
    """Lets an environment have the torch that runs here: unpacking another takes half a minute."""
    torch = distribution("torch")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    there = directory / "lib" / f"python{version}" / "site-packages"
    there.mkdir(parents=True)
    for name in {file.parts[0] for file in torch.files or () if file.parts[0] != ".."}:
        (there / name).symlink_to(torch.locate_file(name))


def test_installed_hpsearch_runs_its_demo_beside_folders_of_the_same_names(
    wheel: Path, tmp_path: Path
) -> None:
    lend_torch(tmp_path / "env")
    bin_dir = environment(tmp_path / "env", f"{wheel}[all]")
    home = tmp_path / "elsewhere"
    for name in ("api", "workers", "migrations", "hpsearch"):
        (home / name).mkdir(parents=True)
        (home / name / "__init__.py").write_text("raise RuntimeError('a stranger was imported')")
        (home / name / "__main__.py").write_text("raise RuntimeError('a stranger was run')")
    output = run(
        bin_dir / "hpsearch", "demo", "--exit", "--port=0", cwd=home,
        XDG_STATE_HOME=str(tmp_path / "state"),
    )  # fmt: skip
    assert "best trial" in output
    assert "test_accuracy" in output
    best = float(output.rpartition("val_accuracy ")[2].split(",")[0])
    assert best >= 0.95


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
