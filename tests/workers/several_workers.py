"""One or several workers in this process, each in a thread, that train in groups or one by one."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from inside import Inside

from hpsearch.client.transport import Transport
from hpsearch.training.group.group import Group
from hpsearch.training.group.group_size import GroupSize, GroupSizes
from workers.runner import Runner

PATIENCE_SECONDS = 60
TRIALS_AT_ONCE = 4

WHOLE_GRID = [(workers, way) for workers in (1, 3) for way in ("fused", "alone")]
GRID = WHOLE_GRID if os.environ.get("HPSEARCH_TEST_GRID") == "whole" else WHOLE_GRID[1:3]
"""Numbers of workers, and how they train: all four pairs in `make test-slow`; two in `make test`,
where each number and each way stands once."""


def several(inside: Inside, workers: int, way: str) -> list[Runner]:
    """Workers that hold several trials at once, and train them together or one after the other."""
    size = TRIALS_AT_ONCE if way == "fused" else 1
    inside.patch.setattr(GroupSizes, "choose", lambda self, plan: GroupSize(size, way))
    runners = []
    for _ in range(workers):
        inside.worker_id = inside.rig.join()
        runners.append(inside.runner(TRIALS_AT_ONCE))
    return runners


def work(inside: Inside, runners: list[Runner]) -> None:
    """Works until there is nothing left to do; what breaks a worker breaks the test."""
    errors: list[BaseException] = []

    def run(runner: Runner) -> None:
        try:
            inside.work(runner)
        except BaseException as error:  # noqa: BLE001 (raised below, where the test sees it)
            errors.append(error)

    threads = [threading.Thread(target=run, args=[runner], daemon=True) for runner in runners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive(), "a worker hangs"
    if errors:
        raise errors[0]
    inside.work(runners[0])  # what became ready when the others had gone


def after_epochs(
    patch: pytest.MonkeyPatch, epochs: int, act: Callable[[], None]
) -> Mapping[str, int]:
    """Acts once, before the group's epoch that follows so many; returns a count of all epochs.

    The epochs are those of groups: one that trains four trials counts once. Meanwhile no other
    worker is answered, so that the study changes by what acts alone.
    """
    original, request = Group._epoch, Transport._request
    lock = threading.RLock()
    count = {"epochs": 0}

    def counted(group: Group) -> Any:
        with lock:
            count["epochs"] += 1
            if count["epochs"] == epochs + 1:
                act()
        return original(group)

    def in_turn(transport: Transport, *arguments: Any) -> Any:
        with lock:
            return request(transport, *arguments)

    patch.setattr(Group, "_epoch", counted)
    patch.setattr(Transport, "_request", in_turn)
    return count
