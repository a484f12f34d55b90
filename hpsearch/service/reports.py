"""Reports of epochs: stored, and answered with whether each trial continues.

report_jobs    a worker's batch, of any number of jobs
report_trial   one epoch of an external trial

The epochs and what the pruner decides on them are one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from hpsearch.search.pruners import GO_ON, Verdict
from hpsearch.service import ask_tell
from hpsearch.service.context import ServiceContext
from hpsearch.service.pruning import StudyPruner
from hpsearch.spec.language.states import Decision
from hpsearch.spec.wire.jobs import (
    Decisions,
    JobDecision,
    ReportBatch,
    TrialDecision,
    TrialReport,
)
from hpsearch.store import jobs, pruning_state, reports, studies
from hpsearch.store.jobs import QueuedJob
from hpsearch.store.reports import Epoch


def report_jobs(session: Session, context: ServiceContext, batch: ReportBatch) -> Decisions:
    """Stores a worker's epochs, all or none, and renews the leases of their jobs.

    Raises:
        StaleLease: when one of the leases is no longer in force.
        ReportGap: when an epoch of a trial was left out.
    """
    by_job: dict[int, list[Epoch]] = {}
    for report in batch.reports:
        by_job.setdefault(report.job, []).append(Epoch(report.epoch, report.metrics))
    pruners = context.curve_tables.open(session, pruning_state.lock_of_jobs(session, by_job))
    tokens = sorted({(report.job, report.attempt) for report in batch.reports})
    leased = jobs.renew(session, tokens, context.lease_seconds)
    decisions = []
    for job_id, epochs in sorted(by_job.items()):
        verdict = _append(session, leased[job_id], epochs, pruners)
        decisions.append(JobDecision(job=job_id, decision=_decision(verdict), why=verdict.why))
    return Decisions(decisions=decisions, predictions_wait=jobs.has_queued_predictions(session))


def report_trial(
    session: Session, context: ServiceContext, study_id: int, number: int, report: TrialReport
) -> TrialDecision:
    """Stores an epoch of an external trial and renews its lease.

    Raises:
        Conflict: when the study is not external, or the trial does not run.
        StaleLease: when the lease is no longer in force.
        ReportGap: when an epoch was left out.
    """
    task = ask_tell.external_task(studies.spec_of(session, study_id), study_id)
    studies_to_prune = pruning_state.lock_of_trial(session, study_id, number)
    pruners = context.curve_tables.open(session, studies_to_prune)
    job = ask_tell.renew(session, study_id, number, report.attempt, task)
    verdict = _append(session, job, [Epoch(report.epoch, report.metrics)], pruners)
    return TrialDecision(decision=_decision(verdict), why=verdict.why)


def _append(
    session: Session,
    job: QueuedJob,
    epochs: Sequence[Epoch],
    pruners: Mapping[int, StudyPruner],
) -> Verdict:
    """Stores a trial's epochs; returns what its study's pruner, if it has one, decides on them."""
    objectives = studies.spec_of(session, job.study_id).objectives
    reports.append(session, job.required_trial_id, epochs, objectives)
    pruner = pruners.get(job.study_id)
    return GO_ON if pruner is None else pruner.decide(job.required_trial_id, epochs)


def _decision(verdict: Verdict) -> Decision:
    return Decision.STOP if verdict.stop else Decision.CONTINUE
