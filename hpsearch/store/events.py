"""The log of each study, in sentences."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from hpsearch.spec.language.states import EventKind
from hpsearch.spec.wire.records import Event, EventPage
from hpsearch.store.database import now
from hpsearch.store.pages import decode_cursor, encode_cursor
from hpsearch.store.tables import EventRow
from hpsearch.store.timestamps import as_datetime


def add(session: Session, study_id: int | None, kind: EventKind, message: str, **data: Any) -> None:
    """Adds an entry to a study's log, or to the server's where there is no study.

    Args:
        session: the transaction.
        study_id: whose log.
        kind: what has happened; says what `data` holds.
        message: for people.
        data: the same for programs, as JSON.
    """
    session.add(EventRow(study_id=study_id, at=now(session), kind=kind, message=message, data=data))


def page(session: Session, study_id: int, size: int, token: str | None) -> EventPage:
    """A study's events from the oldest on."""
    query = select(EventRow).where(EventRow.study_id == study_id)
    if token:
        (after,) = decode_cursor(token, 1)
        query = query.where(EventRow.id > after)
    rows = session.scalars(query.order_by(EventRow.id).limit(size + 1)).all()
    return EventPage(
        events=[_record(row) for row in rows[:size]],
        next_page_token=encode_cursor([rows[size - 1].id]) if len(rows) > size else None,
    )


def latest(session: Session, study_id: int, count: int) -> list[Event]:
    """A study's newest events, the newest first."""
    rows = session.scalars(
        select(EventRow)
        .where(EventRow.study_id == study_id)
        .order_by(EventRow.id.desc())
        .limit(count)
    )
    return [_record(row) for row in rows]


def _record(row: EventRow) -> Event:
    return Event(
        id=row.id,
        study_id=row.study_id,
        at=as_datetime(row.at),
        kind=EventKind(row.kind),
        message=row.message,
        data=row.data,
    )
