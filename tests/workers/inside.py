"""A server and its workers in this process: real requests, no sockets, a clock of the test's own.

A worker that is to be killed is stopped by an exception that nothing catches; what it had not sent
is lost, and its leases run out when the test says so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fastapi.testclient import TestClient
from rig import TOKEN, Rig

from hpsearch.client.client import Client, Study
from hpsearch.client.transport import Transport
from hpsearch.ensembling.predictions import Predictions, read
from hpsearch.errors import NotFound
from hpsearch.spec.space.space import resolve
from hpsearch.spec.study import parse_study
from hpsearch.spec.wire.records import Checkpoint
from hpsearch.training.group.group import Group
from hpsearch.training.group.group_size import GroupSize, GroupSizes
from hpsearch.training.tasks.plan import Plan
from workers.context import WorkerContext
from workers.datasets import Datasets
from workers.retry import RetryPolicy
from workers.runner import Runner
from workers.server_api import WorkerClient

torch.set_num_threads(1)

STORES_EVERY = 3
"""A worker's clock moves on by a second an epoch, and so many seconds part its stores."""


class Killed(BaseException):
    """kill -9."""


@dataclass
class Inside:
    """A server, and workers that come and go."""

    api: TestClient
    directory: Path
    patch: pytest.MonkeyPatch
    retry: RetryPolicy | None = None
    """Of the workers; none for theirs."""

    def __post_init__(self) -> None:
        self.transport = Transport("http://testserver", TOKEN, patience_seconds=0)
        self.transport._http = self.api
        self.client = Client("http://testserver", TOKEN, patience_seconds=0)
        self.client._transport = self.transport
        services = self.api.app.state.services  # type: ignore[attr-defined]
        self.rig = Rig(services.database, services.tuner)
        client = WorkerClient(self.transport, threading.Event())
        self.worker_id = client.join("inside").id

    def runner(
        self,
        capacity: int | None = 8,
        change: Callable[[WorkerClient], None] = lambda client: None,
        checkpoint_seconds: float = STORES_EVERY,
    ) -> Runner:
        """The worker, as after a start."""
        stop = threading.Event()
        client = WorkerClient(self.transport, stop, self.retry)
        client.worker_id = self.worker_id
        change(client)
        heartbeat: Any = SimpleNamespace(
            hold=lambda jobs: None, release=lambda job: None, has_lost=lambda job: False
        )
        context = WorkerContext(
            client=client,
            datasets=Datasets(client, self.directory),
            heartbeat=heartbeat,
            device=torch.device("cpu"),
            stop=stop,
            checkpoint_seconds=checkpoint_seconds,
        )
        ticks = count()
        self.patch.setattr(
            "workers.group_run.time", SimpleNamespace(monotonic=lambda: float(next(ticks)))
        )
        return Runner(context, capacity)

    def work(self, runner: Runner | None = None) -> None:
        """Works until there is nothing left to do."""
        worker = runner or self.runner()
        while worker.work():
            pass

    def work_until_killed(self, epochs: int) -> None:
        """A worker dies after it has trained so many epochs of its trials, all in one group."""
        left = iter(range(epochs))
        epoch = Group._epoch

        def fatal(group: Group) -> Any:
            if next(left, None) is None:
                raise Killed
            return epoch(group)

        with self.patch.context() as patch:
            patch.setattr(Group, "_epoch", fatal)
            # As measured it would follow the clock, which differs on a busy machine.
            patch.setattr(GroupSizes, "choose", lambda self, plan: GroupSize(8, "as measured"))
            with pytest.raises(Killed):
                self.work()
        self.rig.run_out()
        self.rig.expire()

    def trained(self, **sections: Any) -> Study:
        """A study that a single worker has brought to its end."""
        study = self.client.submit(document(**sections))
        self.work()
        return study.refresh()

    def checkpoints(self, study: Study, number: int) -> list[Checkpoint]:
        return study.checkpoints(number).checkpoints

    def content(self, checkpoint: Checkpoint) -> bytes:
        return self.transport.download(f"/checkpoints/{checkpoint.id}/artifact")[0]

    def predictions(self, checkpoint: Checkpoint) -> Predictions | None:
        """What is stored of a checkpoint's predictions."""
        try:
            path = f"/checkpoints/{checkpoint.id}/predictions"
            return read(self.transport.download(path)[0])
        except NotFound:
            return None

    def plan(self, study: Study, number: int) -> Plan:
        """What a trial trains by."""
        trial = study.trial(number)
        return Plan(number, resolve(parse_study(study.spec), trial.params), trial.epochs)


def document(**sections: Any) -> Mapping[str, Any]:
    """Two trials of wine, some sections replaced."""
    return {
        "name": "inside",
        "seed": 5,
        "task": {"dataset": "wine", "model": {"kind": "mlp", "hidden": [4]}},
        "optimizer": {"kind": "adam", "lr": {"log_uniform": [3e-3, 3e-2]}},
        "training": {"epochs": 10, "batch_size": 32},
        "search": {"trials": 2},
        **sections,
    }
