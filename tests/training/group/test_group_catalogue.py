"""Worked examples of the catalogue, to every printed digit."""

import pytest
from studies import study

from hpsearch.training.group.group import Group, Plan


def quadratic(lr, steps, **sections):
    spec = study("quadratic", optimizer={"kind": "sgd", "lr": lr}, **sections)
    return [reports[0].metrics for reports in Group([Plan(0, spec, steps)]).epochs()]


@pytest.mark.parametrize(
    ("lr", "name", "expected"),
    [
        (0.2, "w", {1: "2.600000", 2: "1.160000", 3: "0.296000", 4: "-0.222400", 5: "-0.533440",
                    6: "-0.720064"}),
        (0.2, "val_loss", {1: "12.959999", 2: "4.665599", 3: "1.679616", 4: "0.604662",
                           5: "0.217678", 6: "0.078364"}),
        (1.0, "w", {1: "-7.000000", 2: "5.000000", 3: "-7.000000", 4: "5.000000"}),
        (1.0, "val_loss", {1: "36.000000", 2: "36.000000", 18: "36.000000"}),
        (0.001, "w", {1: "4.988000", 2: "4.976024", 3: "4.964072", 18: "4.787634"}),
        (0.001, "val_loss", {1: "35.856144", 2: "35.712864", 3: "35.570156", 18: "33.496712"}),
        (0.0001, "w", {1: "4.998800", 2: "4.997600", 3: "4.996400", 18: "4.978435"}),
        (0.0001, "val_loss", {18: "35.741684"}),
    ],
)  # fmt: skip
def test_quadratic_with_a_constant_rate(lr, name, expected):
    found = quadratic(lr, 18)
    assert {step: f"{found[step - 1][name]:.6f}" for step in expected} == expected


def test_quadratic_ends_where_the_closed_form_does():
    # w + 1 shrinks by 1 - 2 lr a step: 6 * 0.6^18 after 18 steps.
    assert quadratic(0.2, 18)[-1]["w"] == pytest.approx(6 * 0.6**18 - 1, abs=1e-6)


def test_quadratic_with_an_exponential_schedule():
    schedule = {"kind": "exponential", "decay_rate": 0.99, "decay_steps": 1, "staircase": True}
    found = quadratic(0.1, 21, schedule=schedule)
    # The printed rate is the one after the step: the next step's.
    table = {
        step: (
            f"{found[step - 1]['w']:.6f}",
            f"{found[step]['lr']:.6f}",
            f"{found[step - 1]['val_loss']:.6f}",
        )
        for step in (1, 2, 3, 10, 20)
    }
    assert table == {
        1: ("3.800000", "0.099000", "23.040001"),
        2: ("2.849600", "0.098010", "14.819419"),
        3: ("2.095001", "0.097030", "9.579033"),
        10: ("-0.281761", "0.090438", "0.515867"),
        20: ("-0.892476", "0.081791", "0.011561"),
    }


def test_quadratic_s_training_metrics_are_those_after_the_step():
    spec = study("quadratic", optimizer={"kind": "sgd", "lr": 0.2, "weight_decay": 0.1})
    (reports,) = Group([Plan(0, spec, 1)]).epochs()
    metrics = reports[0].metrics
    w = metrics["w"]
    assert metrics["train_loss"] == metrics["val_loss"] == pytest.approx((w + 1) ** 2)
    assert metrics["train_objective"] == pytest.approx((w + 1) ** 2 + 0.05 * w**2)
