"""Muon: the momentum of a matrix, made orthogonal; AdamW for tensors that are no matrices."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hpsearch.spec.optimizers import sign_and_matrix as spec
from hpsearch.training.numerics.layout import Entry, Layout
from hpsearch.training.optimizers.adam import Adam
from hpsearch.training.optimizers.rule import Coefficients, Hyperparameters, OptimizerState, Rule

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""a, b, c of X ← aX + (bA + cA²)X with A = XXᵀ: steepest at 0, not exact at 1."""
SMALLEST_NORM = 1e-7


class Muon(Rule):
    """b ← momentum·b + (1 − momentum)·g; w ← w − lr·r·O(u), u = momentum·b + (1 − momentum)·g.

    O is `orthogonal`, which turns with its matrix; without nesterov, u = b.
    r = √max(1, outputs / inputs), or r = 0.2·√max(outputs, inputs), which gives steps the size of
    AdamW's (Liu et al. 2025); the layout says which axis holds the outputs.
    All other tensors take AdamW's step with the same lr and weight decay. AdamW's state is kept
    for all columns: on matrices it is computed and not used, which costs less than gathering.

    Source: Jordan et al. 2024; `torch.optim.Muon`.
    """

    flags = ("decoupled", "nesterov", "adjust_lr", "newton_schulz_steps")

    def __init__(self, optimizer: spec.Muon, layout: Layout) -> None:
        super().__init__(optimizer, layout)
        self.nesterov = optimizer.nesterov
        self.steps = optimizer.newton_schulz_steps
        self.adam = Adam(optimizer, layout)
        self.matrices = [
            (entry, _factor(optimizer.adjust_lr, *_sides(entry)))
            for entry in layout
            if len(entry.shape) == 2
        ]

    def init_state(self, weights: Tensor) -> OptimizerState:
        """The momentum b of matrices, and AdamW's means."""
        return {"velocity": torch.zeros_like(weights), **self.adam.init_state(weights)}

    def base_coefficients(self, hyperparameters: Hyperparameters, count: Tensor) -> Coefficients:
        """The rate −lr, AdamW's own over it (`adam_rate`), momentum and its complement."""
        adam = self.adam.base_coefficients(hyperparameters, count)
        beta1, beta2 = hyperparameters["beta1"], hyperparameters["beta2"]
        return {
            **adam,
            "rate": -hyperparameters["lr"],
            "adam_rate": (1 - beta2**count).sqrt() / (1 - beta1**count),
            "momentum": hyperparameters["momentum"],
            "velocity_weight": 1 - hyperparameters["momentum"],
        }

    def update_direction(
        self, grads: Tensor, state: OptimizerState, coefficients: Coefficients
    ) -> Tensor:
        """AdamW's step everywhere, then the orthogonal one where matrices lie."""
        direction = self.adam.update_direction(grads, state, coefficients)
        direction.mul_(coefficients["adam_rate"])
        velocity = state["velocity"].lerp_(grads, coefficients["velocity_weight"])
        if self.nesterov:
            velocity = grads.lerp(velocity, coefficients["momentum"])
        for entry, factor in self.matrices:
            matrix = entry.view(velocity).mT
            step = orthogonal(matrix, self.steps).mul_(factor)
            entry.view(direction).copy_(step.mT)
        return direction


def orthogonal(matrices: Tensor, steps: int) -> Tensor:
    """Each matrix of [K, outputs, inputs] with its singular values brought near 1.

    A Newton–Schulz iteration on the matrix divided by its Frobenius norm. Values are rounded to
    bfloat16 after each operation, as torch's Muon has it, while products add up in the dtype of
    the weights: so a trial's step does not depend on how many trials share the product.
    """
    a, b, c = NEWTON_SCHULZ
    is_tall = matrices.shape[1] > matrices.shape[2]
    x = _rounded(matrices.mT if is_tall else matrices)
    norm = _rounded(torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True))
    x = _rounded(x / norm.clamp(min=SMALLEST_NORM))
    for _ in range(steps):
        gram = _rounded(torch.bmm(x, x.mT))
        polynomial = _rounded(torch.baddbmm(gram, gram, gram, beta=b, alpha=c))
        x = _rounded(torch.baddbmm(x, polynomial, x, beta=a))
    return x.mT if is_tall else x


def _rounded(values: Tensor) -> Tensor:
    return values.bfloat16().to(values.dtype)


def _sides(entry: Entry) -> tuple[int, int]:
    """Outputs and inputs; what leads into no units, as an embedding, lies as [inputs, outputs]."""
    outputs = 1 if entry.unit is None else entry.unit
    return entry.shape[outputs], entry.shape[1 - outputs]


def _factor(adjust_lr: str, outputs: int, inputs: int) -> float:
    if adjust_lr == "match_rms_adamw":
        return 0.2 * math.sqrt(max(outputs, inputs))
    return math.sqrt(max(1.0, outputs / inputs))
