"""A running service for each test that asks for one."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from processes import Service


@pytest.fixture
def start_service(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    started: list[Service] = []

    def start(name: str = "service", **environment: str) -> Service:
        directory = tmp_path / name
        directory.mkdir()
        service = Service(directory, **environment)
        started.append(service)
        return service

    yield start
    for service in started:
        service.close()
