"""What pruners say, and what they compare; that it is Optuna's decision is tested beside this."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from hpsearch.search.pruners import CurveTable, Pruner, Verdict, judge, pruner_for
from hpsearch.spec.study import Objective, parse_study

LOSS = Objective(metric="val_loss", direction="minimize")
SCORE = Objective(metric="score", direction="maximize")


def pruner(**settings: Any) -> Pruner[Any]:
    document = {"name": "p", "task": {"dataset": "wine"}, "optimizer": {"lr": 0.1}}
    spec = parse_study({**document, "pruner": settings})
    made = pruner_for(spec.pruner, 0)
    assert made is not None
    return made


def table_of(
    made: Pruner[Any], *curves: Sequence[float], objective: Objective = LOSS
) -> CurveTable:
    """Trials that went to their end one after another."""
    table = CurveTable(objective)
    for number, curve in enumerate(curves):
        table.add(number)
        if not judge(made, table, number, curve).stop:
            table.complete(number)
    table.add(len(curves))
    return table


def last(made: Pruner[Any], table: CurveTable, *values: float | None) -> Verdict:
    return judge(made, table, max(table.curves), values)


@pytest.mark.parametrize(
    ("settings", "curves", "asked", "why"),
    [
        (
            {"kind": "median", "startup_trials": 2},
            [[0.5, 0.4], [0.7, 0.6]],
            [0.9],
            "epoch 0: val_loss 0.9 is worse than the median 0.6 of 2 trials",
        ),
        (
            {"kind": "median", "startup_trials": 2, "warmup_epochs": 1},
            [[0.5, 0.4], [0.7, 0.6]],
            [0.7, 0.8],
            "epoch 1: val_loss 0.7 at best is worse than the median 0.5 of 2 trials",
        ),
        (
            {"kind": "percentile", "percentile": 25.0, "startup_trials": 5},
            [[0.1], [0.2], [0.3], [0.4], [0.5]],
            [0.3],
            "epoch 0: val_loss 0.3 is worse than the 25% quantile 0.2 of 5 trials",
        ),
        (
            {"kind": "asha", "min_epochs": 1, "reduction_factor": 2},
            [[0.5, 0.4], [0.5, 0.3]],
            [0.5, 0.35],
            "epoch 1: val_loss 0.35 is number 2 of 3 trials at the rung of epoch 1, of which the "
            "best 1 go on",
        ),
        (
            {"kind": "asha", "min_epochs": 1, "reduction_factor": 2, "bootstrap_trials": 2},
            [],
            [0.5, 0.35],
            "epoch 1: val_loss 0.35 is among the first 2 at the rung of epoch 1, none of which "
            "goes on",
        ),
        (
            {"kind": "patience", "patience": 1, "min_delta": 0.05},
            [],
            [0.5, 0.6, 0.7],
            "epoch 2: val_loss 0.6 at best in the last 2 epochs is worse than 0.5 before",
        ),
        ({"kind": "threshold", "upper": 1.0}, [], [1.5], "epoch 0: val_loss 1.5 is above 1"),
        ({"kind": "threshold", "lower": 1.0}, [], [0.5], "epoch 0: val_loss 0.5 is below 1"),
        ({"kind": "threshold", "lower": 1.0}, [], [math.nan], "epoch 0: val_loss is NaN"),
        ({"kind": "hyperband"}, [], [0.5, math.nan], "epoch 1: val_loss is NaN"),
    ],
)
def test_a_verdict_says_why(
    settings: dict[str, Any], curves: Any, asked: list[float], why: str
) -> None:
    made = pruner(**settings)
    verdict = last(made, table_of(made, *curves), *asked)
    assert (verdict.stop, verdict.why) == (True, why)


def test_of_a_score_the_lower_is_worse() -> None:
    made = pruner(kind="median", startup_trials=1)
    table = table_of(made, [0.8, 0.9], objective=SCORE)
    assert not last(made, table, 0.8).stop
    assert last(made, table, 0.7).why == (
        "epoch 1: score 0.8 at best is worse than the median 0.9 of 1 trial"
    )


def test_epochs_without_the_objective_ask_for_no_decision() -> None:
    made = pruner(kind="threshold", upper=1.0)
    table = table_of(made)
    assert not last(made, table, None, None).stop
    assert last(made, table, 2.0).why == "epoch 2: val_loss 2 is above 1"


def test_a_stop_holds_whatever_comes_later() -> None:
    made = pruner(kind="threshold", upper=1.0)
    table = table_of(made)
    stop = last(made, table, 2.0)
    assert last(made, table, 0.1, 0.1) is stop
    assert table.curves[0].done == 3


def test_stages_are_compared_apart() -> None:
    made = pruner(kind="median", startup_trials=1)
    table = table_of(made, [0.1])
    table.add(2, stage=1)
    assert not judge(made, table, 2, [0.9]).stop


def test_trials_that_continue_another_enter_rungs_with_their_values_of_then() -> None:
    made = pruner(kind="asha", min_epochs=1, reduction_factor=2)
    table = table_of(made, [0.9, 0.5, 0.4, 0.4, 0.3])
    table.add(1, inherited=3)
    table.report(1, [0.9, 0.8, 0.7])
    assert not judge(made, table, 1, [0.1]).stop, "a rung that it was past stops nobody"
    assert table.curves[1].rungs == {(0, 1): 0.8, (0, 2): 0.7}
    assert judge(made, table, 1, [0.6]).why == (
        "epoch 4: val_loss 0.6 is number 2 of 2 trials at the rung of epoch 4, of which the best "
        "1 go on"
    )


def test_what_was_recorded_of_a_trial_can_be_restored() -> None:
    made = pruner(kind="asha", min_epochs=1, reduction_factor=2)
    table = table_of(made, [0.9, 0.5], [0.9, 0.4])
    for number in (0, 1):
        table.restore(number, dict(table.curves[number].rungs), None)
    assert list(table.rung_values(0, (0, 1))) == [0.4, 0.5]
    table.add(0)
    assert list(table.rung_values(0, (0, 1))) == [0.4], "a trial read anew leaves its rungs"


def test_without_a_length_halving_waits_for_a_complete_trial() -> None:
    made = pruner(kind="asha")
    table = table_of(made)
    table.add(1)
    assert not judge(made, table, 0, [0.5] * 300).stop
    assert table.curves[0].rungs == {}
    table.complete(0)
    judge(made, table, 1, [0.5] * 3)
    assert table.max_epochs == {0: 300}
    assert table.curves[1].rungs == {(0, 2): 0.5}, "rungs begin at a hundredth of the length"
