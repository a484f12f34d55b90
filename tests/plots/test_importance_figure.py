"""Importances as bars."""

from __future__ import annotations

from hpsearch.plots.importance_figure import MOST_BARS, importances
from hpsearch.spec.wire.advice import Importance, Importances


def measured(*shares: tuple[str, float, float | None], note: str = "60 trials") -> Importances:
    return Importances(
        evaluator="ped_anova",
        target="value",
        stage=0,
        trials=60,
        importances=[
            Importance(parameter=name, importance=share, spread=spread)
            for name, share, spread in shares
        ],
        note=note,
    )


def test_bars_stand_by_importance_and_no_arm_reaches_below_zero() -> None:
    figure = importances(measured(("lr", 0.8, 0.1), ("<b>", 0.2, 0.3)))
    (bars,) = figure["data"]
    assert bars["y"] == ["&lt;b&gt;", "lr"]
    assert bars["x"] == [0.2, 0.8]
    assert bars["error_x"]["array"] == [0.3, 0.1]
    assert bars["error_x"]["arrayminus"] == [0.2, 0.1]
    assert figure["layout"]["meta"]["note"] == "60 trials"


def test_without_importances_the_note_says_why() -> None:
    figure = importances(measured(note="too few"))
    assert figure["data"] == []
    assert figure["layout"]["meta"]["note"] == "too few"


def test_only_the_most_important_are_drawn() -> None:
    many = [(f"p{i:03}", 1 / 50, None) for i in range(50)]
    figure = importances(measured(*many))
    (bars,) = figure["data"]
    assert bars["y"][-1] == "p000"
    assert len(bars["x"]) == MOST_BARS
    assert "error_x" not in bars
    assert figure["layout"]["meta"]["note"] == "60 trials; 30 that matter less are left out"
