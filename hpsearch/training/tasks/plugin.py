"""What a package gives to have its own model trained: data, model, loss and metrics.

A function `task(params, seed)` in an installed package, named in its pyproject.toml:

    [project.entry-points."hpsearch.tasks"]
    tiny-waves = "tiny_waves:task"

and in the study: `task: {kind: plugin, entry_point: tiny-waves, params: {width: 16}}`.

    from torch import nn
    from torch.nn import functional as F
    from hpsearch.training.tasks.plugin import PluginTask

    def task(params, seed):
        train, validation = waves(seed, rows=400), waves(seed + 1, rows=200)
        return PluginTask(
            model=lambda: nn.Sequential(nn.Linear(32, params["width"]), nn.ReLU(),
                                        nn.Linear(params["width"], 2)),
            train=train,
            validation=validation,
            loss=F.cross_entropy,
            metrics={"accuracy": lambda outputs, y: (outputs.argmax(1) == y).float().mean()},
        )

The service brings search, optimizer, schedule, loop, checkpoints and curves. It draws what is
random from the study's seed: `task` runs with torch's, NumPy's and Python's global generators
seeded by the study, `model` by (study, trial), a training step's dropout by (trial, epoch, step).
What changes in training must be a parameter or a buffer of the model: these alone are kept in
checkpoints, and one module computes for all trials of a group.

What a study may ask of any model holds here too: clipping, penalties, `max_norm` (of what leads
into a unit, by torch's order of axes; embeddings have none), averages of weights, early stopping,
`repeats`. What only the plug-in can do is its own business, and a study that asks for it is
refused: `label_smoothing` (its loss does that), `augment` (its data do) and `folds` (it divides its
rows). A parameter of its own, read from `params`, makes such a thing searchable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from torch import Tensor, nn

PyTree: TypeAlias = Any
"""A tensor, or tuples, lists and dicts of them; the first axis of each is the rows."""

Nest: TypeAlias = PyTree
"""Its name for plug-ins that were written for 0.1."""

Data: TypeAlias = Any
"""(inputs, targets), pytrees of tensors or NumPy arrays of equal length; or a torch `Dataset` with
`len()` whose items are such pairs of one row, read batch by batch."""


@dataclass(frozen=True)
class PluginTask:
    """A task as a package gives it.

    B: rows of a batch. Floating-point data come in the precision of training, on its device.
    """

    model: Callable[[], nn.Module]
    """Makes the model with its initial weights; it is called as `model(inputs)`."""
    train: Data
    validation: Data
    loss: Callable[[PyTree, PyTree], Tensor]
    """(outputs, targets) → a loss for each row, [B], or their mean."""
    test: Data | None = None
    """Measured once, with the best epoch's weights."""
    metrics: Mapping[str, Callable[[PyTree, PyTree], Any]] = field(default_factory=dict)
    """By name, (outputs, targets) of all rows → a number: `accuracy` is reported as
    `val_accuracy`, which may be the study's objective."""
    predictions: Callable[[PyTree, PyTree], tuple[Tensor, Tensor]] | None = None
    """(outputs, targets) of some rows → what an ensemble combines: scores before softmax [B, C]
    and classes [B], or numbers [B] and numbers [B]. Needed where outputs and targets are not that
    themselves."""
