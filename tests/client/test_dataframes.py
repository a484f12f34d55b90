"""Trials and curves as pandas frames, and as a notebook shows them."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from hpsearch.client import notebook_html
from hpsearch.client.dataframes import curves_frame, trials_frame
from hpsearch.client.progress_display import progress_display, progress_screen, trials_table
from hpsearch.optional import MissingPackage, require_extra
from hpsearch.spec.language.states import StudyState, TrialState
from hpsearch.spec.wire.records import Counts, Curve, Curves, Study, Trial

EVIL = "<img src=x onerror=alert(1)> [bold]"
START = datetime(2026, 1, 1, tzinfo=UTC)


def trial(number: int, **fields: Any) -> Trial:
    usual: dict[str, Any] = {
        "id": number + 1, "number": number, "study_id": 7, "state": TrialState.COMPLETE,
        "reason": None, "message": None, "stage": 0, "attempt": 1, "params": {"optimizer.lr": 0.1},
        "value": 0.5, "best_epoch": 2, "epochs_done": 3, "epochs": 3,
        "metrics": {"val_loss": 1.0}, "created_at": START, "started_at": START,
        "finished_at": START + timedelta(seconds=2.5),
    }  # fmt: skip
    return Trial(**{**usual, **fields})


def study(**fields: Any) -> Study:
    usual: dict[str, Any] = {
        "id": 7, "name": EVIL, "state": StudyState.RUNNING, "counts": Counts(complete=2, running=1),
        "spec": {"objective": {"metric": "val_loss", "direction": "minimize"}},
        "best_trial": 1, "best_value": 0.25, "epochs_done": 5, "epochs_planned": 10,
        "eta_seconds": 3.0, "created_at": START, "started_at": START, "finished_at": None,
    }  # fmt: skip
    return Study(**{**usual, **fields})


def test_a_loss_beside_errors_in_the_targets_unit_says_that_it_is_standardised() -> None:
    spec = {"task": {"kind": "supervised"}, "objective": study().spec["objective"]}
    numbers = trial(0, metrics={"val_loss": 21.0, "val_rmse": 6.4e5})
    for trials, head in (([numbers], "val_loss (standardised)"), ([trial(0)], "val_loss")):
        heads = [str(column.header) for column in trials_table(study(spec=spec), trials).columns]
        assert heads[2] == head
    assert "targets are standardised" in notebook_html.trial_html(numbers)
    assert "standardised" not in notebook_html.trial_html(trial(0))


def test_a_metric_called_as_a_column_takes_nothing_from_it() -> None:
    """A loop of one's own reports `value`, whose last one is not the trial's, the best."""
    frame = trials_frame(
        [trial(0, value=0.25, metrics={"value": 0.5, "val_loss": 1.0}, params={"state": "on"})]
    )
    assert frame.loc[0, ["value", "metrics.value", "val_loss"]].tolist() == [0.25, 0.5, 1.0]
    assert frame.loc[0, ["state", "params.state"]].tolist() == ["complete", "on"]


def test_a_frame_has_a_row_per_trial_with_its_parameters_and_metrics() -> None:
    frame = trials_frame(
        [
            trial(0),
            trial(5, value=None, params={"schedule": "cosine"}, metrics={}, finished_at=None),
        ]
    )
    assert frame.index.tolist() == [0, 5]
    assert frame.loc[0, "optimizer.lr"] == 0.1
    assert frame.loc[0, "val_loss"] == 1.0
    assert frame.loc[0, "duration_seconds"] == 2.5
    assert frame.loc[5, "schedule"] == "cosine"
    assert frame[["value", "val_loss", "optimizer.lr", "duration_seconds"]].loc[5].isna().all()
    assert type(frame.loc[0, "state"]) is str


def test_a_frame_of_no_trials_has_its_columns() -> None:
    frame = trials_frame([])
    assert len(frame) == 0
    assert "value" in frame.columns


def test_curves_become_one_row_per_epoch() -> None:
    curves = Curves(
        metric="val_loss",
        curves=[
            Curve(trial=1, epochs=[0, 1], values=[2.0, 1.0]),
            Curve(trial=4, epochs=[0], values=[3.0]),
        ],
    )
    rows = list(curves_frame(curves).itertuples(index=False, name=None))
    assert rows == [(1, 0, 2.0), (1, 1, 1.0), (4, 0, 3.0)]


@pytest.mark.parametrize(
    "html",
    [
        notebook_html.study_html(study(), "http://here"),
        notebook_html.trial_html(trial(0, params={EVIL: EVIL}, message=EVIL, value=None)),
        notebook_html.trials_html([trial(n, params={EVIL: EVIL}) for n in range(30)]),
    ],
)
def test_html_escapes_what_people_wrote(html: str) -> None:
    assert "<img" not in html
    assert "&lt;img" in html


def test_a_long_list_says_how_many_more_there_are() -> None:
    assert "and 20 more" in notebook_html.trials_html([trial(n) for n in range(30)])


def test_a_missing_package_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(MissingPackage, match=r"pip install 'hpsearch\[notebook\]'"):
        require_extra("no_such_package.inside", "notebook", "figures")


def test_the_live_table_shows_text_as_it_is() -> None:
    console = Console(width=120, record=True, file=None, force_terminal=False)
    with console.capture() as captured:
        console.print(progress_screen(study(), [trial(1, params={"a[b]": "[red]x[/]"})]))
    shown = captured.get()
    assert EVIL in shown
    assert "[red]x[/]" in shown
    assert "5 of 10 epochs" in shown


def test_output_to_a_file_gets_a_line_now_and_then() -> None:
    console = Console(width=120, force_terminal=False)
    with console.capture() as captured, progress_display(console, lambda _: [], "") as note:
        for done in range(101):
            note(study(epochs_done=done, epochs_planned=100))
    lines = captured.get().splitlines()
    assert 8 <= len(lines) <= 10


def test_a_terminal_gets_the_live_table() -> None:
    console = Console(width=120, force_terminal=True)
    asked: list[int] = []

    def best(count: int) -> list[Trial]:
        asked.append(count)
        return [trial(1)]

    with console.capture(), progress_display(console, best, "") as note:
        note(study())
    assert asked


def test_a_notebook_gets_html_that_is_updated(monkeypatch: pytest.MonkeyPatch) -> None:
    updates: list[Any] = []
    shell = type("ZMQInteractiveShell", (), {})()
    handle = SimpleNamespace(update=updates.append)
    fake: Any = ModuleType("IPython")
    fake.get_ipython = lambda: shell
    fake_display: Any = ModuleType("IPython.display")
    fake_display.display = lambda *_, **__: handle
    monkeypatch.setitem(sys.modules, "IPython", fake)
    monkeypatch.setitem(sys.modules, "IPython.display", fake_display)
    with progress_display(Console(), lambda _: [], "http://here") as note:
        note(study())
        note(study(epochs_done=6))
    assert ["6 of 10 epochs" in update._repr_html_() for update in updates] == [False, True]
