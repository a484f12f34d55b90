"""States and the one table of transitions; whatever is not listed is refused."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from hpsearch.errors import IllegalTransition


class StudyState(StrEnum):
    """Queued until its first trial starts."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    COMPLETE = "complete"
    FAILED = "failed"


class TrialState(StrEnum):
    """Queued again when its lease is lost; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"


class TrialReason(StrEnum):
    """Why a trial did not complete."""

    DIVERGED = "diverged"
    LOST = "lost"
    OUT_OF_MEMORY = "out_of_memory"
    ERROR = "error"
    STOPPED = "stopped"


class JobState(StrEnum):
    """Queued, held by a worker, or over."""

    QUEUED = "queued"
    LEASED = "leased"
    DONE = "done"
    FAILED = "failed"


class JobKind(StrEnum):
    """What a worker can be asked to do."""

    PREFLIGHT = "preflight"
    RANGE_TEST = "range_test"
    TRIAL = "trial"
    ENSEMBLE = "ensemble"
    PREDICT = "predict"


class EnsembleState(StrEnum):
    """Queued until a worker builds it, or while trials that it needs train."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"


class FailureReason(StrEnum):
    """Why a worker gives a job back.

    The first two end the trial; an error is tried again elsewhere until the attempts are used
    up; the last two are no fault of the trial and cost it nothing.
    """

    INVALID = "invalid"
    OUT_OF_MEMORY = "out_of_memory"
    ERROR = "error"
    RELEASED = "released"
    STORAGE_FULL = "storage_full"


class WorkerState(StrEnum):
    """Active, set aside after failing again and again, or not heard of."""

    ACTIVE = "active"
    SET_ASIDE = "set_aside"
    LOST = "lost"


class Decision(StrEnum):
    """The answer to a report."""

    CONTINUE = "continue"
    STOP = "stop"


class EventKind(StrEnum):
    """What a study's log tells."""

    STUDY_CREATED = "study_created"
    STATE_CHANGED = "state_changed"
    STUDY_EDITED = "study_edited"
    STAGE_STARTED = "stage_started"
    STAGE_FINISHED = "stage_finished"
    RANGE_NARROWED = "range_narrowed"
    RANGE_EXTENDED = "range_extended"
    BORDER_WARNING = "border_warning"
    TRIAL_FAILED = "trial_failed"
    LEASE_EXPIRED = "lease_expired"
    WORKER_JOINED = "worker_joined"
    WORKER_LOST = "worker_lost"
    ENSEMBLE_COMPLETE = "ensemble_complete"
    ENSEMBLE_FAILED = "ensemble_failed"
    LIMIT_REACHED = "limit_reached"


TRANSITIONS: Mapping[type[StrEnum], Mapping[StrEnum, frozenset[StrEnum]]] = {
    StudyState: {
        StudyState.QUEUED: frozenset(
            {StudyState.RUNNING, StudyState.PAUSED, StudyState.STOPPED, StudyState.FAILED}
        ),
        StudyState.RUNNING: frozenset(
            {StudyState.PAUSED, StudyState.STOPPED, StudyState.COMPLETE, StudyState.FAILED}
        ),
        StudyState.PAUSED: frozenset(set(StudyState) - {StudyState.PAUSED}),
        StudyState.STOPPED: frozenset(),
        StudyState.COMPLETE: frozenset(),
        StudyState.FAILED: frozenset(),
    },
    TrialState: {
        TrialState.QUEUED: frozenset({TrialState.RUNNING, TrialState.FAILED}),
        TrialState.RUNNING: frozenset(set(TrialState) - {TrialState.RUNNING}),
        TrialState.COMPLETE: frozenset(),
        TrialState.PRUNED: frozenset(),
        TrialState.FAILED: frozenset(),
    },
    EnsembleState: {
        EnsembleState.QUEUED: frozenset({EnsembleState.RUNNING, EnsembleState.FAILED}),
        EnsembleState.RUNNING: frozenset(set(EnsembleState) - {EnsembleState.RUNNING}),
        EnsembleState.COMPLETE: frozenset(),
        EnsembleState.FAILED: frozenset(),
    },
    JobState: {
        JobState.QUEUED: frozenset({JobState.LEASED, JobState.FAILED}),
        JobState.LEASED: frozenset({JobState.QUEUED, JobState.DONE, JobState.FAILED}),
        JobState.DONE: frozenset(),
        JobState.FAILED: frozenset(),
    },
}

S = TypeVar("S", bound=StrEnum)


def is_final(state: StrEnum) -> bool:
    """Whether nothing can follow."""
    return not TRANSITIONS[type(state)][state]


def transition(noun: str, present: S, wanted: S) -> S:
    """The wanted state, if it may follow.

    Raises:
        IllegalTransition: when the table does not list it.
    """
    followers = TRANSITIONS[type(present)][present]
    if wanted not in followers:
        if not followers:
            raise IllegalTransition(
                f"{noun} must be under way to become {wanted}, and it is {present}; leave it as it "
                "is, or begin another"
            )
        raise IllegalTransition(
            f"{noun} is {present}, which only {', '.join(sorted(followers))} may follow, not "
            f"{wanted}; read its state again before asking"
        )
    return wanted
