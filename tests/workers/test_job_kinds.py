"""The table of what a worker does for each kind of job."""

from __future__ import annotations

import threading
from typing import Any, get_args

import pytest
import torch

from hpsearch.spec.language.states import JobKind
from hpsearch.spec.wire.jobs import AnyJob, Job, LeasedJob
from workers import job_kinds
from workers.context import WorkerContext
from workers.job_kinds import HANDLERS, SingleJobs


def test_every_job_that_is_no_trial_has_a_handler() -> None:
    kinds = {
        record.model_fields["kind"].default for record in get_args(AnyJob) if record is not Job
    }
    assert set(HANDLERS) == kinds


class RangeTest(LeasedJob):
    kind: JobKind = JobKind.RANGE_TEST


class RangeTester:
    done: list[int] = []

    def __init__(self, context: WorkerContext) -> None:
        self.device = context.device

    def run(self, job: RangeTest) -> None:
        self.done.append(job.id)


def test_a_new_kind_is_a_handler_and_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_kinds, "HANDLERS", {**HANDLERS, JobKind.RANGE_TEST: RangeTester})
    parts: Any = (None, None, None)
    context = WorkerContext(*parts, torch.device("cpu"), threading.Event(), 1.0)
    job: Any = RangeTest(id=7, attempt=1, study_id=1)
    SingleJobs(context).run(job)
    assert RangeTester.done == [7]
