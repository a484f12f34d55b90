"""Reports of epochs: stored, and answered with whether each trial continues.

report_jobs    a worker's batch, of any number of jobs
report_trial   one epoch of an external trial

The epochs, what the pruner decides on them, and a limit that they reach are one transaction. Of a
trial that is over no epoch is stored any more: the answer says how it has ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from hpsearch.search.pruners import GO_ON, Verdict
from hpsearch.service import ask_tell
from hpsearch.service.context import ServiceContext
from hpsearch.service.pruning import StudyPruner
from hpsearch.service.report_limits import ReportLimits
from hpsearch.spec.language.states import Decision
from hpsearch.spec.wire.jobs import (
    Decisions,
    JobDecision,
    ReportBatch,
    TrialDecision,
    TrialEnding,
    TrialReport,
)
from hpsearch.store import jobs, pruning_state, reports, studies, study_progress
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
    limits = ReportLimits.open(session, by_job)
    pruners = context.curve_tables.open(session, pruning_state.lock_of_jobs(session, by_job))
    tokens = sorted({(report.job, report.attempt) for report in batch.reports})
    leased = jobs.renew(session, tokens, context.lease_seconds, begun=True)
    verdicts = _append_all(session, leased, limits.allowed(session, leased, by_job), pruners)
    limits.enforce(session, context)
    return Decisions(
        decisions=_decisions(session, leased, verdicts),
        predictions_wait=jobs.has_queued_predictions(session),
    )


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
    job_id = ask_tell.job_of(session, study_id, number)
    by_job = {job_id: [Epoch(report.epoch, report.metrics)]}
    limits = ReportLimits.open(session, by_job)
    studies_to_prune = pruning_state.lock_of_trial(session, study_id, number)
    pruners = context.curve_tables.open(session, studies_to_prune)
    leased = {job_id: ask_tell.renew(session, study_id, number, report.attempt, task)}
    verdicts = _append_all(session, leased, limits.allowed(session, leased, by_job), pruners)
    limits.enforce(session, context)
    (decision,) = _decisions(session, leased, verdicts)
    return TrialDecision(decision=decision.decision, why=decision.why)


def _append_all(
    session: Session,
    leased: Mapping[int, QueuedJob],
    by_job: Mapping[int, Sequence[Epoch]],
    pruners: Mapping[int, StudyPruner],
) -> dict[int, Verdict]:
    """Stores trials' epochs; returns what their studies' pruners decide on them, by job id.

    All are stored before any is judged: trials that report together are judged together.
    """
    for job_id, epochs in sorted(by_job.items()):
        job = leased[job_id]
        objectives = studies.spec_of(session, job.study_id).objectives
        reports.append(session, job.required_trial_id, epochs, objectives)
    verdicts: dict[int, Verdict] = {}
    for study_id, pruner in pruners.items():
        trials = {
            job.required_trial_id: by_job[job_id]
            for job_id, job in leased.items()
            if job_id in by_job
            and job.study_id == study_id
            and job.required_trial_id in pruner.study.reporting
        }
        verdicts.update(pruner.decide(trials))
    return {job_id: verdicts.get(leased[job_id].required_trial_id, GO_ON) for job_id in by_job}


def _decisions(
    session: Session, leased: Mapping[int, QueuedJob], verdicts: Mapping[int, Verdict]
) -> list[JobDecision]:
    """Whether each trial continues, by job id; one that is over by now does not."""
    decisions = []
    for job_id, job in sorted(leased.items()):
        trial = study_progress.status(session, job.required_trial_id)
        verdict = verdicts.get(job_id, GO_ON)
        if trial.is_over:
            ended = TrialEnding(state=trial.state, reason=trial.reason, epochs=trial.epochs_done)
            why = trial.message or f"the trial is {trial.state}"
            decisions.append(JobDecision(job=job_id, decision=Decision.STOP, why=why, ended=ended))
        else:
            decision = Decision.STOP if verdict.stop else Decision.CONTINUE
            decisions.append(JobDecision(job=job_id, decision=decision, why=verdict.why))
    return decisions
