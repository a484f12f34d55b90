"""Versions of a study's spec: an edit makes a new one, and each trial keeps its own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.records import StudyVersion
from hpsearch.store.database import now
from hpsearch.store.studies import row_of
from hpsearch.store.tables import VersionRow
from hpsearch.store.timestamps import as_datetime


def add(session: Session, study_id: int, spec: StudySpec, changes: Sequence[str]) -> int:
    """Makes a spec the study's present one, as its next version; returns that version."""
    study = row_of(session, study_id)
    last = session.scalar(
        select(VersionRow.version)
        .where(VersionRow.study_id == study_id)
        .order_by(VersionRow.version.desc())
        .limit(1)
    )
    version = (last or 0) + 1
    document = spec.model_dump(mode="json")
    session.add(
        VersionRow(
            study_id=study_id,
            version=version,
            spec=document,
            changes=list(changes),
            first_trial=study.trials_created,
            created_at=now(session),
        )
    )
    study.version, study.spec = version, document
    study.name, study.priority = spec.name, spec.priority
    session.flush()
    return version


def documents(
    session: Session, study_id: int, versions: Collection[int]
) -> dict[int, dict[str, Any]]:
    """The specs of some versions as stored: JSON documents, every default filled in."""
    rows = session.execute(
        select(VersionRow.version, VersionRow.spec).where(
            VersionRow.study_id == study_id, VersionRow.version.in_(versions)
        )
    )
    return {version: document for version, document in rows}  # noqa: C416 (rows are no pairs to mypy)


def of_study(session: Session, study_id: int) -> list[StudyVersion]:
    """Every version from the first on."""
    row_of(session, study_id)
    rows = session.scalars(
        select(VersionRow).where(VersionRow.study_id == study_id).order_by(VersionRow.version)
    )
    return [
        StudyVersion(
            version=row.version,
            first_trial=row.first_trial,
            changes=row.changes,
            spec=row.spec,
            created_at=as_datetime(row.created_at),
        )
        for row in rows
    ]
