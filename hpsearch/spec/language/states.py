"""States and the one table of transitions; whatever is not listed is refused."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from hpsearch.errors import IllegalTransition

_RANGE_CHANGE: Mapping[str, str] = {
    "stage": "the number of the stage that searches it, from 0",
    "parameter": "its name",
    "before": "the range until then, as specs write it",
    "after": "the range from then on",
    "reason": "why, in words",
}


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
    """Why a trial did not train to its planned end.

    One that a limit or a stop cut short is complete where it had reported an epoch, else failed.
    """

    DIVERGED = "diverged"
    LOST = "lost"
    OUT_OF_MEMORY = "out_of_memory"
    ERROR = "error"
    STOPPED = "stopped"
    LIMIT = "limit"


CUT_SHORT = (TrialReason.STOPPED, TrialReason.LIMIT)
"""Reasons that are no fault of the trial's: it does not count as failed."""


class EndReason(StrEnum):
    """Why a study ended."""

    FINISHED = "finished"
    LIMIT = "limit"
    STOP = "stop"
    FAILED_TRIALS = "failed_trials"
    NO_VALUE = "no_value"
    PREFLIGHT = "preflight"

    @property
    def state(self) -> StudyState:
        """The state that a study ends in."""
        if self in (EndReason.FINISHED, EndReason.LIMIT):
            return StudyState.COMPLETE
        return StudyState.STOPPED if self is EndReason.STOP else StudyState.FAILED


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
    """What an entry of a study's log is about; `data` says which keys its `data` has."""

    description: str
    data: Mapping[str, str]

    def __new__(
        cls, value: str, description: str = "", data: Mapping[str, str] | None = None
    ) -> EventKind:
        """A kind.

        Args:
            value: as events carry it.
            description: when such an event is written.
            data: the keys of an event's `data` with what each holds.
        """
        kind = str.__new__(cls, value)
        kind._value_ = value
        kind.description = description
        kind.data = data or {}
        return kind

    STUDY_CREATED = "study_created", "A study was submitted."
    STUDY_WARNING = (
        "study_warning",
        "What of a submitted study was guessed, or cannot be measured.",
    )
    STATE_CHANGED = (
        "state_changed",
        "A study's state changed.",
        {"before": "the state until then", "after": "the state from then on"},
    )
    STUDY_EDITED = (
        "study_edited",
        "The spec of a study under way was edited.",
        {"version": "the number of the new version"},
    )
    STAGE_STARTED = (
        "stage_started",
        "A stage of a search began.",
        {
            "stage": "its number, from 0",
            "trials": "how many are planned",
            "epochs": "the length of each; null where the spec's `training.epochs` counts",
        },
    )
    STAGE_FINISHED = (
        "stage_finished",
        "A stage of a search is over.",
        {
            "stage": "its number, from 0",
            "best_trial": "the number of its best trial; null where none came to a value",
        },
    )
    RANGE_NARROWED = (
        "range_narrowed",
        "A stage searches a smaller range of a parameter than the one before.",
        _RANGE_CHANGE,
    )
    RANGE_EXTENDED = (
        "range_extended",
        "A stage searches past the end of a parameter's range, where the best trials were.",
        _RANGE_CHANGE,
    )
    BORDER_WARNING = (
        "border_warning",
        "The best trials lie at an end of a parameter's range.",
        {
            "parameter": "its name",
            "severity": "`info` or `warning`",
            "end": "`low` or `high`",
            "limit": "the range's value there",
            "best_trial": "the number of the best trial",
            "best_value": "the parameter's value in it",
            "best_quarter": "how many trials the best quarter has",
            "best_quarter_at_end": "how many of them are at the end",
            "trials": "how many were compared",
            "trials_at_end": "how many of them are at the end",
            "p_value": "of the test, corrected for the number of ranges",
            "proposed": "a wider range",
        },
    )
    PRUNER_IDLE = (
        "pruner_idle",
        "A study's pruner can stop no trial of a stage, or none for now, and why.",
        {"stage": "its number, from 0"},
    )
    TRIAL_FAILED = (
        "trial_failed",
        "A trial failed for good.",
        {"trial": "its number", "reason": "a trial's `reason`"},
    )
    LEASE_EXPIRED = (
        "lease_expired",
        "A worker was not heard of, and its job is given to another.",
        {"job": "its id", "attempt": "which attempt was lost, from 1"},
    )
    WORKER_JOINED = "worker_joined", "A worker joined; the event belongs to no study."
    WORKER_LOST = (
        "worker_lost",
        "A worker was not heard of, or failed again and again; the event belongs to no study.",
        {"worker": "its id"},
    )
    ENSEMBLE_COMPLETE = (
        "ensemble_complete",
        "An ensemble was built.",
        {"ensemble": "its id", "validation": "its scores on validation rows, by metric"},
    )
    ENSEMBLE_FAILED = (
        "ensemble_failed",
        "An ensemble could not be built.",
        {"ensemble": "its id; left out where none was queued"},
    )
    LIMIT_REACHED = (
        "limit_reached",
        "A study reached one of its `limits`.",
        {"limit": "its name", "trials": "how many running trials it cut short"},
    )
    STUDY_EXTENDED = (
        "study_extended",
        "A study that was over was given more trials, epochs or stages.",
        {"version": "the number of the new version"},
    )


TRANSITIONS: Mapping[type[StrEnum], Mapping[StrEnum, frozenset[StrEnum]]] = {
    StudyState: {
        StudyState.QUEUED: frozenset(
            {StudyState.RUNNING, StudyState.PAUSED, StudyState.STOPPED, StudyState.FAILED}
        ),
        StudyState.RUNNING: frozenset(
            {StudyState.PAUSED, StudyState.STOPPED, StudyState.COMPLETE, StudyState.FAILED}
        ),
        StudyState.PAUSED: frozenset(set(StudyState) - {StudyState.PAUSED}),
        StudyState.STOPPED: frozenset({StudyState.RUNNING}),
        StudyState.COMPLETE: frozenset({StudyState.RUNNING}),
        StudyState.FAILED: frozenset(),
    },
    TrialState: {
        TrialState.QUEUED: frozenset(set(TrialState) - {TrialState.QUEUED}),
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

EXTENDABLE = frozenset({StudyState.STOPPED, StudyState.COMPLETE})
"""States of a study that is over and may be extended: it runs again."""

S = TypeVar("S", bound=StrEnum)


def is_final(state: StrEnum) -> bool:
    """Whether it is over: nothing follows, unless a study is extended."""
    return state in EXTENDABLE or not TRANSITIONS[type(state)][state]


def transition(noun: str, present: S, wanted: S) -> S:
    """The wanted state, if it may follow.

    Raises:
        IllegalTransition: when the table does not list it.
    """
    followers = TRANSITIONS[type(present)][present]
    if wanted not in followers:
        if is_final(present):
            raise IllegalTransition(
                f"{noun} must be under way to become {wanted}, and it is {present}; leave it as it "
                "is, or begin another"
            )
        raise IllegalTransition(
            f"{noun} is {present}, which only {', '.join(sorted(followers))} may follow, not "
            f"{wanted}; read its state again before asking"
        )
    return wanted
