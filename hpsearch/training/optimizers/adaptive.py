"""Rates that adapt to each weight by the size of its gradients, without bias correction."""

from __future__ import annotations

import torch
from torch import Tensor

from hpsearch.spec.optimizers import adaptive as spec
from hpsearch.training.numerics.layout import Layout
from hpsearch.training.optimizers.rule import Coefficients, Hyperparameters, OptimizerState, Rule


class Adagrad(Rule):
    """s ← s + g²; w ← w − lr_t·g / (√(s₀ + s) + eps), lr_t = lr / (1 + (t − 1)·lr_decay).

    Source: Duchi, Hazan & Singer 2011. s₀, the initial accumulator, is a number of the trial and
    stays out of the state.
    """

    def init_state(self, weights: Tensor) -> OptimizerState:
        """The sum of squares s, 0."""
        return {"sum": torch.zeros_like(weights)}

    def base_coefficients(self, hyperparameters: Hyperparameters, count: Tensor) -> Coefficients:
        """The decayed rate, s₀ and eps."""
        return {
            "rate": -hyperparameters["lr"] / (1 + (count - 1) * hyperparameters["lr_decay"]),
            "start": hyperparameters["initial_accumulator"],
            "eps": hyperparameters["eps"],
        }

    def update_direction(
        self, grads: Tensor, state: OptimizerState, coefficients: Coefficients
    ) -> Tensor:
        """The quotient g / (√(s₀ + s) + eps)."""
        total = state["sum"].addcmul_(grads, grads)
        size = total.add(coefficients["start"]).sqrt_().add_(coefficients["eps"])
        return torch.div(grads, size, out=size)


class Adadelta(Rule):
    """v ← rho·v + (1 − rho)·g²; d = g·√((u + eps) / (v + eps)); u likewise from d²; w ← w − lr·d.

    Source: Zeiler 2012.
    """

    def init_state(self, weights: Tensor) -> OptimizerState:
        """Running means of g² and of d², 0."""
        return {"square": torch.zeros_like(weights), "change": torch.zeros_like(weights)}

    def base_coefficients(self, hyperparameters: Hyperparameters, count: Tensor) -> Coefficients:  # noqa: ARG002
        """The rate −lr, 1 − rho and eps."""
        return {
            "rate": -hyperparameters["lr"],
            "weight": 1 - hyperparameters["rho"],
            "eps": hyperparameters["eps"],
        }

    def update_direction(
        self, grads: Tensor, state: OptimizerState, coefficients: Coefficients
    ) -> Tensor:
        """The step d."""
        weight, eps = coefficients["weight"], coefficients["eps"]
        square = state["square"].lerp_(grads.square(), weight)
        change = state["change"]
        delta = change.add(eps).div_(square.add(eps)).sqrt_().mul_(grads)
        change.lerp_(delta.square(), weight)
        return delta


class RmsProp(Rule):
    """v ← alpha·v + (1 − alpha)·g²; b ← momentum·b + g / (√v + eps); w ← w − lr·b.

    Centered: √(v − m²) for √v, with m ← alpha·m + (1 − alpha)·g; where rounding takes v below m²,
    the difference counts as 0 (torch's gives NaN).

    Source: Hinton 2012 (lecture 6e); centered: Graves 2013, with eps outside the root as torch.
    """

    flags = ("decoupled", "centered")

    def __init__(self, optimizer: spec.RmsProp, layout: Layout) -> None:
        super().__init__(optimizer, layout)
        self.centered = optimizer.centered

    def init_state(self, weights: Tensor) -> OptimizerState:
        """Running means of g² and, when centered, of g, and the momentum b, 0."""
        names = ("square", "velocity", "mean") if self.centered else ("square", "velocity")
        return {name: torch.zeros_like(weights) for name in names}

    def base_coefficients(self, hyperparameters: Hyperparameters, count: Tensor) -> Coefficients:  # noqa: ARG002
        """The rate −lr, 1 − alpha, eps and momentum."""
        return {
            "rate": -hyperparameters["lr"],
            "weight": 1 - hyperparameters["alpha"],
            "eps": hyperparameters["eps"],
            "momentum": hyperparameters["momentum"],
        }

    def update_direction(
        self, grads: Tensor, state: OptimizerState, coefficients: Coefficients
    ) -> Tensor:
        """The momentum b."""
        weight = coefficients["weight"]
        square = state["square"].lerp_(grads.square(), weight)
        if self.centered:
            mean = state["mean"].lerp_(grads, weight)
            size = square.addcmul(mean, mean, value=-1).clamp_(min=0).sqrt_()
        else:
            size = square.sqrt()
        size.add_(coefficients["eps"])
        return state["velocity"].mul_(coefficients["momentum"]).addcdiv_(grads, size)
