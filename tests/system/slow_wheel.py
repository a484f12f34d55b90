"""The wheel as a person installs it: everything fetched and unpacked, then the demo."""

from __future__ import annotations

import venv
from pathlib import Path

from installing import ROOT, built_wheel, demo_accuracy, run


def test_everything_is_fetched_into_an_empty_environment_and_the_demo_runs(tmp_path: Path) -> None:
    wheel = built_wheel(tmp_path)
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    pip = [python, "-m", "pip", "install", "-q", "--constraint", ROOT / "constraints.txt"]
    run(*pip, f"{wheel}[all]", cwd=tmp_path)
    assert demo_accuracy(python.parent, tmp_path) >= 0.95
