"""Many threads on one study: whatever meets whatever, the invariants hold and nobody waits on."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import pytest
from rig import Rig
from sqlalchemy import select

from hpsearch.errors import Conflict, IllegalTransition, NotFound
from hpsearch.spec.language.states import (
    FailureReason,
    JobKind,
    JobState,
    StudyState,
    TrialState,
    is_final,
)
from hpsearch.spec.wire.ensembles import PredictionResult
from hpsearch.spec.wire.jobs import (
    AnyJob,
    EnsembleJob,
    GarbageCollectionRequest,
    HeartbeatRequest,
    Job,
    LeaseToken,
    PredictionAnswer,
)
from hpsearch.store import checkpoints, ensembles
from hpsearch.store.tables import JobRow, TrialRow

PATIENCE_SECONDS = 60


def _together(*works: Callable[[], object]) -> None:
    """Runs all at once; raises what any of them raised."""
    gate = threading.Barrier(len(works))
    failures: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        try:
            gate.wait()
            work()
        except BaseException as error:  # noqa: BLE001 (told to the test)
            failures.append(error)

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    until = time.monotonic() + PATIENCE_SECONDS
    for thread in threads:
        thread.join(max(0, until - time.monotonic()))
    if failures:
        raise failures[0]
    assert not any(thread.is_alive() for thread in threads), "a thread waits for ever"


def _check(rig: Rig, study: int) -> None:
    """What must hold of every study, whatever happened."""
    with rig.database.read() as session:
        trials = session.scalars(select(TrialRow).where(TrialRow.study_id == study)).all()
        jobs = {
            job.trial_id: job
            for job in session.scalars(select(JobRow).where(JobRow.study_id == study))
        }
    fits = {
        "queued": {"queued"}, "running": {"leased"}, "complete": {"done"}, "pruned": {"done"},
        "failed": {"failed"},
    }  # fmt: skip
    record = rig.study(study)
    assert sorted(trial.number for trial in trials) == list(range(len(trials)))
    for trial in trials:
        job = jobs[trial.id]
        # Of one that was cut short a worker may have something to send yet, or never sends it.
        cut_short = {"leased", "failed"} if trial.reason in ("stopped", "limit") else set()
        assert job.state in fits[trial.state] | cut_short
        assert job.attempt == trial.attempt
        assert (trial.finished_at is not None) == is_final(TrialState(trial.state))
        assert (job.expires_at is not None) == (job.state == JobState.LEASED)
        if is_final(record.state):
            assert is_final(TrialState(trial.state))
    assert record.counts.ended <= record.spec["search"]["trials"]


def test_every_number_is_leased_exactly_once(rig: Rig) -> None:
    trials, threads = 60, 8
    study = rig.submit(search={"trials": trials})
    leased: Counter[int] = Counter()
    guard = threading.Lock()

    def work(capacity: int) -> Callable[[], None]:
        def run() -> None:
            worker = rig.join()
            while sum(leased.values()) < trials:
                jobs = rig.lease(worker, capacity)
                with guard:
                    leased.update(job.trial for job in jobs)

        return run

    _together(*(work(1 + i % 4) for i in range(threads)))
    assert leased == Counter(range(trials))
    _check(rig, study)


def test_all_verbs_at_once_keep_the_invariants(rig: Rig) -> None:
    """Workers lease, report, fail and complete while leases run out and studies come to an end."""
    studies = [rig.submit(search={"trials": 12}, priority=i % 2) for i in range(3)]
    over = threading.Event()

    def work(seed: int) -> Callable[[], None]:
        def run() -> None:
            luck = random.Random(seed)
            worker = rig.join()
            while not over.is_set():
                try:
                    jobs = rig.lease(worker, luck.choice([1, 2, 5]))
                except Conflict:  # set aside
                    worker = rig.join()
                    continue
                if not jobs:
                    time.sleep(0.01)
                for job in jobs:
                    try:
                        _one(luck, worker, job)
                    except (Conflict, NotFound):
                        rig.run_out(job)  # a worker that is set aside lets go of what it holds

        return run

    def _one(luck: random.Random, worker: int, job: Job) -> None:
        rig.report(job, 0, 1)
        token = LeaseToken(job=job.id, attempt=job.attempt)
        beat = HeartbeatRequest(worker=worker, jobs=[token])
        rig.do(lambda session: rig.tuner.heartbeat(session, beat))
        fate = luck.random()
        if fate < 0.5:
            rig.complete(job)
        elif fate < 0.7:
            rig.fail(job, luck.choice([FailureReason.ERROR, FailureReason.RELEASED]))
        else:
            rig.run_out(job)

    def keep_house() -> None:
        began = time.monotonic()
        try:
            while not all(is_final(rig.study(study).state) for study in studies):
                rig.expire()
                rig.enforce_limits()
                if time.monotonic() - began > 0.5:
                    with suppress(IllegalTransition):  # it has ended by itself
                        rig.do(lambda session: rig.tuner.stop(session, studies[0]))
                assert time.monotonic() - began < PATIENCE_SECONDS / 2
        finally:
            over.set()

    _together(*(work(seed) for seed in range(5)), keep_house)
    for study in studies:
        _check(rig, study)
        assert is_final(rig.study(study).state)


def test_ensembles_among_all_verbs_keep_the_invariants(rig: Rig) -> None:
    """Ensembles are asked for, built, lost, asked to predict and deleted while all else goes on."""
    policy = {"keep": ["best"], "top": 2}
    studies = [
        rig.submit(
            search={"trials": 5}, training={"epochs": 1}, priority=i % 2, checkpoints=policy,
            ensemble=[{"kind": "top_k", "size": 2}, {"kind": "reinit", "size": 2}],
        )
        for i in range(2)
    ]  # fmt: skip
    over = threading.Event()

    def end(luck: random.Random, job: AnyJob) -> None:
        fate = luck.random()
        if fate < 0.1:
            rig.run_out(job)
        elif fate < 0.2:
            rig.fail(job, FailureReason.RELEASED)
        elif isinstance(job, Job):
            rig.train(job, luck.random())
        elif isinstance(job, EnsembleJob):
            rig.build(job, (job.candidates[0].trial, job.candidates[0].epoch))
        else:
            answer = PredictionAnswer(attempt=job.attempt, result=PredictionResult(predictions=[0]))
            rig.do(lambda session: rig.tuner.finish_prediction(session, job.id, answer))

    def work(seed: int) -> Callable[[], None]:
        def run() -> None:
            luck = random.Random(seed)
            worker = rig.join()
            while not over.is_set():
                found = rig.lease(worker, luck.choice([1, 3]))
                tokens = [LeaseToken(job=job.id, attempt=job.attempt) for job in found]
                if not found:
                    time.sleep(0.01)
                for place, job in enumerate(found):
                    with suppress(Conflict, NotFound):
                        beat = HeartbeatRequest(worker=worker, jobs=tokens[place:])
                        rig.do(lambda session: rig.tuner.heartbeat(session, beat))  # noqa: B023
                        end(luck, job)

        return run

    def ask() -> None:
        luck = random.Random(99)
        while not over.is_set():
            study = luck.choice(studies)
            for one in rig.ensembles(study):
                with suppress(Conflict, NotFound):
                    rig.ask(one.id, [0.0])
                    rig.ask(one.id, [1.0])
                    if luck.random() < 0.2:
                        rig.do(lambda session: rig.tuner.delete_ensemble(session, one.id))  # noqa: B023
            with suppress(Conflict):
                rig.request(study)
            time.sleep(0.02)

    def keep_house() -> None:
        began = time.monotonic()
        try:
            while not all(is_final(rig.study(study).state) for study in studies):
                rig.expire()
                rig.enforce_limits()
                files, terms = rig.tuner.context.artifacts.files(), GarbageCollectionRequest()
                rig.do(lambda session: rig.tuner.collect_garbage(session, files, terms))  # noqa: B023
                if time.monotonic() - began > 1:
                    with suppress(IllegalTransition):  # it has ended by itself
                        rig.do(lambda session: rig.tuner.stop(session, studies[0]))
                assert time.monotonic() - began < PATIENCE_SECONDS / 2
        finally:
            over.set()

    _together(*(work(seed) for seed in range(3)), ask, keep_house)
    needed: set[str] = set()
    with rig.database.read() as session:
        for study in studies:
            needed |= {*checkpoints.artifact_keys_of_study(session, study)}
            needed |= {*ensembles.artifact_keys_of_study(session, study)}
        jobs = session.scalars(select(JobRow).where(JobRow.kind == JobKind.ENSEMBLE)).all()
    assert {*rig.artifacts()} == needed
    job_of = {job.ensemble_id: job.state for job in jobs}
    fits = {
        "queued": {"queued"}, "running": {"leased"}, "complete": {"done"}, "failed": {"failed"},
    }  # fmt: skip
    for study in studies:
        for one in rig.ensembles(study):
            assert job_of.get(one.id, "failed") in fits[one.state]


@pytest.mark.parametrize("rival", ["complete", "fail", "expire", "stop"])
def test_a_trial_ends_once_whoever_is_first(rig: Rig, rival: str) -> None:
    for _ in range(6):
        study = rig.submit(search={"trials": 1})
        worker = rig.join()
        (job,) = rig.lease(worker)
        ends: list[str] = []

        def end(name: str, change: Callable[[], object]) -> Callable[[], None]:
            def run() -> None:
                try:
                    change()
                except Conflict:
                    return
                ends.append(name)  # noqa: B023 (the threads are over before the next round)

            return run

        rivals: dict[str, Callable[[], object]] = {
            "complete": lambda: rig.complete(job),  # noqa: B023
            "fail": lambda: rig.fail(job, FailureReason.INVALID),  # noqa: B023
            "expire": lambda: (rig.run_out(job), rig.expire()),  # noqa: B023
            "stop": lambda: rig.do(lambda s: rig.tuner.stop(s, study)),  # noqa: B023
        }
        _together(
            end("complete", rivals["complete"]),
            end(rival, rivals[rival]),
            end("again", rivals["complete"]),
        )
        _check(rig, study)
        trial = rig.trial(study, 0)
        completions = [name for name in ends if name in ("complete", "again")]
        assert len(completions) == (trial.state is TrialState.COMPLETE)
        if not is_final(rig.study(study).state):
            rig.do(lambda s: rig.tuner.stop(s, study))  # noqa: B023
        assert rig.study(study).state in (
            StudyState.COMPLETE,
            StudyState.STOPPED,
            StudyState.FAILED,
        )


def test_one_worker_beating_leasing_and_failing_at_once_waits_for_nobody(rig: Rig) -> None:
    rig.submit(search={"trials": 200}, limits={"failed_trials": None})
    rig.submit(search={"trials": 200}, limits={"failed_trials": None}, priority=3)
    worker = rig.join()
    leased = rig.lease(worker, 40)
    tokens = [LeaseToken(job=job.id, attempt=job.attempt) for job in leased[20:]]
    beat = HeartbeatRequest(worker=worker, jobs=tokens)

    def beats() -> None:
        for _ in range(15):
            rig.do(lambda session: rig.tuner.heartbeat(session, beat))

    def leases() -> None:
        for _ in range(15):
            rig.lease(worker, 2)

    def ends() -> None:
        for job in leased[:20]:
            rig.complete(job) if job.trial % 2 else rig.fail(job, FailureReason.RELEASED)

    _together(beats, leases, ends, beats, leases)


def test_late_reports_of_several_studies_do_not_block_housekeeping(rig: Rig) -> None:
    worker = rig.join()
    for _ in range(8):
        studies = [rig.submit(search={"trials": 2}, priority=p) for p in (0, 9, 4)]
        jobs = sorted(rig.lease(worker, 6), key=lambda job: job.id)
        rig.run_out()

        def late() -> None:
            for _ in range(3):
                try:
                    rig.do(
                        lambda s: rig.tuner.heartbeat(
                            s,
                            HeartbeatRequest(
                                worker=worker,
                                jobs=[LeaseToken(job=j.id, attempt=1) for j in jobs],  # noqa: B023
                            ),
                        )
                    )
                except Conflict:
                    continue

        _together(late, rig.expire, late, rig.expire)
        for study in studies:
            _check(rig, study)
            assert rig.trial(study, 0).attempt == 2
            rig.do(lambda s: rig.tuner.stop(s, study))  # noqa: B023
