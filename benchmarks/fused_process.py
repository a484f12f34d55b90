"""The measured side of `benchmarks.fused`: a process with one thread that trains as told."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from hpsearch.spec.study import parse_study
from hpsearch.training.data import local_uploads
from hpsearch.training.group.group import Group
from hpsearch.training.group.group_size import GroupSize, GroupSizes
from hpsearch.training.numerics.layout import Layout
from hpsearch.training.tasks.plan import Plan
from hpsearch.training.uploads.read_options import ReadOptions

CPU = torch.device("cpu")
BOUND_SECONDS = 0.05
"""How long each product of the bound is repeated."""


@dataclass(frozen=True)
class Order:
    """Trials to train: one by one, or as the process chose, then at most so many groups."""

    numbers: tuple[int, ...]
    is_fused: bool
    most: int
    """Trials one by one, or groups; the rest is reckoned."""


@dataclass(frozen=True)
class Answer:
    """What came of an order."""

    seconds: float
    """What all numbers would have taken."""
    size: int
    metrics: dict[int, dict[str, float]]
    """Each trial's, of its last epoch, without times."""
    peak_bytes: int
    """The process's memory at its highest while it trained."""


def serve(connection: Connection, document: dict[str, Any], upload: Path | None) -> None:
    """Answers orders until there are no more; the first answer is the choice of the engine."""
    torch.set_num_threads(1)
    if upload is not None:
        options = ReadOptions("npz", "y")
        local_uploads.register(
            local_uploads.LocalUpload(document["task"]["dataset"], upload, "0" * 64, options)
        )
    made = _plan(document, 0)
    groupings = GroupSizes(CPU)
    choice = groupings.choose(made)
    connection.send((choice, bound_seconds(made, choice.size)))
    while (order := connection.recv()) is not None:
        connection.send(_train(document, order, choice))


def _train(document: dict[str, Any], order: Order, choice: GroupSize) -> Answer:
    size = choice.size if order.is_fused else 1
    plans = [_plan(document, number) for number in order.numbers[: order.most * size]]
    parts = -(-len(plans) // size)
    metrics = {}
    _reset_peak()
    start = time.perf_counter()
    for part in range(parts):
        members = plans[part * len(plans) // parts : (part + 1) * len(plans) // parts]
        for reports in Group(members).epochs():
            for report in reports:
                metrics[report.number] = {
                    name: value
                    for name, value in report.metrics.items()
                    if name not in ("seconds", "samples_per_second")
                }
    seconds = (time.perf_counter() - start) * len(order.numbers) / len(plans)
    return Answer(seconds, len(plans) // parts, metrics, _peak())


def _plan(document: dict[str, Any], number: int) -> Plan:
    """Trials differ in learning rate and weight decay."""
    optimizer = {
        **document["optimizer"],
        "lr": 1e-4 * 10 ** (number % 16 / 8),
        "weight_decay": 1e-6 * 10 ** (number % 7 / 2),
    }
    spec = parse_study({**document, "optimizer": optimizer})
    return Plan(number, spec, spec.training.epochs)


def bound_seconds(plan: Plan, size: int) -> float:
    """One trial's epoch if nothing but its matrix products took time.

    Each layer is three products of the same numbers of rows, inputs and outputs (forward, and the
    gradients of weights and input; the first layer has two), a convolution's rows being all
    positions of all images; `size` trials at once, convolutions alone.
    """
    group = Group([plan])
    batch = plan.spec.training.batch_size
    seconds, first = 0.0, True
    for inputs, outputs, area in _layers(group.layout, plan):
        at_once = size if area == 1 else 1
        x = torch.randn(at_once, batch * area, inputs)
        weight, grad = (
            torch.randn(at_once, inputs, outputs),
            torch.randn(at_once, batch * area, outputs),
        )
        seconds += _usual(torch.bmm, x, weight) / at_once
        seconds += _usual(torch.bmm, x.transpose(1, 2), grad) / at_once
        if not first:
            seconds += _usual(torch.bmm, grad, weight.transpose(1, 2)) / at_once
        first = False
    return seconds * group.steps * plan.epochs


def _layers(layout: Layout, plan: Plan) -> list[tuple[int, int, int]]:
    """(inputs, outputs, positions of a map) of each weight."""
    model: Any = plan.spec.supervised.model
    image = 32 * 32 if plan.spec.supervised.dataset == "synthetic" else 8 * 8
    layers = []
    for entry in layout:
        if not entry.name.endswith("weight"):
            continue
        if len(entry.shape) == 2:
            layers.append((entry.shape[0], entry.shape[1], 1))
            continue
        outputs, inputs, height, width = entry.shape
        if model.kind == "resnet":
            area = image // (outputs // model.width) ** 2
        else:
            area = image // model.pool ** (2 * int(entry.name.split(".")[1]))
        layers.append((inputs * height * width, outputs, area))
    return layers


def _usual(operation: Any, *tensors: torch.Tensor) -> float:
    """The median: what disturbs the training disturbs the bound as well."""
    seconds, until = [], time.perf_counter() + BOUND_SECONDS
    while time.perf_counter() < until or not seconds:
        start = time.perf_counter()
        operation(*tensors)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def _reset_peak() -> None:
    """Lets the kernel measure the peak anew (Linux; elsewhere it is that of the whole process)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _peak() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
