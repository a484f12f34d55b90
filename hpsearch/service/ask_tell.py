"""Ask and tell: trials of an external study, which somebody's own loop trains.

The loop asks for configurations, reports epochs if it has any, and tells the value. Between ask
and tell a trial is held under (trial, attempt) as a worker's is under (job, attempt): one not
heard of for `task.timeout_seconds` is given to the next who asks, and what comes late is refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sqlalchemy.orm import Session

from hpsearch.errors import Conflict, InvalidInput
from hpsearch.service import leasing, pruning
from hpsearch.service.tuner import Tuner
from hpsearch.spec.external import ExternalTask
from hpsearch.spec.language.states import Decision, JobState, StudyState, TrialReason, TrialState
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.jobs import (
    AskRequest,
    TrialCompletion,
    TrialDecision,
    TrialList,
    TrialReport,
)
from hpsearch.spec.wire.records import Trial
from hpsearch.store import jobs, pruning_state, reports, studies, trials
from hpsearch.store.jobs import QueuedJob
from hpsearch.store.reports import Epoch


@dataclass(frozen=True)
class Asking:
    """The tuner's rules for external studies."""

    tuner: Tuner

    def ask(self, session: Session, study_id: int, request: AskRequest) -> TrialList:
        """Up to `count` trials: given-up ones first, then new ones; none when all are handed out.

        Raises:
            Conflict: when the study is not external, or was paused, stopped or failed.
        """
        study = studies.lock(session, study_id)
        task = _external(study.spec, study_id)
        if study.state is StudyState.COMPLETE:
            return TrialList(trials=[])
        if study.state not in studies.OPEN:
            raise Conflict(
                f"a study must be open to be asked, and study {study_id} is {study.state}; "
                + ("resume it" if study.state is StudyState.PAUSED else "clone it")
            )
        taken = [job.id for job in jobs.lock_queued(session, study_id, request.count)]
        taken += leasing.sample(session, self.tuner.memory, study, request.count - len(taken))
        leased = jobs.lease(session, taken, None, task.timeout_seconds)
        given = leasing.start(session, study, leased)
        return TrialList(trials=[trials.get(session, study_id, job.trial) for job in given])

    def report(
        self, session: Session, study_id: int, number: int, report: TrialReport
    ) -> TrialDecision:
        """Stores an epoch; the answer says whether to go on."""
        spec = studies.spec_of(session, study_id)
        task = _external(spec, study_id)
        judges = pruning.judges_of_trial(session, self.tuner.tables, study_id, number)
        job = self._hold(session, study_id, number, report.attempt, task)
        epoch = Epoch(report.epoch, report.metrics)
        reports.append(session, job.required_trial_id, [epoch], spec.objectives)
        if study_id not in judges:
            return TrialDecision(decision=Decision.CONTINUE)
        verdict = judges[study_id].judge(job.required_trial_id, [epoch])
        decision = Decision.STOP if verdict.stop else Decision.CONTINUE
        return TrialDecision(decision=decision, why=verdict.why)

    def complete(self, session: Session, study_id: int, number: int, end: TrialCompletion) -> Trial:
        """A trial's end, with its value unless the reports have told it."""
        study = studies.lock(session, study_id)
        task = _external(study.spec, study_id)
        if end.state not in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED):
            raise InvalidInput.at("state", f"must be complete, pruned or failed, got {end.state}")
        if end.value is not None and not math.isfinite(end.value):
            raise InvalidInput.at(
                "value", f"must be finite, got {end.value}; tell state failed or pruned instead"
            )
        job = self._hold(session, study_id, number, end.attempt, task)
        if end.value is not None:
            trials.set_value(session, job.required_trial_id, end.value)
        elif (
            end.state is TrialState.COMPLETE
            and trials.best_value(session, job.required_trial_id) is None
        ):
            raise InvalidInput.at("value", "is required when no epoch was reported; add it")
        failed = end.state is TrialState.FAILED
        jobs.finish(session, job.id, JobState.FAILED if failed else JobState.DONE)
        reason = TrialReason.ERROR if failed else None
        message = end.message
        if end.state is TrialState.PRUNED and message is None:
            message = pruning_state.stop_reason(session, job.required_trial_id)
        trials.finish(session, job.required_trial_id, end.state, reason, message)
        self.tuner.settle(session, study)
        return trials.get(session, study_id, number)

    def _hold(
        self, session: Session, study_id: int, number: int, attempt: int, task: ExternalTask
    ) -> QueuedJob:
        trial = trials.get(session, study_id, number)
        if trial.state is not TrialState.RUNNING:
            raise Conflict(
                f"a trial must be running to be told of, and trial {number} of study {study_id} "
                f"is {trial.state}; ask for another"
            )
        job_id = jobs.id_of_trial(session, trial.id)
        return jobs.renew(session, [(job_id, attempt)], task.timeout_seconds)[job_id]


def _external(spec: StudySpec, study_id: int) -> ExternalTask:
    if not isinstance(spec.task, ExternalTask):
        raise Conflict(
            f"only an external study is asked and told, and study {study_id} is {spec.task.kind}; "
            "its trials are trained by workers"
        )
    return spec.task
