"""Files that workers upload: checkpoints, their predictions, ensembles.

A file is written between two checks of its lease, so no lock is held while it is received: `check`
(or `ensemble_key_prefix`), then the file, then `store` (or `ensembles.finish`). Where the second
check fails, `remove_unreferenced` deletes the file again.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from hpsearch.service.context import ServiceContext
from hpsearch.spec.language.states import JobKind
from hpsearch.spec.wire.multipart import CheckpointPart
from hpsearch.spec.wire.records import Checkpoint
from hpsearch.store import checkpoints, ensembles, jobs, studies, trials
from hpsearch.store.checkpoint_writes import CheckpointWriter
from hpsearch.store.checkpoints import StoredArtifact
from hpsearch.store.jobs import QueuedJob


def check(session: Session, context: ServiceContext, parts: Sequence[CheckpointPart]) -> list[str]:
    """Whether a batch may be uploaded; returns the prefix of each part's artifact key.

    Raises:
        StaleLease: when a lease is no longer in force.
        ReportGap: when an epoch has not been reported yet.
    """
    leased = _renew(session, context, parts)
    prefixes = []
    for part in parts:
        job = leased[part.job]
        trials.check_reported(session, job.required_trial_id, part.epoch)
        kind = "" if part.content == "checkpoint" else f"-{part.content}"
        prefixes.append(
            f"studies/{job.study_id}/trials/{job.required_trial_id}/"
            f"epoch-{part.epoch:06d}-attempt-{part.attempt}{kind}"
        )
    return prefixes


def store(
    session: Session,
    context: ServiceContext,
    uploaded: Sequence[tuple[CheckpointPart, StoredArtifact]],
) -> list[Checkpoint]:
    """Makes whole files visible as checkpoints and predictions of trials: all, or none.

    Artifacts that these replace are deleted on commit.

    Raises:
        StaleLease: when a lease is no longer in force.
    """
    leased = _renew(session, context, [part for part, _ in uploaded])
    writer = CheckpointWriter(session, {job.required_trial_id for job in leased.values()})
    for part, artifact in uploaded:
        job = leased[part.job]
        if part.content == "predictions":
            writer.put_predictions(job.required_trial_id, part.epoch, artifact)
            continue
        recent_limit = None
        if "recent" in part.reasons:
            recent_limit = studies.spec_of(session, job.study_id).checkpoints.recent or 0
        writer.put(job.required_trial_id, part, artifact, recent_limit)
    records = writer.records()
    context.artifacts.delete_on_commit(session, writer.unneeded)
    return records


def ensemble_key_prefix(
    session: Session, context: ServiceContext, job_id: int, attempt: int
) -> str:
    """The prefix of the artifact key of an ensemble that is about to be uploaded.

    Raises:
        StaleLease: when the lease is no longer in force.
        Conflict: when the job builds no ensemble.
    """
    job = jobs.renew(session, [(job_id, attempt)], context.lease_seconds)[job_id]
    job.check_kind(JobKind.ENSEMBLE)
    return f"studies/{job.study_id}/ensembles/{job.required_ensemble_id}/attempt-{attempt}"


def remove_unreferenced(
    session: Session, context: ServiceContext, artifact: StoredArtifact
) -> None:
    """Deletes an uploaded file on commit, unless a repeated request has made it visible."""
    if not (
        checkpoints.is_referenced(session, artifact) or ensembles.is_referenced(session, artifact)
    ):
        context.artifacts.delete_on_commit(session, [artifact.key])


def _renew(
    session: Session, context: ServiceContext, parts: Sequence[CheckpointPart]
) -> dict[int, QueuedJob]:
    tokens = sorted({(part.job, part.attempt) for part in parts})
    return jobs.renew(session, tokens, context.lease_seconds)
