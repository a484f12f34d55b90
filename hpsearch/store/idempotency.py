"""Answers by Idempotency-Key, stored in the very transaction that the request made."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from hpsearch.errors import IdempotencyMismatch
from hpsearch.store.database import now
from hpsearch.store.tables import IdempotencyRow

STORED_SECONDS = 24 * 3600
"""How long an answer can be repeated."""


def claim(session: Session, key: str, request_sha256: str) -> str | None:
    """Claims a key for a request; returns the answer that it got before, if it was sent before.

    Raises:
        IdempotencyMismatch: when the key belongs to another request.
    """
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    session.execute(
        insert(IdempotencyRow)
        .values(key=key, request_sha256=request_sha256, created_at=now(session))
        .on_conflict_do_nothing()
    )
    row = session.scalars(select(IdempotencyRow).where(IdempotencyRow.key == key)).one()
    if row.request_sha256 != request_sha256:
        raise IdempotencyMismatch(
            f"an Idempotency-Key must belong to one request, and {key!r} was sent with another; "
            "use a fresh key"
        )
    return row.answer


def set_answer(session: Session, key: str, answer: str) -> None:
    """Stores the answer for repeats."""
    session.get_one(IdempotencyRow, key).answer = answer


def delete_old(session: Session) -> None:
    """Deletes keys older than `STORED_SECONDS`."""
    session.execute(
        delete(IdempotencyRow).where(IdempotencyRow.created_at < now(session) - STORED_SECONDS)
    )
