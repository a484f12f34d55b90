"""Predictions that somebody waits for, answered between two epochs of what trains."""

from __future__ import annotations

import logging

import torch

from hpsearch.errors import HpsearchError
from hpsearch.spec.language.states import JobKind
from hpsearch.spec.wire.jobs import Job
from workers.ensemble_jobs import Assembler
from workers.failures import WORKER_ERRORS
from workers.heartbeat import Heartbeat
from workers.server_api import WorkerClient

logger = logging.getLogger("hpsearch.worker")

MOST_AT_ONCE = 8
"""So many are answered before training goes on for an epoch."""


class Answering:
    """Answers what waits; training goes on as if nobody had asked.

    Args:
        client: the server.
        heartbeat: keeps the leases.
        assembler: makes the answers.
        device: where trials train.
    """

    def __init__(
        self, client: WorkerClient, heartbeat: Heartbeat, assembler: Assembler, device: torch.device
    ) -> None:
        self._client = client
        self._heartbeat = heartbeat
        self._assembler = assembler
        self._devices = [device] if device.type == "cuda" else []

    def answer(self) -> None:
        """Takes predictions on as long as there are any, within reason."""
        for _ in range(MOST_AT_ONCE):
            if not self._answer_one():
                return

    def _answer_one(self) -> bool:
        try:
            jobs = self._client.lease(1, only=JobKind.PREDICT)
        except WORKER_ERRORS:
            raise
        except HpsearchError as error:
            logger.warning("predictions wait on: %s", error)
            return False
        self._heartbeat.hold(jobs)
        try:
            with torch.random.fork_rng(self._devices):  # plug-ins draw from the global generators
                for job in jobs:
                    if not isinstance(job, Job):
                        self._assembler.do(job)
        finally:
            for job in jobs:
                self._heartbeat.release(job)
        return bool(jobs)
