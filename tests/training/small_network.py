"""A small network and its gradients, for tests that follow update rules step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor

from hpsearch.spec.optimizer import Optimizer
from hpsearch.training.numerics.layout import Layout
from hpsearch.training.optimizers import group_key, hyperparameters_of, rule_for, scales_of
from hpsearch.training.update.clipping import clip_norm

SPEC: TypeAdapter[Any] = TypeAdapter(Optimizer)
SHAPES = {
    "layers.0.weight": (4, 6),
    "layers.0.bias": (6,),
    "layers.0.norm.scale": (6,),
    "layers.0.norm.shift": (6,),
    "layers.1.weight": (6, 5),
    "layers.1.bias": (5,),
    "output.weight": (5, 3),
    "output.bias": (3,),
}
LAYOUT = Layout.of(SHAPES)
STEPS = 20
_DATA = torch.Generator().manual_seed(1)
INPUTS = torch.randn(32, 4, generator=_DATA, dtype=torch.float64)
TARGETS = torch.randint(0, 3, (32,), generator=_DATA)


@contextmanager
def float64_on_one_thread() -> Iterator[None]:
    """torch keeps NAdam's product of momenta in the default dtype."""
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_num_threads(threads)


def parse(kind: str, **fields: Any) -> Any:
    return SPEC.validate_python({"kind": kind, **fields})


def initial(trials: int) -> Tensor:
    """Row k is the same in a group of any size."""
    seeds = [torch.Generator().manual_seed(row) for row in range(trials)]
    return torch.stack(
        [0.5 * torch.randn(LAYOUT.size, generator=seed, dtype=torch.float64) for seed in seeds]
    )


def loss_of(named: dict[str, Tensor]) -> Tensor:
    """One trial's loss."""
    hidden = INPUTS @ named["layers.0.weight"] + named["layers.0.bias"]
    hidden = torch.nn.functional.layer_norm(hidden, (6,))
    hidden = (hidden * named["layers.0.norm.scale"] + named["layers.0.norm.shift"]).tanh()
    hidden = (hidden @ named["layers.1.weight"] + named["layers.1.bias"]).tanh()
    outputs = hidden @ named["output.weight"] + named["output.bias"]
    return torch.nn.functional.cross_entropy(outputs, TARGETS)


def leaves_of(row: Tensor) -> dict[str, Tensor]:
    """One trial's tensors, apart from the row and ready for autograd."""
    return {n: t[0].clone().requires_grad_() for n, t in LAYOUT.views(row[None]).items()}


def evaluate(weights: Tensor, grads: Tensor) -> Tensor:
    """Fills the gradients of all trials, returns their losses [K]."""
    losses = []
    with torch.enable_grad():
        for row in range(len(weights)):
            leaves = leaves_of(weights[row])
            loss = loss_of(leaves)
            parts = torch.autograd.grad(loss, list(leaves.values()))
            grads[row] = torch.cat([part.reshape(-1) for part in parts])
            losses.append(loss.detach())
    return torch.stack(losses)


def ours(
    optimizers: Sequence[Any],
    *,
    limit: float | None = None,
    steps: int = STEPS,
    counted_from: int = 1,
    as_table: bool = True,
    start: Tensor | None = None,
) -> list[Tensor]:
    """Weights [K, P] after each step, with coefficients from a table or made at each step."""
    assert len({group_key(optimizer) for optimizer in optimizers}) == 1
    weights = initial(len(optimizers)) if start is None else start.clone()
    grads = torch.zeros_like(weights)
    rule, numbers = rule_for(optimizers[0], LAYOUT), hyperparameters_of(optimizers)
    state, scales = rule.init_state(weights), scales_of(optimizers, LAYOUT, weights.dtype)
    counts = torch.arange(counted_from, counted_from + steps)[:, None, None]
    counts = counts.expand(steps, len(optimizers), 1)
    table = rule.coefficients_by_step(numbers, counts, weights.dtype)

    def closure() -> Tensor:
        return evaluate(weights, grads)

    trace = []
    for step in range(steps):
        if not rule.needs_closure:
            closure()
        if limit is not None:
            clip_norm(grads, torch.full((len(optimizers), 1), limit))
        if as_table:
            rule.update(weights, grads, state, table[step], scales, closure)
        else:
            rule.step(weights, grads, state, numbers, counts[step], scales, closure)
        trace.append(weights.clone())
    return trace


def theirs(
    make: Callable[[dict[str, Tensor]], torch.optim.Optimizer],
    row: Tensor,
    *,
    limit: float | None = None,
    steps: int = STEPS,
    shrink: float = 1.0,
    between: Callable[[torch.optim.Optimizer, int], None] | None = None,
) -> list[Tensor]:
    """Weights [P] after each step of a torch optimizer on one trial.

    shrink: the weights' factor before each step, after the gradient: decoupled decay by hand.
    """
    named = leaves_of(row)
    optimizer = make(named)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = loss_of(named)
        loss.backward()
        if limit is not None:
            torch.nn.utils.clip_grad_norm_(list(named.values()), limit)
        if shrink != 1:
            with torch.no_grad():
                for tensor in named.values():
                    tensor.mul_(shrink)
        return loss

    trace = []
    for step in range(steps):
        if between is not None:
            between(optimizer, step)
        optimizer.step(closure)
        trace.append(torch.cat([t.detach().reshape(-1) for t in named.values()]))
    return trace


def same(actual: Sequence[Tensor], expected: Sequence[Tensor], rtol: float = 1e-9) -> None:
    for step, (one, two) in enumerate(zip(actual, expected, strict=True)):
        torch.testing.assert_close(
            one, two, rtol=rtol, atol=1e-12, msg=lambda text, at=step: f"step {at}: {text}"
        )


def torch_optimizer(spec: Any, params: Any) -> torch.optim.Optimizer:
    """The torch optimizer that a spec names."""
    common: dict[str, Any] = {"lr": spec.lr, "weight_decay": spec.weight_decay}
    if hasattr(spec, "beta1"):
        common |= {"betas": (spec.beta1, spec.beta2), "eps": spec.eps}
    decoupled = {"decoupled_weight_decay": spec.decoupled}
    makers: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "sgd": lambda: torch.optim.SGD(params, **common),
        "momentum": lambda: torch.optim.SGD(params, momentum=spec.momentum, **common),
        "nesterov": lambda: torch.optim.SGD(
            params, momentum=spec.momentum, nesterov=spec.momentum > 0, **common
        ),
        "adagrad": lambda: torch.optim.Adagrad(
            params,
            lr_decay=spec.lr_decay,
            initial_accumulator_value=spec.initial_accumulator,
            eps=spec.eps,
            **common,
        ),
        "adadelta": lambda: torch.optim.Adadelta(params, rho=spec.rho, eps=spec.eps, **common),
        "rmsprop": lambda: torch.optim.RMSprop(
            params,
            alpha=spec.alpha,
            momentum=spec.momentum,
            centered=spec.centered,
            eps=spec.eps,
            **common,
        ),
        "adam": lambda: torch.optim.Adam(params, **common, **decoupled),
        "amsgrad": lambda: torch.optim.Adam(params, amsgrad=True, **common, **decoupled),
        "adamw": lambda: torch.optim.AdamW(params, **common),
        "nadam": lambda: torch.optim.NAdam(
            params, momentum_decay=spec.momentum_decay, **common, **decoupled
        ),
        "radam": lambda: torch.optim.RAdam(params, **common, **decoupled),
        "adamax": lambda: torch.optim.Adamax(params, **common),
    }
    return makers[spec.kind]()


def column(trace: list[Tensor], row: int) -> list[Tensor]:
    return [weights[row] for weights in trace]
