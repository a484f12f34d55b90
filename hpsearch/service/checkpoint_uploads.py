"""Files on their way to becoming visible: checkpoints, what they predict, ensembles.

A file is written between two looks at its lease, so no lock is held while it comes.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from hpsearch.spec.language.states import JobKind
from hpsearch.spec.wire.multipart import CheckpointPart
from hpsearch.spec.wire.records import Checkpoint
from hpsearch.store import jobs, studies, trials
from hpsearch.store.checkpoint_writes import CheckpointWriter
from hpsearch.store.checkpoints import StoredArtifact
from hpsearch.store.jobs import QueuedJob


def check(session: Session, sent: Sequence[CheckpointPart], lease_seconds: float) -> list[str]:
    """Whether files may come; returns the start of each one's artifact key.

    Raises:
        StaleLease: when a lease is no longer in force.
        ReportGap: when an epoch has not been reported yet.
    """
    held = _held(session, sent, lease_seconds)
    prefixes = []
    for one in sent:
        job = held[one.job]
        trials.check_reported(session, job.required_trial_id, one.epoch)
        kind = "" if one.content == "checkpoint" else f"-{one.content}"
        prefixes.append(
            f"studies/{job.study_id}/trials/{job.required_trial_id}/"
            f"epoch-{one.epoch:06d}-attempt-{one.attempt}{kind}"
        )
    return prefixes


def keep(
    session: Session, sent: Sequence[tuple[CheckpointPart, StoredArtifact]], lease_seconds: float
) -> tuple[list[Checkpoint], list[str]]:
    """Makes whole files visible as trials' checkpoints, or as what these predict: all, or none.

    Returns the checkpoints, and the artifacts that nothing needs any more.
    """
    held = _held(session, [one for one, _ in sent], lease_seconds)
    arrivals = CheckpointWriter(session, {job.required_trial_id for job in held.values()})
    recent: dict[int, int] = {}
    for one, artifact in sent:
        job = held[one.job]
        if one.content == "predictions":
            arrivals.put_predictions(job.required_trial_id, one.epoch, artifact)
            continue
        if "recent" in one.reasons and job.study_id not in recent:
            policy = studies.spec_of(session, job.study_id).checkpoints
            recent[job.study_id] = policy.recent or 0
        arrivals.put(
            job.required_trial_id,
            one.epoch,
            artifact,
            attempt=one.attempt,
            best=one.best,
            last=one.last,
            reasons=one.reasons,
            recent=recent.get(job.study_id),
        )
    return arrivals.records(), arrivals.unneeded


def ensemble_prefix(session: Session, job_id: int, attempt: int, lease_seconds: float) -> str:
    """The start of the artifact key of an ensemble's file.

    Raises:
        StaleLease: when the lease is no longer in force.
    """
    job = jobs.renew(session, [(job_id, attempt)], lease_seconds)[job_id]
    job.check_kind(JobKind.ENSEMBLE)
    return f"studies/{job.study_id}/ensembles/{job.required_ensemble_id}/attempt-{attempt}"


def _held(
    session: Session, sent: Sequence[CheckpointPart], lease_seconds: float
) -> dict[int, QueuedJob]:
    tokens = sorted({(one.job, one.attempt) for one in sent})
    return jobs.renew(session, tokens, lease_seconds)
