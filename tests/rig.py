"""What tests of store, tuner and api share: a service without HTTP, and its everyday verbs."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from hpsearch.errors import NotFound, StaleLease
from hpsearch.service.tuner import Tuner
from hpsearch.spec.ensemble import EnsembleSpec
from hpsearch.spec.language.states import FailureReason, JobState
from hpsearch.spec.study import StudySpec, parse_study
from hpsearch.spec.wire.ensembles import Ensemble, EnsembleResult, Member, PredictRequest, Single
from hpsearch.spec.wire.jobs import (
    AnyJob,
    BeginRequest,
    Completion,
    EnsembleJob,
    EnsembleUpload,
    Failure,
    Job,
    JobStatus,
    LeaseRequest,
    LeaseToken,
    Report,
    ReportBatch,
)
from hpsearch.spec.wire.multipart import CheckpointPart
from hpsearch.spec.wire.records import Checkpoint, Study, Trial
from hpsearch.store import checkpoints, ensembles, leases, studies, study_records, trials, workers
from hpsearch.store.checkpoints import StoredArtifact
from hpsearch.store.database import Database, now
from hpsearch.store.tables import Base, JobRow

R = TypeVar("R")

TOKEN = "token-of-the-tests"

SPEC: Mapping[str, Any] = {
    "name": "wine",
    "task": {"dataset": "wine"},
    "optimizer": {"kind": "sgd", "lr": {"log_uniform": [1e-5, 1]}},
    "training": {"epochs": 4},
    "search": {"trials": 6},
}


def spec(**sections: Any) -> dict[str, Any]:
    """A small valid study, some of its sections replaced."""
    return {**copy.deepcopy(dict(SPEC)), **sections}


@dataclass(frozen=True)
class Rig:
    """A store and its tuner; each verb is a transaction of its own."""

    database: Database
    tuner: Tuner

    def do(self, change: Callable[[Session], R]) -> R:
        with self.database.write() as session:
            return change(session)

    def submit(self, **sections: Any) -> int:
        document = spec(**sections)
        return self.do(lambda session: self.tuner.submit(session, parse_study(document))).id

    def join(self, name: str = "tester") -> int:
        return self.do(
            lambda session: workers.join(session, name, {}, self.tuner.context.lease_seconds)
        ).id

    def lease(self, worker: int, capacity: int = 1) -> list[AnyJob]:
        request = LeaseRequest(worker=worker, capacity=capacity)
        return self.do(lambda session: self.tuner.lease(session, request)).jobs

    def begin(self, *held: AnyJob) -> list[int]:
        """Ids of those of a worker's jobs that it may train from now on."""
        tokens = [LeaseToken(job=job.id, attempt=job.attempt) for job in held]
        request = BeginRequest(worker=1, jobs=tokens)
        return self.do(lambda session: self.tuner.begin(session, request)).jobs

    def report(self, job: Job, *epochs: int, **metrics: float) -> None:
        self.report_all(*(a_report(job, epoch, **metrics) for epoch in epochs))

    def report_all(self, *reports: Report) -> None:
        batch = ReportBatch(worker=1, reports=list(reports))
        self.do(lambda session: self.tuner.report(session, batch))

    def complete(self, job: Job, **fields: Any) -> JobStatus:
        completion = Completion(attempt=job.attempt, **fields)
        return self.do(lambda session: self.tuner.complete(session, job.id, completion))

    def train(self, job: Job, value: float = 0.5, **fields: Any) -> None:
        """All of a trial, with a checkpoint of its first epoch, the best, and of its last one."""
        self.report(job, 0, val_accuracy=value)
        self.store(job, 0, b"best", best=True)
        self.report(job, *range(1, job.epochs), val_accuracy=value / 2)
        self.store(job, job.epochs - 1, b"last", best=job.epochs == 1)
        self.complete(job, **fields)

    def fail(self, job: AnyJob, reason: FailureReason = FailureReason.ERROR) -> JobStatus:
        failure = Failure(attempt=job.attempt, reason=reason, message="it broke")
        return self.do(lambda session: self.tuner.fail(session, job.id, failure))

    def store(
        self,
        job: Job,
        epoch: int,
        content: bytes,
        *,
        best: bool = False,
        last: bool = True,
        reasons: Collection[str] = (),
        kind: str = "checkpoint",
    ) -> Checkpoint:
        sha256 = hashlib.sha256(content).hexdigest()
        sent = CheckpointPart(
            job=job.id, attempt=job.attempt, epoch=epoch, best=best, last=last,
            reasons=tuple(reasons), content=kind, size_bytes=len(content), sha256=sha256,
        )  # fmt: skip
        (prefix,) = self.do(lambda s: self.tuner.check_checkpoints(s, [sent]))
        artifact = self.tuner.context.artifacts.put(f"{prefix}-{sha256[:16]}.safetensors", content)
        with self._dropped_when_stale(artifact):
            (checkpoint,) = self.do(lambda s: self.tuner.store_checkpoints(s, [(sent, artifact)]))
        return checkpoint

    @contextmanager
    def _dropped_when_stale(self, artifact: StoredArtifact) -> Iterator[None]:
        """As the server does it: a file whose lease was lost on the way goes again."""
        try:
            yield
        except (StaleLease, NotFound):
            self.do(lambda session: self.tuner.remove_unreferenced(session, artifact))
            raise

    def request(self, study_id: int, **settings: Any) -> int:
        """Asks for an ensemble; returns its id."""
        request = TypeAdapter(EnsembleSpec).validate_python({"kind": "top_k", **settings})
        return self.do(lambda session: self.tuner.request_ensemble(session, study_id, request)).id

    def build(
        self, job: EnsembleJob, *members: tuple[int, int], content: bytes = b"ensemble"
    ) -> JobStatus:
        """Ends the building of an ensemble, of these (trial, epoch) or of every candidate."""
        sha256 = hashlib.sha256(content).hexdigest()
        result = a_result(*(members or [(one.trial, one.epoch) for one in job.candidates]))
        built = EnsembleUpload(attempt=job.attempt, sha256=sha256, result=result)
        prefix = self.do(lambda s: self.tuner.ensemble_key_prefix(s, job.id, job.attempt))
        artifact = self.tuner.context.artifacts.put(f"{prefix}-{sha256[:16]}.zip", content)
        with self._dropped_when_stale(artifact):
            return self.do(lambda s: self.tuner.finish_ensemble(s, job.id, built, artifact))

    def ask(self, ensemble_id: int, *inputs: Any) -> int:
        """Asks an ensemble to predict; returns the job's id."""
        request = PredictRequest(inputs=list(inputs))
        return self.do(lambda session: self.tuner.predict(session, ensemble_id, request)).job

    def ensembles(self, study_id: int) -> list[Ensemble]:
        with self.database.read() as session:
            return ensembles.of_study(session, study_id)

    def checkpoints(self, study_id: int) -> list[Checkpoint]:
        with self.database.read() as session:
            return [stored.checkpoint for stored in checkpoints.of_study(session, study_id)]

    def run_out(self, *jobs: AnyJob) -> None:
        """Lets the leases of these jobs (or of all) run out, by the database's clock."""
        chosen = update(JobRow).where(JobRow.state == JobState.LEASED)
        if jobs:
            chosen = chosen.where(JobRow.id.in_([job.id for job in jobs]))
        self.do(lambda session: session.execute(chosen.values(expires_at=now(session) - 1)))

    def expire(self) -> None:
        """Takes back what ran out, as the server does it now and then."""
        with self.database.read() as session:
            expired = leases.expired_studies(session)
        for study_id in expired:
            self.do(partial(self.tuner.expire, study_id=study_id))
        self.do(self.tuner.mark_lost_workers)

    def enforce_limits(self) -> None:
        with self.database.read() as session:
            unfinished = studies.open_ids(session)
        for study_id in unfinished:
            self.do(partial(self.tuner.enforce_limits, study_id=study_id))

    def study(self, study_id: int) -> Study:
        with self.database.read() as session:
            return study_records.get(session, study_id)

    def spec(self, study_id: int) -> StudySpec:
        with self.database.read() as session:
            return studies.spec_of(session, study_id)

    def trial(self, study_id: int, number: int) -> Trial:
        with self.database.read() as session:
            return trials.get(session, study_id, number)

    def snapshot(self, *without: str) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table, but for the columns named."""
        with self.database.read() as session:
            return {
                table.name: [
                    tuple(row)
                    for row in session.execute(
                        select(*(c for c in table.columns if c.name not in without)).order_by(
                            *table.primary_key.columns
                        )
                    )
                ]
                for table in Base.metadata.sorted_tables
            }

    def artifacts(self) -> list[str]:
        """Every file in the artifact store."""
        root = self.tuner.context.artifacts.root
        return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())


def a_result(*members: tuple[int, int]) -> EnsembleResult:
    """What a worker would find of an ensemble of these (trial, epoch)."""
    scores = {"validation": {"accuracy": 0.9, "loss": 0.3}, "test": {"accuracy": 0.8, "loss": 0.4}}
    single = {"validation": {"accuracy": 0.85, "loss": 0.4}, "test": {"accuracy": 0.7, "loss": 0.5}}
    trial, epoch = members[0]
    return EnsembleResult(
        members=[
            Member(trial=trial, epoch=epoch, weight=1 / len(members)) for trial, epoch in members
        ],
        best_single=Single(trial=trial, epoch=epoch, **single),
        mean_member=single,
        candidates=len(members),
        **scores,
    )


def a_report(job: Job, epoch: int, **metrics: float) -> Report:
    """An epoch of a job; `val_accuracy` rises with the epoch unless told."""
    numbers = {"val_accuracy": 0.5 + epoch / 100, "val_loss": 1.0 / (epoch + 1), **metrics}
    return Report(job=job.id, attempt=job.attempt, epoch=epoch, metrics=numbers)
