"""What a plug-in's loss and metrics give for outputs, checked for the form they must have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from hpsearch.training.tasks.plugin import PluginTask, PyTree
from hpsearch.training.tasks.plugin_errors import PluginErrors


class Scores:
    """Loss, metrics and predictions of one plug-in, checked for their form."""

    def __init__(self, plugin: PluginTask, errors: PluginErrors) -> None:
        self._loss, self._metrics, self._errors = plugin.loss, plugin.metrics, errors
        self._predictions = plugin.predictions

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the metrics beside the loss."""
        return tuple(self._metrics)

    def losses(self, outputs: PyTree, targets: PyTree, rows: int) -> Tensor:
        """A loss for each row, [B]; where the plug-in gives their mean, each is that.

        Raises:
            TrainingFailed: when it gives anything else.
        """
        with self._errors.while_running("its loss"):
            losses = self._loss(outputs, targets)
        if not isinstance(losses, Tensor) or not losses.is_floating_point():
            raise self._errors.violation(
                "give the loss as a floating-point tensor",
                f"got {losses.dtype if isinstance(losses, Tensor) else type(losses).__name__}",
            )
        if losses.shape not in (torch.Size([]), torch.Size([rows])):
            raise self._errors.violation(
                f"give the loss of {rows} rows as [{rows}] or as their mean, []",
                f"got {list(losses.shape)}",
            )
        return losses.expand(rows)

    def gradients(
        self, losses: Tensor, total: int, weights: Sequence[Tensor]
    ) -> tuple[Tensor, ...]:
        """Gradients of the sum of losses divided by `total`; 0 for weights without influence.

        Raises:
            TrainingFailed: when the losses do not depend on the weights, or the pass back fails.
        """
        if not losses.requires_grad:
            raise self._errors.violation(
                "compute its loss from the model's outputs", "got one without a gradient",
                "leave out detach() and no_grad()",
            )  # fmt: skip
        with torch.enable_grad(), self._errors.while_running("the way back through its model"):
            return torch.autograd.grad(
                losses.sum() / total, tuple(weights), allow_unused=True, materialize_grads=True
            )

    def metrics(self, outputs: PyTree, targets: PyTree) -> Mapping[str, float]:
        """All metrics, of all rows together.

        Raises:
            TrainingFailed: when one gives no number.
        """
        values = {}
        for name, metric in self._metrics.items():
            with self._errors.while_running(f"its metric {name}"):
                value = metric(outputs, targets)
            try:
                values[name] = float(value)
            except (TypeError, ValueError, RuntimeError):
                raise self._errors.violation(
                    f"give its metric {name} as one number",
                    f"got {list(value.shape) if isinstance(value, Tensor) else repr(value)[:60]}",
                ) from None
        return values

    def predictions(self, outputs: PyTree, targets: PyTree, rows: int) -> tuple[Tensor, Tensor]:
        """What an ensemble combines: scores [B, C] and classes [B], or numbers [B, 1] and [B].

        Raises:
            TrainingFailed: when the plug-in gives anything else.
        """
        pair = outputs, targets
        if self._predictions is not None:
            with self._errors.while_running("predictions(outputs, targets)"):
                pair = self._predictions(outputs, targets)
        if problem := _unusable(pair, rows):
            raise self._errors.violation(
                "give scores [B, C] with classes [B], or numbers [B] with numbers [B], to have "
                "its predictions combined",
                f"got {problem}",
                "give its PluginTask predictions=..., which makes them of outputs and targets",
            )
        scores, y = pair
        y = y.reshape(rows)
        return scores.reshape(rows, -1), y if y.is_floating_point() else y.long()


def _unusable(pair: Any, rows: int) -> str | None:
    """Why predictions cannot be combined: what they are instead; none where they can."""
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        return f"a {type(pair).__name__}"
    for tensor in pair:
        if not isinstance(tensor, Tensor):
            return f"a {type(tensor).__name__}"
    outputs, y = pair
    shapes = f"{list(outputs.shape)} of {outputs.dtype} with {list(y.shape)} of {y.dtype}"
    if not outputs.is_floating_point() or y.shape not in ((rows,), (rows, 1)):
        return shapes
    columns = outputs.shape[1:]
    if y.is_floating_point():
        return None if columns in ((), (1,)) else shapes
    return None if len(columns) == 1 and int(y.max()) < columns[0] else shapes
