"""What may be loaded by whom: servers and notebooks start fast and install light."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"torch", "sklearn", "safetensors"}
SERVER = {"sqlalchemy", "fastapi", "starlette", "uvicorn", "alembic", "numpy", "orjson", "psycopg"}


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("hpsearch", HEAVY | SERVER),
        ("hpsearch.cli.main", HEAVY | SERVER),
        ("hpsearch.client.client", HEAVY | SERVER),
        ("hpsearch.spec.study", HEAVY | SERVER),
        ("hpsearch.training", HEAVY | SERVER),
        ("hpsearch.search", HEAVY | {"sqlalchemy", "fastapi"}),
        ("hpsearch.service.tuner", HEAVY | {"fastapi"}),
        ("api.server", HEAVY),
        ("workers.__main__", {"torch", "sqlalchemy", "fastapi"}),
        ("workers.agent", {"sqlalchemy", "fastapi"}),
    ],
)
def test_importing_loads_nothing_forbidden(module: str, forbidden: set[str]) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert not forbidden & {name.partition(".")[0] for name in done.stdout.split()}
