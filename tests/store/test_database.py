from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from rig import Rig
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from hpsearch.errors import CannotStart, DatabaseUnavailable, StorageFull
from hpsearch.spec.language.states import EventKind
from hpsearch.store import checkpoints, events
from hpsearch.store.database import Database, now, on_commit
from hpsearch.store.tables import Base


def test_migrations_make_exactly_the_tables(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    database.upgrade()
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    database.close()


def test_upgrading_twice_changes_nothing(rig: Rig) -> None:
    rig.submit()
    before = rig.snapshot()
    rig.database.upgrade()
    assert rig.snapshot() == before


def test_a_newer_database_is_refused_in_one_sentence(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    database.upgrade()
    with database.write() as session:
        session.execute(text("update alembic_version set version_num = 'f00'"))
    with pytest.raises(CannotStart) as caught:
        database.upgrade()
    assert "is at revision f00, which this version of hpsearch does not know" in str(caught.value)
    assert "start the newer version" in str(caught.value)
    database.close()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("no url", "must be an SQLAlchemy URL"),
        ("mysql://localhost/x", "must name sqlite or postgresql"),
        ("oracle+nothing://x", "must name sqlite or postgresql"),
    ],
)
def test_a_wrong_url_is_refused(url: str, sentence: str) -> None:
    with pytest.raises(CannotStart, match=sentence):
        Database(url)


def test_a_password_is_never_shown() -> None:
    database = Database("postgresql://me:secret@127.0.0.1:1/none")
    with pytest.raises(DatabaseUnavailable) as caught:
        database.upgrade()
    assert "secret" not in str(caught.value)
    assert "does not answer" in str(caught.value)
    database.close()


def test_no_database_file_can_be_made_here(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    database = Database(f"sqlite:///{tmp_path / 'plain'}")
    with pytest.raises(DatabaseUnavailable, match="unable to open database file"):
        database.upgrade()
    database.close()


def test_a_full_sqlite_file_is_named_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "small.db"
    database = Database(f"sqlite:///{path}")
    database.upgrade()
    with database.engine.connect() as connection, connection.begin():
        connection.exec_driver_sql(
            f"pragma max_page_count = {sqlite_pages(path) + 2}"
        )  # of this connection, which the pool hands out again
    with pytest.raises(StorageFull, match="free space and try again"), database.write() as session:
        events.add(session, None, EventKind.WORKER_JOINED, "x" * 100_000)
    with database.read() as session:
        assert session.execute(text("select count(*) from events")).scalar_one() == 0
    database.close()


def sqlite_pages(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        (pages,) = connection.execute("pragma page_count").fetchone()
    connection.close()
    return int(pages)


def test_an_exception_undoes_the_transaction_and_its_afterwork(database: Database) -> None:
    done = []

    def fail() -> None:
        with database.write() as session:
            events.add(session, None, EventKind.WORKER_JOINED, "never")
            on_commit(session, lambda: done.append(1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with database.write() as session:
        on_commit(session, lambda: done.append(2))
        assert done == []
    assert done == [2]
    with database.read() as session:
        assert session.execute(text("select count(*) from events")).scalar_one() == 0


def test_the_clock_moves_within_a_transaction(database: Database) -> None:
    with database.read() as session:
        first = now(session)
        while now(session) == first:
            pass
        assert 0 < now(session) - first < 60


def test_foreign_keys_are_enforced(database: Database) -> None:
    with pytest.raises(IntegrityError), database.write() as session:
        events.add(session, 999, EventKind.WORKER_JOINED, "of no study")


def test_a_rewriting_that_leaves_rows_without_their_parent_changes_nothing(rig: Rig) -> None:
    rig.submit()
    before = rig.snapshot()
    with pytest.raises((CannotStart, IntegrityError)) as caught, rig.database.rewriting() as open_:
        open_.execute(text("update events set study_id = 999"))
    if rig.database.is_sqlite:
        assert "table events refers to a missing row of studies; restore a copy" in str(
            caught.value
        )
    assert rig.snapshot() == before
    with pytest.raises(IntegrityError), rig.database.write() as session:
        session.execute(text("update events set study_id = 999"))


def test_many_checkpoints_go_at_once(rig: Rig) -> None:
    with rig.database.write() as session:
        assert checkpoints.remove(session, range(1, 100_000)) == []
