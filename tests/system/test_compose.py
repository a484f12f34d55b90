"""The compose file and the image it builds, as far as they can be held to without an engine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from hpsearch.cli.main import app
from hpsearch.settings import DEFAULT_PORT

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_the_parts_are_database_api_and_worker() -> None:
    assert set(SERVICES) == {"database", "api", "worker"}


def test_only_the_api_is_published_and_only_on_loopback() -> None:
    published = {name: service.get("ports") for name, service in SERVICES.items()}
    assert published == {
        "database": None,
        "api": [f"127.0.0.1:{DEFAULT_PORT}:{DEFAULT_PORT}"],
        "worker": None,
    }


def test_whoever_can_be_asked_has_a_health_check_and_is_waited_for() -> None:
    for name in ("database", "api"):
        assert SERVICES[name]["healthcheck"]["test"]
    assert SERVICES["api"]["depends_on"]["database"]["condition"] == "service_healthy"
    assert SERVICES["worker"]["depends_on"]["api"]["condition"] == "service_healthy"


def test_secrets_come_from_the_environment_and_must_be_set() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert (
        re.findall(r"HPSEARCH_TOKEN: (.*)", text) == ["${HPSEARCH_TOKEN:?set HPSEARCH_TOKEN}"] * 2
    )
    assert "POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?set POSTGRES_PASSWORD}" in text


def test_workers_can_be_scaled_and_reach_nothing_but_the_api() -> None:
    worker = SERVICES["worker"]
    assert "container_name" not in worker
    assert "HPSEARCH_DATABASE_URL" not in worker["environment"]
    assert "--server=http://api:8470" in worker["command"]


@pytest.mark.parametrize("name", ["api", "worker"])
def test_the_commands_are_ones_that_hpsearch_knows(name: str) -> None:
    program, command, *options = SERVICES[name]["command"]
    assert program == "hpsearch"
    known = CliRunner().invoke(app, [command, "--help"], terminal_width=200).output
    for option in options:
        assert option.partition("=")[0] in known


def test_the_image_is_built_from_the_pins_and_runs_as_an_ordinary_user() -> None:
    installs = [line for line in DOCKERFILE.splitlines() if "pip install" in line]
    assert installs
    assert all("--constraint constraints.txt" in line for line in installs)
    assert re.findall(r"^USER (\w+)$", DOCKERFILE, re.MULTILINE)[-1] == "hpsearch"
    assert "COPY" not in DOCKERFILE.partition("USER hpsearch")[2]
