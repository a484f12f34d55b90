"""What a study's limits leave of a batch of reports.

A limit on epochs is never passed: of a batch that would pass it the first epochs are stored, those
of all trials in turn, and the trials end there. Time is looked at with every report.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from hpsearch.service import completion
from hpsearch.service.context import ServiceContext
from hpsearch.spec.language.states import is_final
from hpsearch.store import leases, studies, study_progress
from hpsearch.store.jobs import QueuedJob
from hpsearch.store.reports import Epoch
from hpsearch.store.studies import LockedStudy


@dataclass(frozen=True)
class ReportLimits:
    """The limits that one batch may reach."""

    studies: Sequence[LockedStudy]
    """Those that may reach a limit by the batch, under their locks."""
    epochs_left: Mapping[int, float]
    """Epochs that each of them may still store, by study id."""

    @classmethod
    def open(cls, session: Session, by_job: Mapping[int, Sequence[Epoch]]) -> ReportLimits:
        """Locks what must be locked before the batch's jobs are."""
        near, epochs_left = [], {}
        most = sum(len(epochs) for epochs in by_job.values())
        for study in studies.lock_limited(session, by_job):
            if is_final(study.state):  # limits do not hold for what a person asks of it
                continue
            limits = study.spec.limits
            left = math.inf
            if limits.epochs is not None:
                left = limits.epochs - study_progress.epochs_done(session, study.id)
            seconds = study_progress.seconds_since(session, study.started_at)
            if left <= most or (limits.seconds is not None and seconds >= limits.seconds):
                near.append(study)
                epochs_left[study.id] = max(0, left)
        if near:
            leases.lock_for_reports(session, by_job, [study.id for study in near])
        return cls(near, epochs_left)

    def allowed(
        self,
        session: Session,
        leased: Mapping[int, QueuedJob],
        by_job: Mapping[int, Sequence[Epoch]],
    ) -> dict[int, list[Epoch]]:
        """The epochs of a batch that are to be stored, by job id, without trials that are over."""
        trial_ids = [job.required_trial_id for job in leased.values()]
        statuses = study_progress.statuses(session, trial_ids)
        running = {
            job_id: list(epochs)
            for job_id, epochs in by_job.items()
            if not statuses[leased[job_id].required_trial_id].is_over
        }
        for study_id, left in self.epochs_left.items():
            ids = [job_id for job_id in running if leased[job_id].study_id == study_id]
            done = {i: statuses[leased[i].required_trial_id].epochs_done for i in ids}
            new = sorted(
                (epoch.epoch, job_id)
                for job_id in ids
                for epoch in running[job_id]
                if epoch.epoch >= done[job_id]
            )
            if len(new) > left:
                _drop(running, set(new[int(left) :]))
        return running

    def enforce(self, session: Session, context: ServiceContext) -> None:
        """Ends the studies that have reached a limit by now."""
        for study in self.studies:
            completion.finalize(session, context, studies.lock(session, study.id))


def _drop(by_job: dict[int, list[Epoch]], unwanted: Collection[tuple[int, int]]) -> None:
    """Removes epochs, given as (epoch, job id)."""
    for job_id, epochs in by_job.items():
        by_job[job_id] = [epoch for epoch in epochs if (epoch.epoch, job_id) not in unwanted]
