"""Finds a plug-in among the packages installed here, and asks it for its task."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import torch

from hpsearch.errors import TrainingFailed
from hpsearch.spec import plugin as specs
from hpsearch.spec.language.messages import format_value
from hpsearch.training.numerics.global_seed import global_seed
from hpsearch.training.numerics.seeds import Stream, seed_of
from hpsearch.training.tasks.plugin import PluginTask
from hpsearch.training.tasks.plugin_errors import PluginErrors


def load(task: specs.PluginTask, seed: int) -> PluginTask:
    """The package's task for these params in a study with this seed; the last one is kept.

    Raises:
        TrainingFailed: when no installed package offers it, or it breaks a rule.
    """
    return _made(task.entry_point, json.dumps(task.params, sort_keys=True), seed)


@lru_cache(maxsize=1)
def _made(name: str, params: str, seed: int) -> PluginTask:
    blame = PluginErrors(name)
    with blame.while_running("its import"):
        function: Callable[..., Any] = _offered(name).load()
    with (
        global_seed(seed_of(Stream.PLUGIN, seed), torch.device("cpu")),
        blame.while_running("task(params, seed)"),
    ):
        found = function(json.loads(params), seed)
    if not isinstance(found, PluginTask):
        raise blame.fault("return a PluginTask", f"got {_kind(found)}")
    for part in ("model", "loss"):
        if not callable(getattr(found, part)) or isinstance(found.model, torch.nn.Module):
            raise blame.fault(
                "give model and loss as functions",
                f"got {_kind(getattr(found, part))} for {part}",
                "write model=lambda: Net(...), which is called once for each trial",
            )
    for metric, function in dict(found.metrics).items():
        if not isinstance(metric, str) or not metric.isidentifier() or metric == "loss":
            raise blame.fault(
                "name its metrics in letters, digits and _, other than loss",
                f"got {format_value(metric)}",
            )
        if not callable(function):
            raise blame.fault("give metrics as functions", f"got {_kind(function)} for {metric}")
    return found


def _offered(name: str) -> EntryPoint:
    installed = entry_points(group=specs.ENTRY_POINT_GROUP)
    found = list(dict.fromkeys(point for point in installed if point.name == name))
    if not found:
        known = ", ".join(sorted({point.name for point in installed})) or "none"
        raise TrainingFailed(
            f"task.entry_point must name a plug-in that is installed where the worker runs, got "
            f"{format_value(name)}; install its package there (known: {known})"
        )
    if len(found) > 1:
        raise TrainingFailed(
            f"task.entry_point must name one plug-in, and {format_value(name)} is offered by "
            f"{' and '.join(point.value for point in found)}; uninstall all but one"
        )
    return found[0]


def _kind(value: object) -> str:
    return "none" if value is None else f"a {type(value).__name__}"
