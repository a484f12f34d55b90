"""Predictions that somebody waits for, answered between two epochs of what trains."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch

from hpsearch.errors import HpsearchError
from hpsearch.spec.language.states import JobKind
from hpsearch.spec.wire.jobs import AnyJob
from workers.context import WorkerContext
from workers.failures import WORKER_ERRORS

logger = logging.getLogger("hpsearch.worker")

MOST_AT_ONCE = 8
"""So many are answered before training goes on for an epoch."""


class WaitingPredictions:
    """Answers what waits; training goes on as if nobody had asked.

    Args:
        context: the worker's.
        run: does one job.
    """

    def __init__(self, context: WorkerContext, run: Callable[[AnyJob], None]) -> None:
        self._context = context
        self._run = run
        self._devices = [context.device] if context.device.type == "cuda" else []

    def answer(self) -> None:
        """Leases and answers predictions as long as there are any, `MOST_AT_ONCE` at most."""
        for _ in range(MOST_AT_ONCE):
            if not self._answer_one():
                return

    def _answer_one(self) -> bool:
        """Answers a prediction; whether there was one."""
        try:
            jobs = self._context.client.lease(1, only=JobKind.PREDICT)
        except WORKER_ERRORS:
            raise
        except HpsearchError as error:
            logger.warning("predictions wait on: %s", error)
            return False
        self._context.heartbeat.hold(jobs)
        try:
            with torch.random.fork_rng(self._devices):  # plug-ins draw from the global generators
                for job in jobs:
                    self._run(job)
        finally:
            for job in jobs:
                self._context.heartbeat.release(job)
        return bool(jobs)
