"""Lion: the sign of a momentum."""

from __future__ import annotations

import torch
from torch import Tensor

from hpsearch.training.optimizers.rule import Coefficients, Hyperparameters, OptimizerState, Rule


class Lion(Rule):
    """w ← w − lr·sign(beta1·m + (1 − beta1)·g); then m ← beta2·m + (1 − beta2)·g.

    Source: Chen et al. 2023, "Symbolic discovery of optimization algorithms", algorithm 2; its
    weight decay is the decoupled form.
    """

    def init_state(self, weights: Tensor) -> OptimizerState:
        """The running mean m, 0."""
        return {"mean": torch.zeros_like(weights)}

    def base_coefficients(self, hyperparameters: Hyperparameters, count: Tensor) -> Coefficients:  # noqa: ARG002
        """The rate −lr, and the weight of g in the step and in m."""
        return {
            "rate": -hyperparameters["lr"],
            "step_weight": 1 - hyperparameters["beta1"],
            "mean_weight": 1 - hyperparameters["beta2"],
        }

    def update_direction(
        self, grads: Tensor, state: OptimizerState, coefficients: Coefficients
    ) -> Tensor:
        """The sign of m and g mixed."""
        mean = state["mean"]
        direction = torch.lerp(mean, grads, coefficients["step_weight"]).sign_()
        mean.lerp_(grads, coefficients["mean_weight"])
        return direction
