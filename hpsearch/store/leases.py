"""Leased jobs: begun, out of time, or kept open for what their workers have yet to send."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import and_, exists, func, or_, select, update
from sqlalchemy.orm import Session

from hpsearch.spec.language.states import JobState, TrialState, is_final
from hpsearch.store.database import now
from hpsearch.store.jobs import QueuedJob, in_force, queued_job
from hpsearch.store.studies import LOCK_ORDER
from hpsearch.store.tables import JobRow, StudyRow, TrialRow

OVER = [state for state in TrialState if is_final(state)]
"""States of a trial whose job, if it is still leased, waits for what its worker has yet to send."""


def count_ending(session: Session, study_ids: Sequence[int]) -> dict[int, int]:
    """How many trials of some studies are over but for what a worker has yet to send, by study id.

    Their jobs are still leased. A person's own loop has nothing to send.
    """
    found = session.execute(
        select(JobRow.study_id, func.count())
        .join(TrialRow, TrialRow.id == JobRow.trial_id)
        .where(
            JobRow.study_id.in_(study_ids),
            JobRow.state == JobState.LEASED,
            JobRow.worker_id.is_not(None),
            TrialRow.state.in_(OVER),
        )
        .group_by(JobRow.study_id)
    )
    return {study_id: count for study_id, count in found}  # noqa: C416 (rows are no pairs to mypy)


def begin(session: Session, tokens: Collection[tuple[int, int]], lease_seconds: float) -> set[int]:
    """Marks leased jobs as begun and renews their leases; returns the ids of those.

    A job whose token is no longer in force, or whose trial is over, is left out: it was taken back
    before it began.
    """
    moment = now(session)
    attempts = dict(tokens)
    rows = session.execute(
        select(JobRow, TrialRow.state)
        .join(TrialRow, TrialRow.id == JobRow.trial_id)
        .where(JobRow.id.in_(attempts))
        .order_by(JobRow.priority.desc(), JobRow.study_id, JobRow.id)  # as `LOCK_ORDER`
        .with_for_update(of=JobRow)
    )
    begun = set()
    for row, trial_state in rows:
        if in_force(row, attempts[row.id], moment) and trial_state not in OVER:
            row.begun, row.expires_at = True, moment + lease_seconds
            begun.add(row.id)
    return begun


def lock_for_reports(
    session: Session, job_ids: Collection[int], study_ids: Collection[int]
) -> None:
    """Locks some jobs and the unfinished ones of some studies, in the order of `LOCK_ORDER`.

    Whoever may end trials while it stores reports does so first: one lock after the other, in
    another order, could wait for a worker's renewal that waits for it.
    """
    of_studies = and_(
        JobRow.study_id.in_(study_ids), JobRow.state.in_((JobState.QUEUED, JobState.LEASED))
    )
    session.execute(
        select(JobRow.id)
        .where(or_(JobRow.id.in_(job_ids), of_studies))
        .order_by(JobRow.priority.desc(), JobRow.study_id, JobRow.id)
        .with_for_update()
    ).all()


def renew_all(session: Session, lease_seconds: float) -> None:
    """Gives every lease its full time again, as while the server was down none could be renewed."""
    session.execute(
        update(JobRow)
        .where(JobRow.state == JobState.LEASED)
        .values(expires_at=now(session) + lease_seconds)
    )


def expired_studies(session: Session) -> Sequence[int]:
    """Ids of studies with a lease that has expired."""
    return session.scalars(
        select(StudyRow.id)
        .where(
            exists().where(
                JobRow.study_id == StudyRow.id,
                JobRow.state == JobState.LEASED,
                JobRow.expires_at < now(session),
            )
        )
        .order_by(*LOCK_ORDER)
    ).all()


def lock_expired(session: Session, study_id: int) -> list[QueuedJob]:
    """Locks a study's jobs whose lease has expired, by the database's clock."""
    rows = session.scalars(
        select(JobRow)
        .where(
            JobRow.study_id == study_id,
            JobRow.state == JobState.LEASED,
            JobRow.expires_at < now(session),
        )
        .order_by(JobRow.id)
        .with_for_update()
    ).all()
    return [queued_job(row) for row in rows]
