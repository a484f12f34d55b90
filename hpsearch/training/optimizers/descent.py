"""Gradient descent: plain, with momentum, with Nesterov's momentum."""

from __future__ import annotations

import torch
from torch import Tensor

from hpsearch.training.optimizers.rule import Coefficients, Hyperparameters, OptimizerState, Rule


class Sgd(Rule):
    """w ← w − lr·g."""

    def base_coefficients(self, hyperparameters: Hyperparameters, count: Tensor) -> Coefficients:  # noqa: ARG002
        """The rate −lr."""
        return {"rate": -hyperparameters["lr"]}

    def update_direction(
        self, grads: Tensor, state: OptimizerState, coefficients: Coefficients
    ) -> Tensor:
        """The gradient itself."""
        del state, coefficients
        return grads


class Momentum(Rule):
    """v ← momentum·v + g; w ← w − lr·v, without dampening.

    Source: Polyak 1964, with the rate outside the velocity as in `torch.optim.SGD`.
    """

    def init_state(self, weights: Tensor) -> OptimizerState:
        """The velocity v, 0."""
        return {"velocity": torch.zeros_like(weights)}

    def base_coefficients(self, hyperparameters: Hyperparameters, count: Tensor) -> Coefficients:  # noqa: ARG002
        """The rate −lr, and the momentum."""
        return {"rate": -hyperparameters["lr"], "momentum": hyperparameters["momentum"]}

    def update_direction(
        self, grads: Tensor, state: OptimizerState, coefficients: Coefficients
    ) -> Tensor:
        """The velocity."""
        velocity = state["velocity"]
        return torch.addcmul(grads, velocity, coefficients["momentum"], out=velocity)


class Nesterov(Momentum):
    """v ← momentum·v + g; w ← w − lr·(g + momentum·v).

    Source: Sutskever et al. 2013, in the form of `torch.optim.SGD(nesterov=True)`.
    """

    def update_direction(
        self, grads: Tensor, state: OptimizerState, coefficients: Coefficients
    ) -> Tensor:
        """The gradient, and the velocity that it led to once more."""
        velocity = super().update_direction(grads, state, coefficients)
        return torch.addcmul(grads, velocity, coefficients["momentum"])
