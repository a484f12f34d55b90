"""Update rules against torch.optim, step by step; where torch has no such rule, closed forms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_network import (
    LAYOUT,
    column,
    evaluate,
    float64_on_one_thread,
    initial,
    ours,
    parse,
    same,
    theirs,
    torch_optimizer,
)
from torch import Tensor

from hpsearch.spec.language.family import implementation
from hpsearch.spec.optimizer import OPTIMIZERS
from hpsearch.training.numerics.layout import Layout
from hpsearch.training.optimizers import Rule, group_key, hyperparameters_of, rule_for

KINDS = {
    "sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "amsgrad", "adamw",
    "nadam", "radam", "adamax", "lion", "muon", "lbfgs",
}  # fmt: skip
ELEMENTWISE = sorted(KINDS - {"muon", "lbfgs"})
SGD_CASES = [{"lr": 0.1}, {"lr": 0.5, "weight_decay": 0.01}, {"lr": 0.02, "weight_decay": 0.3}]
MOMENTUM_CASES = [
    {"lr": 0.1},
    {"lr": 0.05, "momentum": 0.99, "weight_decay": 0.01},
    {"lr": 0.2, "momentum": 0.0},
]
ADAM_CASES = [
    {},
    {"lr": 0.05, "beta1": 0.5, "beta2": 0.9, "weight_decay": 0.1},
    {"lr": 0.1, "beta1": 0.0, "eps": 1e-3},
]
CASES: dict[str, list[dict[str, Any]]] = {
    "sgd": SGD_CASES,
    "momentum": MOMENTUM_CASES,
    "nesterov": MOMENTUM_CASES,
    "adagrad": [
        {},
        {"lr": 0.5, "lr_decay": 0.1, "initial_accumulator": 0.1, "weight_decay": 0.1},
        {"lr": 0.1, "eps": 1e-3},
    ],
    "adadelta": [{}, {"lr": 0.5, "rho": 0.5, "weight_decay": 0.1}, {"rho": 0.99, "eps": 1e-3}],
    "rmsprop": [
        {},
        {"lr": 0.05, "alpha": 0.5, "momentum": 0.9, "weight_decay": 0.1},
        {"momentum": 0.5, "eps": 1e-3},
    ],
    "adam": ADAM_CASES,
    "amsgrad": ADAM_CASES,
    "adamw": ADAM_CASES,
    "adamax": ADAM_CASES,
    "nadam": [*ADAM_CASES[:2], {"lr": 0.02, "momentum_decay": 0.5}],
    "radam": [*ADAM_CASES[:2], {"lr": 0.02, "beta2": 0.5}],
}


@pytest.fixture(autouse=True)
def _float64() -> Iterator[None]:
    with float64_on_one_thread():
        yield


@pytest.mark.parametrize(
    ("kind", "extra"), [*((kind, {}) for kind in CASES), ("rmsprop", {"centered": True})]
)
@pytest.mark.parametrize("limit", [None, 0.2], ids=["free", "clipped"])
def test_each_row_follows_its_own_torch_run(
    kind: str, extra: dict[str, Any], limit: float | None
) -> None:
    specs = [parse(kind, **case, **extra) for case in CASES[kind]]
    fused = ours(specs, limit=limit)
    for row, spec in enumerate(specs):
        expected = theirs(
            lambda named, spec=spec: torch_optimizer(spec, named.values()),
            initial(3)[row],
            limit=limit,
        )
        same(column(fused, row), expected)


@pytest.mark.parametrize("kind", ELEMENTWISE)
def test_a_row_alone_is_the_row_in_a_group(kind: str) -> None:
    specs = [parse(kind, **case) for case in CASES.get(kind, [{}, {"lr": 0.01}])]
    same(column(ours(specs[:1], steps=8), 0), column(ours(specs, steps=8), 0), rtol=1e-12)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_table_of_coefficients_is_the_numbers_step_by_step(kind: str) -> None:
    specs = [parse(kind, lr=lr, weight_decay=0.01) for lr in (0.01, 0.02)]
    at_once, one_by_one = (ours(specs, steps=4, as_table=how) for how in (True, False))
    assert all(map(torch.equal, at_once, one_by_one))


@pytest.mark.parametrize("kind", sorted(CASES))
def test_decoupled_decay_shrinks_weights_beside_the_step(kind: str) -> None:
    lr, decay = 0.05, 0.3
    got = ours([parse(kind, lr=lr, weight_decay=decay, decoupled=True)], steps=10)
    plain = parse(kind, lr=lr, weight_decay=0.0)
    factor = 1 - lr * decay
    expected = theirs(
        lambda named: torch_optimizer(plain, named.values()), initial(1)[0], steps=10, shrink=factor
    )
    same(column(got, 0), expected)


def test_adamw_can_couple_its_decay() -> None:
    coupled = ours([parse("adamw", weight_decay=0.1, decoupled=False)], steps=5)
    assert all(map(torch.equal, coupled, ours([parse("adam", weight_decay=0.1)], steps=5)))


@pytest.mark.parametrize("decoupled", [True, False])
def test_lion_makes_the_papers_update(decoupled: bool) -> None:
    spec = parse("lion", lr=0.01, beta1=0.8, beta2=0.95, weight_decay=0.1, decoupled=decoupled)

    class Paper(torch.optim.Optimizer):
        """Algorithm 2 of Chen et al. 2023: c = β1·m + (1 − β1)·g; θ −= η·(sign c + λθ)."""

        @torch.no_grad()
        def step(self, closure: Any = None) -> None:
            with torch.enable_grad():
                closure()
            for p in self.param_groups[0]["params"]:
                m = self.state[p].get("m", torch.zeros_like(p))
                g = p.grad if decoupled else p.grad + 0.1 * p
                c = 0.8 * m + (1 - 0.8) * g
                self.state[p]["m"] = 0.95 * m + (1 - 0.95) * g
                p -= 0.01 * (c.sign() + (0.1 * p if decoupled else 0))

    expected = theirs(lambda named: Paper(named.values(), {}), initial(1)[0])
    same(column(ours([spec]), 0), expected)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_row_of_nan_leaves_the_others_bit_identical(kind: str) -> None:
    specs = [parse(kind, lr=lr, weight_decay=0.01) for lr in (0.01, 0.02, 0.03)]
    sick = initial(3)
    sick[1, 5] = float("nan")
    healthy, mixed = ours(specs, steps=5), ours(specs, steps=5, start=sick)
    for one, two in zip(healthy, mixed, strict=True):
        assert torch.equal(one[[0, 2]], two[[0, 2]])
        assert two[1].isnan().any()


@pytest.mark.parametrize("kind", ELEMENTWISE)
def test_trials_at_different_counts_keep_their_own(kind: str) -> None:
    spec = parse(kind, lr=0.01)
    rule, numbers = rule_for(spec, LAYOUT), hyperparameters_of([spec, spec])
    grads = torch.stack([initial(1)[0], initial(1)[0]])
    counts = torch.tensor([[3], [40]])
    together = torch.zeros_like(grads)
    rule.step(together, grads, rule.init_state(together), numbers, counts)
    for row in range(2):
        alone = torch.zeros(1, LAYOUT.size)
        rule.step(
            alone, grads[:1], rule.init_state(alone), hyperparameters_of([spec]), counts[row, None]
        )
        same([together[row]], [alone[0]], rtol=1e-12)


@pytest.mark.parametrize("kind", ["nesterov", "adam", "nadam"])
def test_momentum_may_change_from_step_to_step(kind: str) -> None:
    spec = parse(kind, lr=0.05)
    field = type(spec).momentum_field
    values = torch.linspace(0.5, 0.95, 10)
    rule = rule_for(spec, LAYOUT)
    counts = torch.arange(1, 11).view(-1, 1, 1)
    numbers = {**hyperparameters_of([spec]), field: values.view(-1, 1, 1)}
    weights = initial(1)
    grads, state, trace = torch.zeros_like(weights), rule.init_state(weights), []
    for coefficients in rule.coefficients_by_step(numbers, counts, weights.dtype):
        evaluate(weights, grads)
        rule.update(weights, grads, state, coefficients)
        trace.append(weights[0].clone())

    def between(optimizer: torch.optim.Optimizer, step: int) -> None:
        group, momentum = optimizer.param_groups[0], float(values[step])
        if field == "momentum":
            group["momentum"] = momentum
        else:
            group["betas"] = (momentum, group["betas"][1])

    expected = theirs(
        lambda named: torch_optimizer(spec, named.values()),
        initial(1)[0],
        steps=10,
        between=between,
    )
    same(trace, expected)


@given(
    kind=st.sampled_from(ELEMENTWISE),
    lr=st.floats(1e-6, 1.0),
    decay=st.sampled_from([0.0, 1e-4, 0.1]),
    seed=st.integers(0, 2**31),
    trials=st.integers(2, 5),
)
@settings(max_examples=60)
def test_no_trial_depends_on_its_neighbours(
    kind: str, lr: float, decay: float, seed: int, trials: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    specs = [parse(kind, lr=lr / (row + 1), weight_decay=decay * row) for row in range(trials)]
    gradients = torch.randn(3, trials, LAYOUT.size, generator=generator)
    counts = torch.arange(1, 4).view(3, 1, 1)

    def run(rows: list[int]) -> Tensor:
        members = [specs[row] for row in rows]
        rule, weights = rule_for(members[0], LAYOUT), initial(trials)[rows]
        state = rule.init_state(weights)
        table = rule.coefficients_by_step(
            hyperparameters_of(members), counts.expand(3, len(rows), 1), weights.dtype
        )
        for step, coefficients in enumerate(table):
            rule.update(weights, gradients[step, rows], state, coefficients)
        return weights

    together = run(list(range(trials)))
    for row in range(trials):
        torch.testing.assert_close(run([row])[0], together[row], rtol=1e-12, atol=1e-14)


def test_dead_weights_stay_finite_at_rate_zero() -> None:
    """A schedule may end at 0 and a dead unit has no gradient: 0 / 0 must not appear."""
    for kind in ELEMENTWISE:
        spec = parse(kind, lr=0.1)
        rule, weights = rule_for(spec, LAYOUT), torch.ones(1, LAYOUT.size, dtype=torch.float32)
        numbers = {**hyperparameters_of([spec]), "lr": torch.zeros(1, 1)}
        state = rule.init_state(weights)
        for count in (1, 2, 1000):
            rule.step(weights, torch.zeros_like(weights), state, numbers, torch.tensor([[count]]))
        assert torch.equal(weights, torch.ones_like(weights)), kind


def test_centered_rmsprop_survives_a_constant_gradient() -> None:
    spec = parse("rmsprop", lr=1e-3, alpha=0.5, centered=True, eps=1e-3)
    rule = rule_for(spec, LAYOUT)
    weights = torch.zeros(1, LAYOUT.size, dtype=torch.float32)
    grads = torch.linspace(-3, 3, LAYOUT.size, dtype=torch.float32)[None]
    state, numbers = rule.init_state(weights), hyperparameters_of([spec])
    for count in range(1, 200):
        rule.step(weights, grads, state, numbers, torch.tensor([[count]]))
    assert weights.isfinite().all()


@pytest.mark.parametrize(
    ("lr", "expected"),
    [
        (0.2, ["2.600000", "1.160000", "0.296000", "-0.222400", "-0.533440", "-0.720064"]),
        (1.0, ["-7.000000", "5.000000", "-7.000000"]),
        (0.001, ["4.988000", "4.976024", "4.964072"]),
        (0.0001, ["4.998800", "4.997600", "4.996400"]),
    ],
)
def test_plain_descent_on_a_parabola_comes_out_to_the_digit(lr: float, expected: list[str]) -> None:
    """Loss (w + 1)² from w = 5 in float32."""
    spec = parse("sgd", lr=lr)
    rule, numbers = rule_for(spec, Layout.of({"w": ()})), hyperparameters_of([spec])
    weights = torch.full((1, 1), 5.0, dtype=torch.float32)
    seen = []
    for count in range(1, 19):
        rule.step(weights, 2 * (weights + 1), {}, numbers, torch.tensor([[count]]))
        seen.append(f"{weights.item():.6f}")
    assert seen[: len(expected)] == expected
    last = {0.2: f"{6 * 0.6**18 - 1:.6f}", 1.0: "5.000000", 0.001: "4.787634", 0.0001: "4.978435"}
    assert seen[17] == last[lr]


def test_spec_and_table_name_the_same_kinds() -> None:
    assert set(OPTIMIZERS.members) == KINDS
    for member in OPTIMIZERS.members.values():
        assert issubclass(implementation(member), Rule)


def test_numbers_are_columns_and_no_decay_anywhere_is_left_out() -> None:
    numbers = hyperparameters_of([parse("adam", lr=1e-3), parse("adam", lr=1)])
    assert set(numbers) == {"lr", "beta1", "beta2", "eps"}
    assert numbers["lr"].tolist() == [[1e-3], [1.0]]
    assert numbers["beta2"].dtype == torch.float64
    decayed = hyperparameters_of([parse("adam"), parse("adam", weight_decay=0.5)])
    assert decayed["weight_decay"].tolist() == [[0.0], [0.5]]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (parse("adam"), parse("adamw")),
        (parse("adam"), parse("adam", decoupled=True)),
        (parse("rmsprop"), parse("rmsprop", centered=True)),
        (parse("muon"), parse("muon", nesterov=False)),
        (parse("muon"), parse("muon", adjust_lr="match_rms_adamw")),
        (parse("lbfgs"), parse("lbfgs", history=5)),
        (parse("lbfgs"), parse("lbfgs", line_search="strong_wolfe")),
    ],
)
def test_different_paths_do_not_share_a_group(one: Any, two: Any) -> None:
    assert group_key(one) != group_key(two)
    assert group_key(one) == group_key(one.model_copy(update={"lr": 0.5, "weight_decay": 0.5}))
