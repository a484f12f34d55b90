"""One step of a group: from gradients to new weights, and what stands between them.

clip → + l1 → the optimizer's rule → max-norm → EMA
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from hpsearch.spec.study import StudySpec
from hpsearch.spec.training import Clip
from hpsearch.training.group.state import GroupState
from hpsearch.training.optimizers import Coefficients, Rule, Scales
from hpsearch.training.update.clipping import ClipResult, clip_norm, clip_value
from hpsearch.training.update.ema_swa import update_ema
from hpsearch.training.update.max_norm import constrain
from hpsearch.training.update.regularization import Regularization

NO_CLIP = Clip.model_construct()


class Step:
    """What a step does, for the rows of `state` as they are.

    Args:
        specs: one for each row.
        state: its weights, optimizer state and EMA are moved in place.
        rule: the optimizer's.
        scales: factors of rate and weight decay by column, where trials have them.
    """

    def __init__(
        self, specs: Sequence[StudySpec], state: GroupState, rule: Rule, scales: Scales | None
    ) -> None:
        dtype, device = state.weights.dtype, state.weights.device

        def column(values: Sequence[float | None]) -> Tensor | None:
            if values[0] is None:
                return None
            return torch.tensor(values, dtype=dtype, device=device).unsqueeze(1)

        clips = [spec.training.clip or NO_CLIP for spec in specs]
        self._state, self._rule, self._scales = state, rule, scales
        self._clip_norm = column([clip.norm for clip in clips])
        self._clip_value = column([clip.value for clip in clips])
        self._max_norm = column([spec.training.max_norm for spec in specs])
        self.regularization = Regularization(specs, state.layout, dtype=dtype, device=device)

    def __call__(
        self,
        coefficients: Coefficients,
        ema_decay: Tensor | None,
        closure: Callable[[], Tensor] | None = None,
    ) -> ClipResult:
        """Moves weights, optimizer state and EMA; gives the gradients' norms before clipping.

        Args:
            coefficients: of the rule at this step.
            ema_decay: d [K, 1]; none without EMA.
            closure: for rules that evaluate loss and gradients themselves.
        """
        state, regularization = self._state, self.regularization
        clipped = self._clip()
        if closure is None:
            regularization.add_l1_gradient(state.weights, state.grads)
        self._rule.update(
            state.weights, state.grads, state.optimizer_state, coefficients, self._scales, closure
        )
        state.updates += 1
        if self._max_norm is not None:
            constrain(state.layout, state.views, self._max_norm)
        if ema_decay is not None:
            shadow = state.copies["ema"]
            update_ema(shadow.weights, state.weights, ema_decay)
            update_ema(shadow.buffers, state.buffers, ema_decay)
        return clipped

    def _clip(self) -> ClipResult:
        grads = self._state.grads
        if self._clip_norm is not None:
            return clip_norm(grads, self._clip_norm)
        if self._clip_value is not None:
            return clip_value(grads, self._clip_value)
        norm = torch.linalg.vector_norm(grads, dim=1)
        return ClipResult(norm, norm > torch.inf)
