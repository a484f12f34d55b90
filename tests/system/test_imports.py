"""What starts fast must not wait for torch."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("hpsearch", ("torch", "numpy", "sqlalchemy", "fastapi")),
        ("hpsearch.cli.main", ("torch", "numpy", "sqlalchemy", "fastapi")),
        ("api.server", ("torch", "sklearn")),
        ("hpsearch.service.tuner", ("torch", "fastapi")),
        ("workers.__main__", ("torch", "sqlalchemy", "fastapi")),
        ("workers.agent", ("sqlalchemy", "fastapi")),
    ],
)
def test_module_imports_without(module: str, absent: tuple[str, ...]) -> None:
    check = f"import sys, {module}; print([m for m in {absent!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-P", "-c", check], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
