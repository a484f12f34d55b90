"""What a plug-in's loss and metrics say of outputs, held to the form they must have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from hpsearch.training.tasks.plugin import PluginTask, PyTree
from hpsearch.training.tasks.plugin_errors import PluginErrors


class Scores:
    """The judgement of one plug-in."""

    def __init__(self, given: PluginTask, blame: PluginErrors) -> None:
        self._loss, self._metrics, self._blame = given.loss, given.metrics, blame
        self._predictions = given.predictions

    @property
    def names(self) -> tuple[str, ...]:
        """Of the metrics beside the loss."""
        return tuple(self._metrics)

    def losses(self, outputs: PyTree, targets: PyTree, rows: int) -> Tensor:
        """A loss for each row, [B]; where the plug-in gives their mean, each is that.

        Raises:
            TrainingFailed: when it gives anything else.
        """
        with self._blame.while_running("its loss"):
            found = self._loss(outputs, targets)
        if not isinstance(found, Tensor) or not found.is_floating_point():
            raise self._blame.fault(
                "give the loss as a floating-point tensor",
                f"got {found.dtype if isinstance(found, Tensor) else type(found).__name__}",
            )
        if found.shape not in (torch.Size([]), torch.Size([rows])):
            raise self._blame.fault(
                f"give the loss of {rows} rows as [{rows}] or as their mean, []",
                f"got {list(found.shape)}",
            )
        return found.expand(rows)

    def gradients(
        self, losses: Tensor, total: int, weights: Sequence[Tensor]
    ) -> tuple[Tensor, ...]:
        """Of the sum of losses divided by `total`; 0 for weights that it does not depend on."""
        if not losses.requires_grad:
            raise self._blame.fault(
                "compute its loss from the model's outputs", "got one without a gradient",
                "leave out detach() and no_grad()",
            )  # fmt: skip
        with torch.enable_grad(), self._blame.while_running("the way back through its model"):
            return torch.autograd.grad(
                losses.sum() / total, tuple(weights), allow_unused=True, materialize_grads=True
            )

    def metrics(self, outputs: PyTree, targets: PyTree) -> Mapping[str, float]:
        """All metrics of all rows.

        Raises:
            TrainingFailed: when one gives no number.
        """
        found = {}
        for name, metric in self._metrics.items():
            with self._blame.while_running(f"its metric {name}"):
                value = metric(outputs, targets)
            try:
                found[name] = float(value)
            except (TypeError, ValueError, RuntimeError):
                raise self._blame.fault(
                    f"give its metric {name} as one number",
                    f"got {list(value.shape) if isinstance(value, Tensor) else repr(value)[:60]}",
                ) from None
        return found

    def predictions(self, outputs: PyTree, targets: PyTree, rows: int) -> tuple[Tensor, Tensor]:
        """What an ensemble combines: scores [B, C] and classes [B], or numbers [B, 1] and [B].

        Raises:
            TrainingFailed: when the plug-in gives anything else.
        """
        found = outputs, targets
        if self._predictions is not None:
            with self._blame.while_running("predictions(outputs, targets)"):
                found = self._predictions(outputs, targets)
        if problem := _unfit(found, rows):
            raise self._blame.fault(
                "give scores [B, C] with classes [B], or numbers [B] with numbers [B], to have "
                "its predictions combined",
                f"got {problem}",
                "give its PluginTask predictions=..., which makes them of outputs and targets",
            )
        made, y = found
        y = y.reshape(rows)
        return made.reshape(rows, -1), y if y.is_floating_point() else y.long()


def _unfit(found: Any, rows: int) -> str | None:
    """What keeps predictions from being combined."""
    if not isinstance(found, tuple | list) or len(found) != 2:
        return f"a {type(found).__name__}"
    for part in found:
        if not isinstance(part, Tensor):
            return f"a {type(part).__name__}"
    outputs, y = found
    shapes = f"{list(outputs.shape)} of {outputs.dtype} with {list(y.shape)} of {y.dtype}"
    if not outputs.is_floating_point() or y.shape not in ((rows,), (rows, 1)):
        return shapes
    columns = outputs.shape[1:]
    if y.is_floating_point():
        return None if columns in ((), (1,)) else shapes
    return None if len(columns) == 1 and int(y.max()) < columns[0] else shapes
