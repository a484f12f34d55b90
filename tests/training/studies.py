"""Specs and runs that tests of the engine share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from hpsearch.spec.study import StudySpec, parse_study
from hpsearch.training.checkpoints import checkpoint as checkpoints
from hpsearch.training.group.group import EpochReport, Group, Plan

torch.set_num_threads(1)

TIMES = ("seconds", "samples_per_second")


def study(dataset: str = "wine", model: Any = None, **sections: Any) -> StudySpec:
    """A resolved spec: wine and a small mlp unless told."""
    task = {"dataset": dataset, **sections.pop("task", {})}
    if model is not None:
        task["model"] = model
    elif dataset != "quadratic":
        task["model"] = {"kind": "mlp", "hidden": [8]}
    optimizer = {"kind": "momentum", "lr": 0.05}
    return parse_study({"name": "test", "task": task, "optimizer": optimizer, **sections})


def curves(group: Group) -> dict[int, list[EpochReport]]:
    """All reports of a group, by trial."""
    found: dict[int, list[EpochReport]] = {}
    for reports in group.epochs():
        for report in reports:
            found.setdefault(report.number, []).append(report)
    return found


def untimed(report: EpochReport) -> Mapping[str, float]:
    """Metrics that a repeat must give again."""
    return {name: value for name, value in report.metrics.items() if name not in TIMES}


def trained(plan: Plan, **options: Any) -> tuple[list[EpochReport], checkpoints.Checkpoint]:
    """A trial on its own, to its end."""
    group = Group([plan], **options)
    reports = curves(group)[plan.number]
    return reports, checkpoints.read(group.checkpoint(plan.number))


def same(one: checkpoints.Checkpoint, other: checkpoints.Checkpoint) -> bool:
    """Whether two checkpoints hold the same bits."""
    pairs = [
        (one.weights, other.weights),
        (one.buffers, other.buffers),
        (one.optimizer_state, other.optimizer_state),
    ]
    for name in {*one.copies, *other.copies}:
        mine, theirs = one.copies[name], other.copies[name]
        pairs += [(mine.weights, theirs.weights), (mine.buffers, theirs.buffers)]
    return all(
        mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)
        for mine, theirs in pairs
    )
