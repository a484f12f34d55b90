"""The tables. Times are seconds since 1970 by the database's clock; `attributes` are free-form.

studies ─┬─ trials ─┬─ reports        one row an epoch: the curves
         │          ├─ checkpoints    which artifacts hold which state and its predictions
         │          └─ jobs           the queue
         ├─ ensembles                 requests to combine checkpoints, and their results
         ├─ stages                    where each stage of a search draws its trials
         ├─ study_versions            the specs that a study ran with
         └─ events                    the log
datasets, workers, idempotency_keys   stand alone
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Double,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NEVER_REUSED_IDS = {"sqlite_autoincrement": True}
"""SQLite gives an id only once, as PostgreSQL does: a lease, an artifact's key or an address that
outlives a deleted row must not fit the next one."""


class Base(DeclarativeBase):
    """The base of every table; names each constraint, so that migrations can refer to it."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        dict[str, Any]: JSON,
        dict[str, str]: JSON,
        list[int]: JSON,
        list[str]: JSON,
        list[float | None]: JSON,
        list[dict[str, Any]]: JSON,
        float: Double,
        str: Text,
    }


class StudyRow(Base):
    """A study, its spec, and how far its search is.

    `trials_created` is the number that the next trial gets, of `trials_planned` in all and
    `trials_open` in the stages that have started; `trials_ended` of them are over. Once its
    `search_over` it trains no more trials of its own accord, and its ensembles are built.
    `version` is that of its spec; `revision` rises with each batch of reports that its pruner
    decides on; `known` are the trials of an earlier study that it learns from. An `external` study
    gives its trials to its owner's own loop, and none to workers. `end_reason` is set as soon as no
    more trials are handed out, perhaps before the study is over; `end_limit` is the limit's name.
    """

    __tablename__ = "studies"
    __table_args__ = (Index(None, "state", "priority"), NEVER_REUSED_IDS)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(16))
    priority: Mapped[int]
    external: Mapped[bool]
    spec: Mapped[dict[str, Any]]
    stage: Mapped[int] = mapped_column(default=0)
    trials_created: Mapped[int] = mapped_column(default=0)
    trials_planned: Mapped[int]
    trials_open: Mapped[int]
    trials_ended: Mapped[int] = mapped_column(default=0)
    revision: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column(default=1)
    known: Mapped[list[dict[str, Any]]]
    search_over: Mapped[bool] = mapped_column(default=False)
    end_reason: Mapped[str | None] = mapped_column(String(16))
    end_limit: Mapped[str | None] = mapped_column(String(32))
    end_message: Mapped[str | None]
    attributes: Mapped[dict[str, Any]]
    created_at: Mapped[float]
    started_at: Mapped[float | None]
    finished_at: Mapped[float | None]


class StageRow(Base):
    """A stage that has started: `trials` from number `first` on, drawn in `space` (none: whole).

    `given` are configurations that come first, `given_done` of them have become trials; `sampled`
    counts those that its sampler proposed. `changes` says how its space came from the one before.
    """

    __tablename__ = "stages"

    study_id: Mapped[int] = mapped_column(
        ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True
    )
    stage: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    first: Mapped[int]
    trials: Mapped[int]
    epochs: Mapped[int | None]
    space: Mapped[list[dict[str, Any]] | None]
    given: Mapped[list[dict[str, Any]]]
    given_done: Mapped[int] = mapped_column(default=0)
    sampled: Mapped[int] = mapped_column(default=0)
    changes: Mapped[list[dict[str, Any]]]
    started_at: Mapped[float]
    finished_at: Mapped[float | None]


class VersionRow(Base):
    """The spec that trials from `first_trial` on run with; `changes` from the one before."""

    __tablename__ = "study_versions"

    study_id: Mapped[int] = mapped_column(
        ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True
    )
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    spec: Mapped[dict[str, Any]]
    changes: Mapped[list[str]]
    first_trial: Mapped[int]
    created_at: Mapped[float]


class TrialRow(Base):
    """A trial; `metrics` are its last epoch's, `test_metrics` are hidden until its study is over.

    `value` is its objective, `objectives` are all of them where there are several. One that
    `continues` another has that trial's first `inherited` epochs as its own. `end_order` counts the
    study's trials that ended before it. One that an ensemble asked for (`ensemble_id`) trains for
    that ensemble alone. `repeats` are its runs, where they differ from its stage's. `proposal` is
    what its stage's sampler calls it, where that has proposed it.
    """

    __tablename__ = "trials"
    __table_args__ = (
        UniqueConstraint("study_id", "number"),
        Index(None, "study_id", "state", "value"),
        Index(None, "study_id", "end_order"),
        NEVER_REUSED_IDS,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"))
    number: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(32))
    message: Mapped[str | None]
    stage: Mapped[int]
    version: Mapped[int] = mapped_column(default=1)
    attempt: Mapped[int]
    params: Mapped[dict[str, Any]]
    continues: Mapped[int | None]
    inherited: Mapped[int] = mapped_column(default=0)
    ensemble_id: Mapped[int | None]
    repeats: Mapped[int | None]
    proposal: Mapped[int | None]
    epochs: Mapped[int]
    epochs_done: Mapped[int] = mapped_column(default=0)
    end_order: Mapped[int | None]
    value: Mapped[float | None]
    objectives: Mapped[list[float | None] | None]
    best_epoch: Mapped[int | None]
    metrics: Mapped[dict[str, Any]]
    test_metrics: Mapped[dict[str, Any]]
    attributes: Mapped[dict[str, Any]]
    created_at: Mapped[float]
    started_at: Mapped[float | None]
    finished_at: Mapped[float | None]


class ReportRow(Base):
    """What one epoch of one trial measured, by metric name."""

    __tablename__ = "reports"

    trial_id: Mapped[int] = mapped_column(
        ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True
    )
    epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    metrics: Mapped[dict[str, Any]]
    at: Mapped[float]


class CheckpointRow(Base):
    """A trial's state after an epoch, sent by an `attempt` of its job.

    `artifact` and `predictions` are keys in the artifact store; `reasons` say why it is retained
    beside the best and the last one, `pinned` that a person has asked for it.
    """

    __tablename__ = "checkpoints"
    __table_args__ = (UniqueConstraint("trial_id", "epoch"), NEVER_REUSED_IDS)

    id: Mapped[int] = mapped_column(primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id", ondelete="CASCADE"))
    epoch: Mapped[int]
    attempt: Mapped[int] = mapped_column(default=1)
    best: Mapped[bool]
    last: Mapped[bool]
    artifact: Mapped[str]
    size_bytes: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    reasons: Mapped[list[str]]
    pinned: Mapped[bool] = mapped_column(default=False)
    predictions: Mapped[str | None]
    predictions_bytes: Mapped[int] = mapped_column(default=0)
    predictions_sha256: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[float]


class EnsembleRow(Base):
    """An ensemble: its `request`, its `progress`, and the `result` of the worker that built it.

    It may choose from `trials`, or from all where there are none; `artifact` is its file's key. One
    that was built before its study was extended is `stale`.
    """

    __tablename__ = "ensembles"
    __table_args__ = (Index(None, "study_id", "state"), NEVER_REUSED_IDS)

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(String(16))
    automatic: Mapped[bool]
    stale: Mapped[bool] = mapped_column(default=False)
    request: Mapped[dict[str, Any]]
    trials: Mapped[list[int]]
    progress: Mapped[dict[str, Any] | None]
    message: Mapped[str | None]
    result: Mapped[dict[str, Any] | None]
    artifact: Mapped[str | None]
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[float]
    started_at: Mapped[float | None]
    finished_at: Mapped[float | None]


class WorkerRow(Base):
    """A worker process; `failed_trials` failed on it in a row, with no success between them."""

    __tablename__ = "workers"
    __table_args__ = NEVER_REUSED_IDS

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(16))
    labels: Mapped[dict[str, str]]
    failed_trials: Mapped[list[int]]
    created_at: Mapped[float]
    seen_at: Mapped[float]


class JobRow(Base):
    """A unit of work: a trial's, an ensemble's, or rows that an ensemble is to predict.

    (id, attempt) is the fencing token, `losses` how often it was lost, `begun` whether the worker
    that holds it has begun to train. One that is leased although its trial is over waits for what
    its worker has yet to send. An ensemble's jobs go with its study; SQLite cannot add a key that
    refers to the ensemble.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index(None, "state", "priority", "id"),
        Index(None, "state", "expires_at"),
        Index(None, "study_id", "state"),
        Index(None, "trial_id"),
        Index(None, "ensemble_id"),
        NEVER_REUSED_IDS,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"))
    trial_id: Mapped[int | None] = mapped_column(ForeignKey("trials.id", ondelete="CASCADE"))
    ensemble_id: Mapped[int | None]
    priority: Mapped[int]
    attempt: Mapped[int] = mapped_column(default=1)
    losses: Mapped[int] = mapped_column(default=0)
    begun: Mapped[bool] = mapped_column(default=False)
    worker_id: Mapped[int | None] = mapped_column(ForeignKey("workers.id", ondelete="SET NULL"))
    expires_at: Mapped[float | None]
    payload: Mapped[dict[str, Any]]
    result: Mapped[dict[str, Any] | None]
    created_at: Mapped[float]


class EventRow(Base):
    """An entry of a study's log, or without a study of the server's."""

    __tablename__ = "events"
    __table_args__ = (Index(None, "study_id", "id"), NEVER_REUSED_IDS)

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int | None] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"))
    at: Mapped[float]
    kind: Mapped[str] = mapped_column(String(32))
    message: Mapped[str]
    data: Mapped[dict[str, Any]]


class DatasetRow(Base):
    """A version of an uploaded data set; `info` describes its content, `artifact` is its key."""

    __tablename__ = "datasets"
    __table_args__ = (Index(None, "artifact"),)

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    artifact: Mapped[str]
    info: Mapped[dict[str, Any]]
    created_at: Mapped[float]


class IdempotencyRow(Base):
    """The answer that a request with this key got; none while the request is being handled."""

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    request_sha256: Mapped[str] = mapped_column(String(64))
    answer: Mapped[str | None]
    created_at: Mapped[float] = mapped_column(index=True)
