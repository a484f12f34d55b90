"""Gradient descent: plain, with momentum, with Nesterov's momentum."""

from __future__ import annotations

import torch
from torch import Tensor

from hpsearch.training.optimizers.rule import Numbers, Rule, Slots


class Sgd(Rule):
    """w ← w − lr·g."""

    def amounts(self, numbers: Numbers, count: Tensor) -> dict[str, Tensor]:  # noqa: ARG002
        """The rate −lr."""
        return {"rate": -numbers["lr"]}

    def direction(self, grads: Tensor, slots: Slots, coefficients: Numbers) -> Tensor:  # noqa: ARG002
        """The gradient itself."""
        return grads


class Momentum(Rule):
    """v ← momentum·v + g; w ← w − lr·v, without dampening.

    Source: Polyak 1964, with the rate outside the velocity as in `torch.optim.SGD`.
    """

    def slots(self, weights: Tensor) -> Slots:
        """The velocity v, 0."""
        return {"velocity": torch.zeros_like(weights)}

    def amounts(self, numbers: Numbers, count: Tensor) -> dict[str, Tensor]:  # noqa: ARG002
        """The rate −lr, and the momentum."""
        return {"rate": -numbers["lr"], "momentum": numbers["momentum"]}

    def direction(self, grads: Tensor, slots: Slots, coefficients: Numbers) -> Tensor:
        """The velocity."""
        velocity = slots["velocity"]
        return torch.addcmul(grads, velocity, coefficients["momentum"], out=velocity)


class Nesterov(Momentum):
    """v ← momentum·v + g; w ← w − lr·(g + momentum·v).

    Source: Sutskever et al. 2013, in the form of `torch.optim.SGD(nesterov=True)`.
    """

    def direction(self, grads: Tensor, slots: Slots, coefficients: Numbers) -> Tensor:
        """The gradient, and the velocity that it led to once more."""
        velocity = super().direction(grads, slots, coefficients)
        return torch.addcmul(grads, velocity, coefficients["momentum"])
