"""Muon against torch's on the transposed matrices, which lie the other way round there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
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
)
from torch import Tensor

from hpsearch.training.optimizers import hyperparameters_of, rule_for
from hpsearch.training.optimizers.muon import orthogonal

MATRICES = [entry for entry in LAYOUT if len(entry.shape) == 2]


@pytest.fixture(autouse=True)
def _float64() -> Iterator[None]:
    with float64_on_one_thread():
        yield


def torchs(spec: Any, row: Tensor, steps: int) -> list[Tensor]:
    """torch.optim.Muon on transposed matrices and torch.optim.AdamW on the rest."""
    named = leaves_of(row)
    turned = {e.name: named[e.name].detach().mT.clone().requires_grad_() for e in MATRICES}
    rest = {name: tensor for name, tensor in named.items() if name not in turned}
    muon = torch.optim.Muon(
        turned.values(),
        lr=spec.lr,
        weight_decay=spec.weight_decay,
        momentum=spec.momentum,
        nesterov=spec.nesterov,
        adjust_lr_fn=spec.adjust_lr,
        ns_steps=spec.newton_schulz_steps,
    )
    adamw = torch.optim.AdamW(
        rest.values(),
        lr=spec.lr,
        weight_decay=spec.weight_decay,
        betas=(spec.beta1, spec.beta2),
        eps=spec.eps,
    )
    trace = []
    for _ in range(steps):
        both = {**{name: tensor.mT for name, tensor in turned.items()}, **rest}
        loss = loss_of(both)
        for optimizer in (muon, adamw):
            optimizer.zero_grad()
        loss.backward()
        for optimizer in (muon, adamw):
            optimizer.step()
        both = {**{name: tensor.mT for name, tensor in turned.items()}, **rest}
        trace.append(torch.cat([both[name].detach().reshape(-1) for name in LAYOUT.names]))
    return trace


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"nesterov": False, "lr": 0.01},
        {"adjust_lr": "match_rms_adamw", "momentum": 0.5, "weight_decay": 0.0},
        {"newton_schulz_steps": 3, "beta1": 0.5},
    ],
)
def test_muon_steps_as_torch_does_but_for_bfloat16(fields: dict[str, Any]) -> None:
    """Sums in another order may round to the next bfloat16 (2^-8): a small part of a step."""
    spec = parse("muon", **fields)
    for got, expected in zip(ours([spec], steps=20), torchs(spec, initial(1)[0], 20), strict=True):
        named, wanted = LAYOUT.views(got), LAYOUT.views(expected[None])
        for name in LAYOUT.names:
            tolerance = 0.03 * spec.lr if name.endswith("weight") else 1e-3 * spec.lr
            torch.testing.assert_close(named[name], wanted[name], rtol=1e-6, atol=tolerance)


def test_first_step_of_everything_but_matrices_is_adamws_exactly() -> None:
    spec = parse("muon", lr=0.01)
    (got,), (expected,) = ours([spec], steps=1), torchs(spec, initial(1)[0], 1)
    for entry in LAYOUT:
        if entry not in MATRICES:
            same([got[0, entry.columns]], [expected[entry.columns]])


def test_a_group_gives_each_trial_what_it_gets_alone() -> None:
    specs = [parse("muon", lr=lr, momentum=momentum) for lr, momentum in ((0.01, 0.9), (0.03, 0.5))]
    together, alone = ours(specs), ours(specs[:1])
    same([weights[0] for weights in together], [weights[0] for weights in alone])


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**31))
@settings(max_examples=40)
def test_singular_values_come_near_one(rows: int, columns: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(1, rows, columns, generator=generator)
    left, sizes, right = torch.linalg.svd(matrix, full_matrices=False)
    clear = left @ torch.diag_embed(sizes.clamp(min=0.2 * float(sizes.max()))) @ right
    found = torch.linalg.svdvals(orthogonal(clear, 5))
    assert ((found > 0.6) & (found < 1.3)).all()


def test_a_zero_gradient_moves_nothing() -> None:
    spec = parse("muon", weight_decay=0.0)
    rule, weights = rule_for(spec, LAYOUT), initial(1)
    start = weights.clone()
    rule.step(
        weights,
        torch.zeros_like(weights),
        rule.init_state(weights),
        hyperparameters_of([spec]),
        torch.ones(1, 1),
    )
    assert torch.equal(weights, start)


def test_muon_trains_the_network() -> None:
    weights = ours([parse("muon", lr=0.02)], steps=60)[-1]
    grads = torch.zeros_like(weights)
    assert evaluate(weights, grads).item() < 0.7 * evaluate(initial(1), grads).item()
