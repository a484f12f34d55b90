"""What tests of ensembles do through the tuner: search, build, predict, and look at states."""

from __future__ import annotations

from typing import Any

from rig import Rig

from hpsearch.spec.language.states import EnsembleState, StudyState
from hpsearch.spec.wire.ensembles import PredictionResult
from hpsearch.spec.wire.jobs import AnyJob, JobStatus, PredictionAnswer, ProgressReport
from hpsearch.store import jobs

TOP_K = {"kind": "top_k", "size": 2}
REINIT = {"kind": "reinit", "size": 3}


def searched(rig: Rig, worker: int, trials: int = 2, **sections: Any) -> int:
    """A study whose trials are over: the second is its best."""
    study = rig.submit(search={"trials": trials}, training={"epochs": 2}, **sections)
    for number in range(trials):
        (job,) = rig.lease(worker)
        rig.train(job, 0.5 + number / 10)
    return study


def built(rig: Rig, worker: int) -> int:
    """A complete ensemble of a complete study."""
    searched(rig, worker, ensemble=TOP_K)
    (job,) = rig.lease(worker)
    rig.build(job)
    return job.ensemble


def state(rig: Rig, study: int) -> StudyState:
    return rig.study(study).state


def states(rig: Rig, study: int) -> list[EnsembleState]:
    return [one.state for one in rig.ensembles(study)]


def status(rig: Rig, job_id: int) -> JobStatus:
    with rig.database.read() as session:
        return jobs.status(session, job_id)


def advance(rig: Rig, job: AnyJob) -> JobStatus:
    message = ProgressReport(attempt=job.attempt, done=1, total=4, what="it selects")
    return rig.do(lambda session: rig.tuner.report_progress(session, job.id, message))


def answer(rig: Rig, job: AnyJob) -> JobStatus:
    result = PredictionResult(
        predictions=[1], labels=["b"], probabilities=[[0.25, 0.75]], unknown={"town": 2}
    )
    message = PredictionAnswer(attempt=job.attempt, result=result)
    return rig.do(lambda session: rig.tuner.finish_prediction(session, job.id, message))
