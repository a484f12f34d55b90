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
    return _load(task.entry_point, json.dumps(task.params, sort_keys=True), seed)


@lru_cache(maxsize=1)
def _load(name: str, params: str, seed: int) -> PluginTask:
    errors = PluginErrors(name)
    with errors.while_running("its import"):
        function: Callable[..., Any] = _entry_point(name).load()
    with (
        global_seed(seed_of(Stream.PLUGIN, seed), torch.device("cpu")),
        errors.while_running("task(params, seed)"),
    ):
        task = function(json.loads(params), seed)
    if not isinstance(task, PluginTask):
        raise errors.violation("return a PluginTask", f"got {_kind(task)}")
    for attribute in ("model", "loss"):
        if not callable(getattr(task, attribute)) or isinstance(task.model, torch.nn.Module):
            raise errors.violation(
                "give model and loss as functions",
                f"got {_kind(getattr(task, attribute))} for {attribute}",
                "write model=lambda: Net(...), which is called once for each trial",
            )
    for metric, function in dict(task.metrics).items():
        if not isinstance(metric, str) or not metric.isidentifier() or metric == "loss":
            raise errors.violation(
                "name its metrics in letters, digits and _, other than loss",
                f"got {format_value(metric)}",
            )
        if not callable(function):
            raise errors.violation(
                "give metrics as functions", f"got {_kind(function)} for {metric}"
            )
    return task


def _entry_point(name: str) -> EntryPoint:
    installed = entry_points(group=specs.ENTRY_POINT_GROUP)
    matching = list(dict.fromkeys(point for point in installed if point.name == name))
    if not matching:
        known = ", ".join(sorted({point.name for point in installed})) or "none"
        raise TrainingFailed(
            f"task.entry_point must name a plug-in that is installed where the worker runs, got "
            f"{format_value(name)}; install its package there (known: {known})"
        )
    if len(matching) > 1:
        raise TrainingFailed(
            f"task.entry_point must name one plug-in, and {format_value(name)} is offered by "
            f"{' and '.join(point.value for point in matching)}; uninstall all but one"
        )
    return matching[0]


def _kind(value: object) -> str:
    return "none" if value is None else f"a {type(value).__name__}"
