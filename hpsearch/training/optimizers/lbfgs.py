"""L-BFGS: steps along −H·g, where H comes from how g changed over the last steps.

s   a step of the weights          y   the change of g over it          ρ = 1 / y·s

All trials of a group move in lockstep; one evaluation of the closure serves all of them, and a
trial that has met a tolerance stands still until the update ends. The loss must be a function of
the weights: one batch (the full one), no dropout that changes between evaluations.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hpsearch.spec.optimizers import lbfgs as spec
from hpsearch.training.numerics.layout import Layout
from hpsearch.training.optimizers.group_line_search import row_dot, run_searches, start_searches
from hpsearch.training.optimizers.rule import (
    Closure,
    Coefficients,
    Hyperparameters,
    OptimizerState,
    Rule,
)
from hpsearch.training.optimizers.scales import Scales

SMALLEST_CURVATURE = 1e-10
"""A pair with y·s below it would make H indefinite and is not remembered."""


class Lbfgs(Rule):
    """w ← w + a·d, d = −H·g by two loops over the remembered pairs, up to `iterations` times.

    a is lr, in the first iteration of all lr·min(1, 1 / Σ|g|); or found by `strong_wolfe`,
    starting from there. Weight decay is part of loss and gradient. An update ends for a trial when
    max|g| ≤ tolerance_grad, when g·d is above −tolerance_change, or when loss or weights change
    by less than tolerance_change.

    Source: Liu & Nocedal 1989; Nocedal & Wright 2006, algorithm 7.4; tolerances and first step of
    `torch.optim.LBFGS`.
    """

    needs_closure = True
    flags = ("decoupled", "iterations", "history", "line_search")

    def __init__(self, optimizer: spec.Lbfgs, layout: Layout) -> None:
        super().__init__(optimizer, layout)
        self.iterations = optimizer.iterations
        self.history = optimizer.history
        self.has_search = optimizer.line_search == "strong_wolfe"

    def init_state(self, weights: Tensor) -> OptimizerState:
        """The pairs, a ring of H rows each, and where the last iteration stood.

        steps, changes [K, H, P], curvature (ρ) [K, H], pairs (how many were ever remembered),
        scale (of the first H), iterations and length [K, 1], grad and direction [K, P].
        """
        trials, size = weights.shape
        shapes = {
            "steps": (trials, self.history, size),
            "changes": (trials, self.history, size),
            "curvature": (trials, self.history),
            "grad": (trials, size),
            "direction": (trials, size),
            "length": (trials, 1),
            "pairs": (trials, 1),
            "iterations": (trials, 1),
        }
        state = {name: weights.new_zeros(shape) for name, shape in shapes.items()}
        return {**state, "scale": weights.new_ones(trials, 1)}

    def base_coefficients(self, hyperparameters: Hyperparameters, count: Tensor) -> Coefficients:
        """The first length, lr, and the tolerances."""
        names = ("lr", "tolerance_grad", "tolerance_change")
        return {name: hyperparameters[name].expand(count.shape) for name in names}

    def update_direction(
        self, grads: Tensor, state: OptimizerState, coefficients: Coefficients
    ) -> Tensor:
        """−H·g. A row of the ring that holds no pair is 0 and changes nothing."""
        del coefficients
        trial = torch.arange(len(grads), device=grads.device)
        pairs = state["pairs"].squeeze(1).long()
        remembered = min(int(pairs.max()), self.history)
        rows = [(pairs - age) % self.history for age in range(1, remembered + 1)]
        direction = -grads
        weights = []
        for row in rows:
            weight = state["curvature"][trial, row, None] * row_dot(
                state["steps"][trial, row], direction
            )
            direction.addcmul_(state["changes"][trial, row], weight, value=-1)
            weights.append(weight)
        direction.mul_(state["scale"])
        for row, weight in zip(reversed(rows), reversed(weights), strict=True):
            back = state["curvature"][trial, row, None] * row_dot(
                state["changes"][trial, row], direction
            )
            direction.addcmul_(state["steps"][trial, row], weight - back)
        return direction

    def update(
        self,
        weights: Tensor,
        grads: Tensor,
        state: OptimizerState,
        coefficients: Coefficients,
        scales: Scales | None = None,
        closure: Closure | None = None,
    ) -> None:
        """Up to `iterations` steps; the closure's first answer is the loss before any of them."""
        if closure is None:
            raise TypeError("lbfgs needs a closure; pass one to update")
        evaluate = _objective(weights, grads, closure, _decay(coefficients, scales))
        flat, still = coefficients["tolerance_grad"], coefficients["tolerance_change"]
        most = self.iterations * 5 // 4
        loss, grad = evaluate()
        used = torch.ones_like(loss)
        active = _largest(grad) > flat
        for iteration in range(1, self.iterations + 1):
            if not active.any():
                return
            self._remember(state, grad, active)
            direction = self._turn(state, grad, active, coefficients["lr"])
            slope = row_dot(grad, direction)
            active &= (slope <= -still) & (state["length"] > 0)
            direction = torch.where(active, direction, 0)
            before = loss
            if self.has_search:
                searches = start_searches(active, state["length"], loss, slope, most - used)
                lengths, evaluations, (loss, grad) = run_searches(
                    evaluate, weights, direction, searches
                )
                state["length"].copy_(torch.where(active, lengths, state["length"]))
                used = used + evaluations
            else:
                weights.addcmul_(direction, state["length"])
                if iteration == self.iterations:
                    return
                loss, grad = evaluate()
                used = used + 1
            active &= (used < most) & (_largest(grad) > flat) & ((loss - before).abs() >= still)
            active &= _largest(direction * state["length"]) > still

    def _remember(self, state: OptimizerState, grad: Tensor, active: Tensor) -> None:
        """Adds the pair of the last step where it has curvature; at first there is none."""
        step = state["direction"] * state["length"]
        change = grad - state["grad"]
        curvature = row_dot(change, step)
        trials = (active & (curvature > SMALLEST_CURVATURE)).squeeze(1).nonzero().squeeze(1)
        rows = state["pairs"][trials, 0].long() % self.history
        state["steps"][trials, rows] = step[trials]
        state["changes"][trials, rows] = change[trials]
        state["curvature"][trials, rows] = 1 / curvature[trials, 0]
        state["scale"][trials] = (curvature / row_dot(change, change))[trials]
        state["pairs"][trials] += 1

    def _turn(self, state: OptimizerState, grad: Tensor, active: Tensor, lr: Tensor) -> Tensor:
        """The next direction, and with it grad and first length put into the state."""
        direction = self.update_direction(grad, state, {})
        is_first = state["iterations"] == 0
        cautious = lr * (1 / grad.abs().sum(dim=1, keepdim=True)).clamp(max=1)
        length = torch.where(is_first, cautious, lr)
        for name, value in (("grad", grad), ("direction", direction), ("length", length)):
            state[name].copy_(torch.where(active, value, state[name]))
        state["iterations"].add_(active)
        return direction


def _objective(
    weights: Tensor, grads: Tensor, closure: Closure, decay: Tensor | None
) -> Callable[[], tuple[Tensor, Tensor]]:
    """Loss [K, 1] and its gradient [K, P] at the present weights, ½·decay·w² included."""

    def evaluate() -> tuple[Tensor, Tensor]:
        loss = closure().detach()[:, None]
        if decay is None:
            return loss, grads.clone()
        pull = decay * weights
        return loss + 0.5 * row_dot(pull, weights), grads + pull

    return evaluate


def _decay(coefficients: Coefficients, scales: Scales | None) -> Tensor | None:
    decay = coefficients.get("decay")
    if decay is None or scales is None or scales.decay is None:
        return decay
    return decay * scales.decay


def _largest(values: Tensor) -> Tensor:
    return values.abs().amax(dim=1, keepdim=True)
