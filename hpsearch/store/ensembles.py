"""Ensembles: requested, built by a worker, complete or failed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from hpsearch.errors import Conflict, NotFound
from hpsearch.spec.ensemble import EnsembleSpec
from hpsearch.spec.language.base import as_json
from hpsearch.spec.language.states import EnsembleState, TrialState, transition
from hpsearch.spec.wire.ensembles import BuildProgress, Ensemble, EnsembleResult
from hpsearch.store.checkpoints import StoredArtifact
from hpsearch.store.database import now
from hpsearch.store.tables import EnsembleRow, JobRow, TrialRow
from hpsearch.store.timestamps import as_datetime

OPEN = (EnsembleState.QUEUED, EnsembleState.RUNNING)

_REQUEST: TypeAdapter[EnsembleSpec] = TypeAdapter(EnsembleSpec)


@dataclass(frozen=True)
class StoredEnsemble:
    """An ensemble as the service handles it."""

    id: int
    study_id: int
    state: EnsembleState
    automatic: bool
    request: EnsembleSpec
    trials: tuple[int, ...]
    """Numbers of the trials that it may choose from; empty for all."""


def create(session: Session, study_id: int, request: EnsembleSpec, *, automatic: bool) -> int:
    """Adds a queued ensemble; returns its id.

    Args:
        session: the transaction.
        study_id: whose.
        request: its kind and settings.
        automatic: whether the study's spec asks for it, and not a person.
    """
    row = EnsembleRow(
        study_id=study_id,
        state=EnsembleState.QUEUED,
        automatic=automatic,
        request=request.model_dump(mode="json"),
        trials=[],
        created_at=now(session),
    )
    session.add(row)
    session.flush()
    return row.id


def set_trials(session: Session, ensemble_id: int, trials: Sequence[int]) -> None:
    """Sets the numbers of the trials that an ensemble may choose from."""
    row_of(session, ensemble_id).trials = list(trials)


def get(session: Session, ensemble_id: int) -> Ensemble:
    """The record of an ensemble."""
    return _record(row_of(session, ensemble_id))


def of_study(session: Session, study_id: int) -> list[Ensemble]:
    """A study's ensembles, the oldest first."""
    rows = session.scalars(
        select(EnsembleRow).where(EnsembleRow.study_id == study_id).order_by(EnsembleRow.id)
    )
    return [_record(row) for row in rows]


def get_stored(session: Session, ensemble_id: int) -> StoredEnsemble:
    """An ensemble as the service handles it."""
    return _stored(row_of(session, ensemble_id))


def open_of_study(session: Session, study_id: int) -> list[StoredEnsemble]:
    """A study's ensembles that are not over, the oldest first."""
    rows = session.scalars(
        select(EnsembleRow)
        .where(EnsembleRow.study_id == study_id, EnsembleRow.state.in_(OPEN))
        .order_by(EnsembleRow.id)
    )
    return [_stored(row) for row in rows]


def ready_to_build(session: Session, study_id: int) -> list[int]:
    """Ids of a study's ensembles that have no job yet and whose trials are all over."""
    has_job = select(JobRow.id).where(JobRow.ensemble_id == EnsembleRow.id).exists()
    rows = session.scalars(
        select(EnsembleRow).where(
            EnsembleRow.study_id == study_id, EnsembleRow.state == EnsembleState.QUEUED, ~has_job
        )
    ).all()
    return [row.id for row in rows if not _has_open(session, study_id, row.trials)]


def _has_open(session: Session, study_id: int, numbers: Sequence[int]) -> bool:
    """Whether one of these trials is queued or running."""
    found = session.scalar(
        select(TrialRow.id)
        .where(
            TrialRow.study_id == study_id,
            TrialRow.number.in_(numbers),
            TrialRow.state.in_((TrialState.QUEUED, TrialState.RUNNING)),
        )
        .limit(1)
    )
    return found is not None


def start(session: Session, ensemble_id: int) -> None:
    """Marks an ensemble as running; its first start is the one that is dated."""
    row = row_of(session, ensemble_id)
    _change(row, EnsembleState.RUNNING)
    if row.started_at is None:
        row.started_at = now(session)


def requeue(session: Session, ensemble_id: int) -> None:
    """Puts an ensemble back into the queue and resets its progress."""
    row = row_of(session, ensemble_id)
    _change(row, EnsembleState.QUEUED)
    row.progress = None


def set_progress(session: Session, ensemble_id: int, progress: BuildProgress) -> None:
    """Stores how far an ensemble's worker is."""
    row_of(session, ensemble_id).progress = progress.model_dump()


def finish(
    session: Session, ensemble_id: int, result: EnsembleResult, artifact: StoredArtifact
) -> None:
    """Marks an ensemble as complete, with its result and its file."""
    row = row_of(session, ensemble_id)
    _change(row, EnsembleState.COMPLETE)
    row.result = as_json(result)
    row.artifact, row.size_bytes, row.sha256 = artifact.key, artifact.size_bytes, artifact.sha256
    row.progress, row.finished_at = None, now(session)


def fail(session: Session, ensemble_id: int, message: str) -> None:
    """Marks an ensemble as failed, with the reason in a sentence."""
    row = row_of(session, ensemble_id)
    _change(row, EnsembleState.FAILED)
    row.message, row.progress, row.finished_at = message, None, now(session)


def delete(session: Session, ensemble_id: int) -> str | None:
    """Removes an ensemble; returns the key of its file, if it has one."""
    row = row_of(session, ensemble_id)
    session.delete(row)
    return row.artifact


def artifact_of(session: Session, ensemble_id: int) -> StoredArtifact:
    """The artifact of an ensemble's file.

    Raises:
        Conflict: when the ensemble is not complete.
    """
    row = row_of(session, ensemble_id)
    if row.artifact is None or row.sha256 is None or row.size_bytes is None:
        raise Conflict(
            f"an ensemble must be complete to be used, and ensemble {ensemble_id} is {row.state}; "
            + ("ask for another one" if row.state == EnsembleState.FAILED else "wait for it")
        )
    return StoredArtifact(row.artifact, row.size_bytes, row.sha256)


def is_referenced(session: Session, artifact: StoredArtifact) -> bool:
    """Whether an ensemble refers to the artifact."""
    found = select(EnsembleRow.id).where(EnsembleRow.artifact == artifact.key).limit(1)
    return session.scalar(found) is not None


def artifact_keys_of_study(session: Session, study_id: int) -> list[str]:
    """Every artifact key of a study's ensembles."""
    found = session.scalars(
        select(EnsembleRow.artifact).where(
            EnsembleRow.study_id == study_id, EnsembleRow.artifact.is_not(None)
        )
    )
    return [key for key in found if key is not None]


def artifact_keys(session: Session) -> set[str]:
    """Every artifact key of an ensemble."""
    return {key for key in session.scalars(select(EnsembleRow.artifact)) if key is not None}


def members(session: Session, study_id: int) -> set[tuple[int, int]]:
    """(trial, epoch) of every checkpoint that a complete ensemble is made of."""
    results = session.scalars(
        select(EnsembleRow.result).where(
            EnsembleRow.study_id == study_id, EnsembleRow.state == EnsembleState.COMPLETE
        )
    )
    return {
        (member["trial"], member["epoch"])
        for result in results
        for member in (result or {}).get("members", [])
    }


def mark_stale(session: Session, study_id: int) -> None:
    """Notes that a study's ensembles were built before it was extended."""
    session.execute(
        update(EnsembleRow)
        .where(EnsembleRow.study_id == study_id, EnsembleRow.state == EnsembleState.COMPLETE)
        .values(stale=True)
    )


def counts(session: Session, study_ids: Collection[int]) -> Mapping[int, int]:
    """How many ensembles each study has, by study id; studies without any are left out."""
    found = session.execute(
        select(EnsembleRow.study_id, func.count())
        .where(EnsembleRow.study_id.in_(study_ids))
        .group_by(EnsembleRow.study_id)
    )
    return {study: count for study, count in found}  # noqa: C416 (rows are no pairs to mypy)


def row_of(session: Session, ensemble_id: int) -> EnsembleRow:
    """The row of an ensemble.

    Raises:
        NotFound: when there is none.
    """
    row = session.get(EnsembleRow, ensemble_id)
    if row is None:
        raise NotFound(
            f"an ensemble must exist to be used, and none has id {ensemble_id}; list the study's"
        )
    return row


def _change(row: EnsembleRow, state: EnsembleState) -> None:
    row.state = transition(f"ensemble {row.id}", EnsembleState(row.state), state)


def _stored(row: EnsembleRow) -> StoredEnsemble:
    return StoredEnsemble(
        id=row.id,
        study_id=row.study_id,
        state=EnsembleState(row.state),
        automatic=row.automatic,
        request=_REQUEST.validate_python(row.request),
        trials=tuple(row.trials),
    )


def _record(row: EnsembleRow) -> Ensemble:
    result: dict[str, Any] = row.result or {}
    request = row.request
    return Ensemble.model_validate(
        {
            **result,
            "id": row.id,
            "study_id": row.study_id,
            "kind": request["kind"],
            "size": request["size"],
            "combine": request["combine"],
            "metric": request["metric"],
            "request": request,
            "automatic": row.automatic,
            "stale": row.stale,
            "state": row.state,
            "progress": row.progress,
            "message": row.message,
            "size_bytes": row.size_bytes,
            "sha256": row.sha256,
            "created_at": as_datetime(row.created_at),
            "started_at": as_datetime(row.started_at),
            "finished_at": as_datetime(row.finished_at),
        }
    )
