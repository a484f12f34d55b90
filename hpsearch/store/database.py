"""Connections and transactions, the same for SQLite and PostgreSQL.

`read` and `write` open a transaction each; store functions take its session and never commit.
SQLite serialises writers (`BEGIN IMMEDIATE`); PostgreSQL locks rows where the functions ask.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import (
    Connection,
    Double,
    Engine,
    create_engine,
    event,
    func,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from hpsearch.errors import CannotStart, DatabaseUnavailable, StorageFull
from hpsearch.store.specs import SpecCache

SQLITE_BUSY_SECONDS = 30
_MIGRATION_LOCK = 0x68707365
"""Key of the PostgreSQL advisory lock that lets one server migrate at a time."""


class _Now(FunctionElement[float]):
    """Seconds since 1970 by the database's clock, at the moment of the statement."""

    type = Double()
    inherit_cache = True


@compiles(_Now, "sqlite")
def _sqlite_now(_element: _Now, _compiler: SQLCompiler, **_options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(_Now, "postgresql")
def _postgresql_now(_element: _Now, _compiler: SQLCompiler, **_options: Any) -> str:
    return "extract(epoch from clock_timestamp())::double precision"


def now(session: Session) -> float:
    """The database's clock."""
    return session.execute(select(_Now())).scalar_one()


def is_storable(value: Any) -> bool:
    """Whether JSON columns take a value: numbers of at most 64 bits, and text that is Unicode."""
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


def on_commit(session: Session, action: Callable[[], None]) -> None:
    """Calls `action` (one that removes a file, say) once the transaction has been committed."""
    session.info.setdefault("on_commit", []).append(action)


class Database:
    """The store's engine.

    Raises:
        CannotStart: when the URL is no SQLite or PostgreSQL URL.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
        except ArgumentError:
            raise CannotStart(
                "HPSEARCH_DATABASE_URL must be an SQLAlchemy URL; "
                "write it as postgresql://user:password@host/name or sqlite:///path"
            ) from None
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        self._specs = SpecCache()
        self.shown_url = parsed.render_as_string(hide_password=True)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        options: dict[str, Any] = (
            {"connect_args": {"timeout": SQLITE_BUSY_SECONDS, "check_same_thread": False}}
            if self.is_sqlite
            else {"pool_pre_ping": True, "connect_args": {"connect_timeout": 5}}
        )
        try:
            self.engine: Engine = create_engine(
                parsed,
                json_serializer=lambda value: orjson.dumps(value).decode(),
                json_deserializer=orjson.loads,
                pool_size=16,
                max_overflow=32,
                **options,
            )
        except (NoSuchModuleError, ModuleNotFoundError) as error:
            raise CannotStart(
                f"HPSEARCH_DATABASE_URL must name sqlite or postgresql, got "
                f"{parsed.drivername}: {error}"
            ) from None
        if self.is_sqlite:
            event.listen(self.engine, "connect", _configure_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that changes nothing.

        Raises:
            DatabaseUnavailable, StorageFull: when the database fails.
        """
        with self._session(writes=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction, committed at the end unless an exception leaves it.

        Raises:
            DatabaseUnavailable, StorageFull: when the database fails; nothing was changed.
        """
        with self._session(writes=True) as session:
            yield session
        for action in session.info.pop("on_commit", []):
            action()

    @contextmanager
    def _session(self, *, writes: bool) -> Iterator[Session]:
        with self._named_failures(), self.engine.connect() as connection:
            if self.is_sqlite:
                connection = connection.execution_options(hpsearch_writes=writes)
            with Session(connection, expire_on_commit=False) as session, session.begin():
                self._specs.join(session)
                yield session

    @contextmanager
    def _named_failures(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            raise self._named(error) from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise self._named(error) from error
            raise

    def _named(self, error: DBAPIError) -> DatabaseUnavailable | StorageFull:
        reason = " ".join(str(error.orig).split())
        full = isinstance(error.orig, sqlite3.Error) and error.orig.sqlite_errorname in (
            "SQLITE_FULL",
            "SQLITE_IOERR_WRITE",
            "SQLITE_IOERR_FSYNC",
        )
        full = full or getattr(error.orig, "sqlstate", None) == "53100"
        if full:
            return StorageFull(
                f"the database {self.shown_url} cannot write ({reason}); free space and try again"
            )
        return DatabaseUnavailable(
            f"the database {self.shown_url} does not answer ({reason}); "
            "start it or correct HPSEARCH_DATABASE_URL, then try again"
        )

    def ping(self) -> None:
        """Asks the database for an answer.

        Raises:
            DatabaseUnavailable: when there is none.
        """
        with self.read() as session:
            session.execute(text("select 1"))

    def upgrade(self) -> None:
        """Brings the tables to this version's form.

        Raises:
            DatabaseUnavailable: when the database does not answer.
            CannotStart: when it was written by a newer version.
        """
        config = migrations_config()
        with self.rewriting() as connection:
            if not self.is_sqlite:
                connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
            self._check_known(config, connection)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextmanager
    def rewriting(self) -> Iterator[Connection]:
        """A transaction that may replace tables by new ones.

        SQLite would delete the rows that refer to a dropped table, so foreign keys are switched
        off, which can be done only outside a transaction; before it ends all of them are checked.

        Raises:
            DatabaseUnavailable, StorageFull: when the database fails; nothing was changed.
        """
        with self._named_failures(), self.engine.connect() as connection:
            if not self.is_sqlite:
                with connection.begin():
                    yield connection
                return
            connection = connection.execution_options(hpsearch_writes=True)
            driver: Any = connection.connection.dbapi_connection
            driver.execute("PRAGMA foreign_keys = OFF")
            try:
                with connection.begin():
                    yield connection
                    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
                    if broken is not None:
                        raise CannotStart(
                            f"the database {self.shown_url} must refer to rows that exist, and "
                            f"table {broken[0]} refers to a missing row of {broken[2]}; "
                            "restore a copy made before"
                        )
            finally:
                driver.execute("PRAGMA foreign_keys = ON")

    def _check_known(self, config: Config, connection: Connection) -> None:
        present = MigrationContext.configure(connection).get_current_revision()
        if present is None:
            return
        try:
            ScriptDirectory.from_config(config).get_revision(present)
        except CommandError:
            raise CannotStart(
                f"the database {self.shown_url} is at revision {present}, which this version of "
                "hpsearch does not know; start the newer version that wrote it"
            ) from None

    def close(self) -> None:
        """Gives all connections back."""
        self.engine.dispose()


def migrations_config() -> Config:
    """Alembic's configuration, with the migrations found beside this package."""
    config = Config()
    config.set_main_option(
        "script_location", str(Path(__file__).resolve().parents[2] / "migrations")
    )
    config.set_main_option("path_separator", "os")
    return config


def _configure_sqlite(connection: Any, _record: Any) -> None:
    # The driver must not open transactions of its own: `_begin_sqlite` does.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        f"busy_timeout = {SQLITE_BUSY_SECONDS * 1000}",
        "cache_size = -65536",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("hpsearch_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
