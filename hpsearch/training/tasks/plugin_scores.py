"""What a plug-in's loss and metrics say of outputs, held to the form they must have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from hpsearch.training.tasks.plugin import Nest, PluginTask
from hpsearch.training.tasks.plugin_faults import Blame


class Scores:
    """The judgement of one plug-in."""

    def __init__(self, given: PluginTask, blame: Blame) -> None:
        self._loss, self._metrics, self._blame = given.loss, given.metrics, blame

    @property
    def names(self) -> tuple[str, ...]:
        """Of the metrics beside the loss."""
        return tuple(self._metrics)

    def losses(self, outputs: Nest, targets: Nest, rows: int) -> Tensor:
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

    def metrics(self, outputs: Nest, targets: Nest) -> Mapping[str, float]:
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
