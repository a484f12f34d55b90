"""The specs that a study ran with: an edit makes a new version, and trials keep theirs."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from hpsearch.spec.study import StudySpec, parse_study
from hpsearch.spec.wire.records import StudyVersion
from hpsearch.store.database import now
from hpsearch.store.studies import row_of
from hpsearch.store.tables import VersionRow
from hpsearch.store.timestamps import as_datetime


def add(session: Session, study_id: int, spec: StudySpec, changes: Sequence[str]) -> int:
    """Makes a spec the study's present one; returns its version."""
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


def spec_of(session: Session, study_id: int, version: int) -> StudySpec:
    """The spec of a version."""
    return parse_study(session.get_one(VersionRow, (study_id, version)).spec)


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
