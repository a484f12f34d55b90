"""What may be loaded by whom: servers and notebooks start fast and install light."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"torch", "sklearn", "safetensors"}
SERVER = {"sqlalchemy", "fastapi", "starlette", "uvicorn", "alembic", "numpy", "orjson", "psycopg"}

WHOLE_CLIENT = (
    "hpsearch", "hpsearch.spec.study", "hpsearch.training", "hpsearch.client.client",
    "hpsearch.cli.main",
)  # fmt: skip

IMPORT = """
import json, sys
from importlib import import_module

loaded = []
for module in sys.argv[1:]:
    import_module(module)
    loaded.append(sorted({name.partition(".")[0] for name in sys.modules}))
print(json.dumps(loaded))
"""


@pytest.mark.parametrize(
    "process",
    [
        [(module, HEAVY | SERVER) for module in WHOLE_CLIENT],
        [
            ("hpsearch.search.samplers", HEAVY | {"sqlalchemy", "fastapi"}),
            ("hpsearch.service.tuner", HEAVY | {"fastapi"}),
            ("api.server", HEAVY),
        ],
        [
            ("workers.__main__", {"torch", "sqlalchemy", "fastapi"}),
            ("workers.agent", {"sqlalchemy", "fastapi"}),
        ],
    ],
    ids=["client", "server", "worker"],
)
def test_importing_loads_nothing_forbidden(process: list[tuple[str, set[str]]]) -> None:
    """One process imports its modules one after another, those that may load least first."""
    names = [module for module, _ in process]
    done = subprocess.run(
        [sys.executable, "-P", "-c", IMPORT, *names], capture_output=True, text=True, check=True
    )
    for (module, forbidden), loaded in zip(process, json.loads(done.stdout), strict=True):
        assert not forbidden & set(loaded), module
