"""What the service does with jobs of one kind; `job_kinds` lists the kinds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from sqlalchemy.orm import Session

from hpsearch.spec.language.states import TrialReason
from hpsearch.spec.wire.jobs import AnyJob
from hpsearch.store.jobs import QueuedJob
from hpsearch.store.studies import LockedStudy


class JobRules(ABC):
    """How jobs of one kind go back to the queue and fail.

    The job's own row is changed by the caller; these change what the job works on.
    """

    @abstractmethod
    def requeue(self, session: Session, job: QueuedJob) -> None:
        """Makes what the job works on wait for its next attempt, which `job` already carries."""

    @abstractmethod
    def fail(self, session: Session, job: QueuedJob, reason: TrialReason, message: str) -> None:
        """Makes what the job works on fail for good."""


class StudyJobRules(JobRules):
    """Jobs that are leased in their study's turn, under the study's lock."""

    while_paused: ClassVar[bool] = True
    """Whether a paused study still hands them out."""
    reads_checkpoints: ClassVar[bool] = False
    """Whether a study keeps every checkpoint while one of them is open; each checkpoint is looked
    at again when it ends."""

    @abstractmethod
    def start(
        self, session: Session, study: LockedStudy, leased: Sequence[QueuedJob]
    ) -> Sequence[AnyJob]:
        """Marks what leased jobs work on as running; returns what their worker needs."""

    @abstractmethod
    def stop(self, session: Session, study_id: int, message: str) -> None:
        """Ends every job of the kind that a study has queued or leased."""
