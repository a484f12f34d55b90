"""What a trial is judged by: outputs [K, N, C] and targets [N] or [K, N] → one number per trial."""

from __future__ import annotations

from torch import Tensor


def hits(outputs: Tensor, targets: Tensor) -> Tensor:
    """Rows whose largest output is the target's, [K]; of equal outputs the first counts."""
    return (outputs.contiguous().argmax(-1) == targets).sum(-1)
