"""L-BFGS against torch's without a line search, and against SciPy's minimum with one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from small_network import (
    LAYOUT,
    evaluate,
    float64_on_one_thread,
    initial,
    leaves_of,
    loss_of,
    ours,
    parse,
    same,
    theirs,
)
from torch import Tensor

from hpsearch.training.numerics.layout import Layout
from hpsearch.training.optimizers import hyperparameters_of, rule_for, scales_of


@pytest.fixture(autouse=True)
def _float64() -> Iterator[None]:
    with float64_on_one_thread():
        yield


def torchs(spec: Any, row: Tensor, steps: int) -> list[Tensor]:
    def make(named: dict[str, Tensor]) -> torch.optim.Optimizer:
        return torch.optim.LBFGS(
            named.values(),
            lr=spec.lr,
            max_iter=spec.iterations,
            history_size=spec.history,
            tolerance_grad=spec.tolerance_grad,
            tolerance_change=spec.tolerance_change,
        )

    return theirs(make, row, steps=steps)


@pytest.mark.parametrize(
    ("fields", "steps"),
    [
        ({"iterations": 1}, 20),
        ({"iterations": 4, "lr": 0.5}, 5),
        ({"iterations": 1, "history": 3, "lr": 0.3}, 20),
        ({"iterations": 20, "lr": 0.2}, 1),
        ({"iterations": 8, "lr": 0.5, "tolerance_grad": 0.05}, 3),
        ({"iterations": 8, "lr": 0.5, "tolerance_change": 0.01}, 3),
    ],
)
def test_each_row_follows_its_own_torch_run(fields: dict[str, Any], steps: int) -> None:
    specs = [parse("lbfgs", **fields), parse("lbfgs", **{**fields, "lr": 0.1})]
    together = ours(specs, steps=steps)
    for row, spec in enumerate(specs):
        expected = torchs(spec, initial(2)[row], steps)
        same([weights[row] for weights in together], expected, rtol=1e-7)


def test_weight_decay_is_part_of_the_loss() -> None:
    spec = parse("lbfgs", iterations=3, lr=0.3, weight_decay=0.1, no_decay=["bias"])
    named = leaves_of(initial(1)[0])
    optimizer = torch.optim.LBFGS(list(named.values()), lr=0.3, max_iter=3)

    def closure() -> Tensor:
        optimizer.zero_grad()
        squares = [t.square().sum() for n, t in named.items() if not n.endswith("bias")]
        loss = loss_of(named) + 0.05 * torch.stack(squares).sum()
        loss.backward()
        return loss

    for weights in ours([spec], steps=5):
        optimizer.step(closure)
        expected = torch.cat([t.detach().reshape(-1) for t in named.values()])
        same([weights[0]], [expected], rtol=1e-7)


def softmax_regression(decay: float) -> tuple[Any, Layout, Any]:
    """A convex loss for K trials: closure maker, layout, and SciPy's minimum."""
    generator = torch.Generator().manual_seed(5)
    inputs = torch.randn(40, 3, generator=generator)
    labels = torch.randint(0, 3, (40,), generator=generator)
    layout = Layout.of({"weight": (3, 3), "bias": (3,)})

    def loss(row: Tensor) -> Tensor:
        tensors = layout.views(row[None])
        outputs = inputs @ tensors["weight"][0] + tensors["bias"][0]
        return torch.nn.functional.cross_entropy(outputs, labels)

    def closure_of(weights: Tensor, grads: Tensor) -> Any:
        def closure() -> Tensor:
            losses = []
            for k in range(len(weights)):
                row = weights[k].clone().requires_grad_()
                value = loss(row)
                (grads[k],) = torch.autograd.grad(value, row)
                losses.append(value.detach())
            return torch.stack(losses)

        return closure

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        row = torch.tensor(x, requires_grad=True)
        value = loss(row) + 0.5 * decay * row.square().sum()
        (grad,) = torch.autograd.grad(value, row)
        return value.item(), grad.numpy()

    found = minimize(objective, np.zeros(layout.size), jac=True, method="L-BFGS-B", tol=1e-14)
    return closure_of, layout, torch.from_numpy(found.x)


def test_with_a_line_search_trials_reach_the_minimum_together() -> None:
    decay = 0.05
    closure_of, layout, expected = softmax_regression(decay)
    specs = [
        parse("lbfgs", line_search="strong_wolfe", lr=lr, weight_decay=decay, tolerance_change=0.0)
        for lr in (1.0, 0.01, 30.0)
    ]
    weights = torch.zeros(3, layout.size)
    grads = torch.zeros_like(weights)
    rule, numbers = rule_for(specs[0], layout), hyperparameters_of(specs)
    state, closure = rule.init_state(weights), closure_of(weights, grads)
    for count in range(1, 4):
        rule.step(
            weights,
            grads,
            state,
            numbers,
            torch.full((3, 1), count),
            scales_of(specs, layout),
            closure,
        )
    for row in weights:
        torch.testing.assert_close(row, expected, rtol=1e-4, atol=1e-5)


def test_a_line_search_in_a_group_is_the_search_alone() -> None:
    specs = [
        parse("lbfgs", line_search="strong_wolfe", lr=lr, iterations=5) for lr in (1.0, 0.05, 8.0)
    ]
    together, alone = ours(specs, steps=3), ours(specs[:1], steps=3)
    same([weights[0] for weights in together], [weights[0] for weights in alone])


def test_a_line_search_never_raises_the_loss() -> None:
    specs = [parse("lbfgs", line_search="strong_wolfe", lr=lr) for lr in (1.0, 5.0)]
    grads = torch.zeros_like(initial(2))
    losses = [evaluate(weights, grads) for weights in (initial(2), *ours(specs, steps=5))]
    for before, after in pairwise(losses):
        assert (after <= before).all()
    assert (losses[-1] < 0.5 * losses[0]).all()


def test_a_trial_at_rest_stays_there_while_another_moves() -> None:
    closure_of, layout, minimum = softmax_regression(0.05)
    specs = [parse("lbfgs", weight_decay=0.05, tolerance_grad=1e-3, iterations=4)] * 2
    weights = torch.stack([minimum, torch.ones_like(minimum)])
    grads = torch.zeros_like(weights)
    rule, start = rule_for(specs[0], layout), weights.clone()
    state = rule.init_state(weights)
    rule.step(
        weights,
        grads,
        state,
        hyperparameters_of(specs),
        torch.ones(2, 1),
        closure=closure_of(weights, grads),
    )
    assert torch.equal(weights[0], start[0])
    assert state["iterations"].flatten().tolist() == [0.0, 4.0]


def test_evaluations_stay_within_their_number() -> None:
    spec = parse("lbfgs", line_search="strong_wolfe", iterations=8, lr=1000.0)
    weights = initial(1)
    grads, calls = torch.zeros_like(weights), []

    def closure() -> Tensor:
        calls.append(1)
        return evaluate(weights, grads)

    rule = rule_for(spec, LAYOUT)
    rule.step(
        weights,
        grads,
        rule.init_state(weights),
        hyperparameters_of([spec]),
        torch.ones(1, 1),
        closure=closure,
    )
    assert len(calls) <= 8 * 5 // 4 + 1


@pytest.mark.parametrize("line_search", ["none", "strong_wolfe"])
def test_a_rate_of_zero_moves_nothing(line_search: str) -> None:
    spec = parse("lbfgs", line_search=line_search)
    weights = initial(2)
    grads = torch.zeros_like(weights)
    rule = rule_for(spec, LAYOUT)
    state = rule.init_state(weights)
    numbers = {**hyperparameters_of([spec, spec]), "lr": torch.tensor([[0.0], [0.5]])}
    rule.step(
        weights,
        grads,
        state,
        numbers,
        torch.ones(2, 1),
        closure=lambda: evaluate(weights, grads),
    )
    assert torch.equal(weights[0], initial(2)[0])
    assert not torch.equal(weights[1], initial(2)[1])


def test_a_closure_is_asked_for() -> None:
    spec = parse("lbfgs")
    rule, weights = rule_for(spec, LAYOUT), initial(1)
    with pytest.raises(TypeError, match="needs a closure; pass one"):
        rule.step(
            weights, weights, rule.init_state(weights), hyperparameters_of([spec]), torch.ones(1, 1)
        )
