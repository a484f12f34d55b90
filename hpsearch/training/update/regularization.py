"""Penalties on weights: ½·weight_decay·Σw² where it is coupled, and l1·Σ|w|.

Both leave out what `no_decay` and `weight_decay_scale` of `param_groups` say. The optimizer adds
the first one's gradient itself; the second's is added here, after clipping, as torch does with
weight decay.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hpsearch.spec.study import StudySpec
from hpsearch.training.numerics.layout import Layout
from hpsearch.training.optimizers import scales_of


class Regularization:
    """The penalties of a group's trials.

    Args:
        specs: one per row.
        layout: of the weights.
        dtype: of the weights.
        device: where the weights are.
    """

    def __init__(
        self,
        specs: Sequence[StudySpec],
        layout: Layout,
        *,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        coupled = [spec.optimizer.model_copy(update={"decoupled": False}) for spec in specs]
        scales = scales_of(coupled, layout, dtype, device)
        columns = None if scales is None else scales.decay

        def factors(values: Sequence[float]) -> Tensor | None:
            if not any(values):
                return None
            per_trial = torch.tensor(values, dtype=dtype, device=device).unsqueeze(1)
            return per_trial if columns is None else per_trial * columns

        self._l1 = factors([spec.training.l1 for spec in specs])
        self._l2 = factors(
            [0.0 if spec.optimizer.decoupled else spec.optimizer.weight_decay / 2 for spec in specs]
        )

    def penalty(self, weights: Tensor) -> Tensor | None:
        """The penalty that is added to each trial's loss, [K]; none where no trial has any."""
        first = self.l1_penalty(weights)
        if self._l2 is None:
            return first
        squares = (weights * weights * self._l2).sum(1)
        return squares if first is None else squares + first

    def l1_penalty(self, weights: Tensor) -> Tensor | None:
        """The part l1·Σ|w|, [K]."""
        return None if self._l1 is None else (weights.abs() * self._l1).sum(1)

    def add_l1_gradient(self, weights: Tensor, grads: Tensor) -> None:
        """Adds l1·sign(w) to grads [K, P]; 0 where w is 0."""
        if self._l1 is not None:
            grads.addcmul_(weights.sign(), self._l1)
