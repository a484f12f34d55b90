"""The losses that may be trained on: the one table of their names.

A new loss is a line in LOSSES and the function that its `implementation` names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hpsearch.spec.language.fields import TargetKind


@dataclass(frozen=True)
class Loss:
    """A row of the table."""

    name: str
    targets: tuple[TargetKind, ...]
    """The targets of data for which it may be trained on."""
    implementation: str
    """`module:name` of its function: outputs [K, B, C], targets, smoothing [K] to losses [K, B]."""
    gradient: str = ""
    """`module:name` of a function that gives the losses and their gradient; empty: by autograd."""
    can_smooth: bool = True
    """Whether its targets can be smoothed (`training.label_smoothing`)."""


_LOSSES = "hpsearch.training.numerics.losses"
_GRADIENTS = "hpsearch.training.numerics.loss_gradients"

LOSSES: Mapping[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss("cross_entropy", ("classes",), f"{_LOSSES}:cross_entropy",
             gradient=f"{_GRADIENTS}:cross_entropy"),
        Loss("hinge", ("classes",), f"{_LOSSES}:hinge", can_smooth=False),
        Loss("bce", ("classes",), f"{_LOSSES}:bce"),
        Loss("mse", ("classes", "numbers"), f"{_LOSSES}:mse"),
        Loss("l1", ("classes", "numbers"), f"{_LOSSES}:l1"),
        Loss("huber", ("classes", "numbers"), f"{_LOSSES}:huber"),
        Loss("half_squared", ("classes", "numbers"), f"{_LOSSES}:half_squared"),
    )
}  # fmt: skip
"""Where a new loss is entered; of those for a target the first is the default."""


def losses_for(target: TargetKind) -> tuple[str, ...]:
    """The losses that data of such a target may be trained on, the default one first."""
    return tuple(loss.name for loss in LOSSES.values() if target in loss.targets)
