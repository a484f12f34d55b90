"""Trials that train in one group, and predictions of theirs that fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from inside import Inside

from hpsearch.client.client import Study
from hpsearch.training.evaluation.predictions import Predictor
from hpsearch.training.group.group import Group
from hpsearch.training.group.group_size import GroupSize, GroupSizes
from hpsearch.training.tasks.plan import Plan

SMALL = {"training": {"epochs": 2}, "search": {"trials": 5}, "checkpoints": {"every": 1}}


ATTEMPTS = 3
"""What a server gives a trial that fails with an error."""


def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Every epoch that a group trains from now on: the trials in it."""
    passes: list[tuple[int, ...]] = []
    epoch = Group._epoch

    def noted(group: Group) -> Any:
        passes.append(group.numbers)
        return epoch(group)

    monkeypatch.setattr(Group, "_epoch", noted)
    return passes


def fused(inside: Inside, **sections: Any) -> Study:
    """A study whose trials have trained together."""
    inside.patch.setattr(GroupSizes, "choose", lambda self, plan: GroupSize(8, "as measured"))
    return inside.trained(**sections)


Blobs = Sequence[tuple[Plan, bytes]]


def refusing(monkeypatch: pytest.MonkeyPatch, refuse: Callable[[Blobs], None]) -> list[int]:
    """Lets predictions fail where `refuse` raises; how many were asked for together."""
    asked: list[int] = []
    original = Predictor.predict_all

    def predict_all(self: Predictor, trials: Blobs, *rest: Any) -> Any:
        asked.append(len(trials))
        refuse(trials)
        return original(self, trials, *rest)

    monkeypatch.setattr(Predictor, "predict_all", predict_all)
    return asked
