"""A study's progress while it runs: a live table in a terminal, live HTML in a notebook.

Where output goes to a file, a line is printed now and then instead.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hpsearch.client.notebook_html import study_html
from hpsearch.spec.wire.records import Study, Trial

TRIALS_SHOWN = 8
LINES_PRINTED = 8
"""How many lines a whole study prints where there is no screen."""

ShowProgress = Callable[[Study], None]
"""Called with each reading of a study."""


@contextmanager
def progress_display(
    console: Console, best_trials: Callable[[int], Sequence[Trial]], url: str
) -> Iterator[ShowProgress]:
    """Shows a study's progress inside a `with`; yields what to call with each reading of it.

    Args:
        console: where a terminal shows it.
        best_trials: reads so many of the best trials, the best first.
        url: the server's address.
    """
    display = _notebook_display()
    if display is not None:
        handle = display("", display_id=True)
        yield lambda study: handle.update(_Html(study_html(study, url)))
    elif console.is_terminal:
        with Live(console=console, refresh_per_second=4, transient=True) as live:
            yield lambda study: live.update(progress_screen(study, best_trials(TRIALS_SHOWN)))
    else:
        yield _line_printer(console)


def progress_screen(study: Study, trials: Sequence[Trial]) -> Group:
    """What a terminal shows: progress above, the given trials below."""
    counts = study.counts
    left = "" if study.eta_seconds is None else f"  about {study.eta_seconds:.0f} s left"
    head = Text.assemble(
        (f"study {study.id}  ", "bold"),
        f"{study.name}  {study.state}  {counts.ended} trials ended, {counts.running} running, "
        f"{counts.pruned} pruned, {counts.failed} failed{left}",
        overflow="ellipsis",
        no_wrap=True,
    )
    bar = ProgressBar(total=max(study.epochs_planned, 1), completed=study.epochs_done, width=60)
    epochs = Text(f"{study.epochs_done} of {study.epochs_planned} epochs", style="dim")
    return Group(head, bar, epochs, *([trials_table(study, trials)] if trials else []))


def trials_table(study: Study, trials: Sequence[Trial]) -> Table:
    """A row per trial: state, value, best epoch (counted from 1), epochs trained, parameters."""
    names = sorted({name for trial in trials for name in trial.params})
    table = Table(box=None, padding=(0, 2, 0, 0))
    reported = next((trial.metrics for trial in trials if trial.metrics), {})
    metric = study.curve_label(study.objectives[0].metric, reported)
    heads = ("trial", "state", metric, "at epoch", "epochs", *short_names(names))
    for head in heads:
        numeric = head not in ("state",)
        justify: Any = "right" if numeric else "left"
        table.add_column(Text(head), justify=justify, overflow="fold")
    for trial in trials:
        state = trial.state if trial.reason is None else f"{trial.state} ({trial.reason})"
        cells = (
            str(trial.number),
            state,
            cell_text(trial.value),
            "" if trial.best_epoch is None else str(trial.best_epoch + 1),
            f"{trial.epochs_done}/{trial.epochs}",
            *(cell_text(trial.params.get(name, "")) for name in names),
        )
        table.add_row(*map(Text, cells))
    return table


def short_names(names: Sequence[str]) -> list[str]:
    """The last parts of each dotted name: as few as begin with a word and no other name ends in.

    So `task.model.hidden.0` is `hidden.0`, and `optimizer.lr` is `lr` where no other is one.
    """
    return [next(_endings_alone(name, names), name) for name in names]


def _endings_alone(name: str, names: Sequence[str]) -> Iterator[str]:
    """The endings of a dotted name, the shortest first, that say which name is meant."""
    parts = name.split(".")
    for count in range(1, len(parts)):
        ending = ".".join(parts[-count:])
        others = (other for other in names if other != name)
        if not ending[0].isdecimal() and not any(
            other == ending or other.endswith(f".{ending}") for other in others
        ):
            yield ending


def cell_text(value: Any) -> str:
    """A number in four significant digits, any other value as its text; empty for None."""
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _line_printer(console: Console) -> ShowProgress:
    """Prints a line at each eighth of the planned epochs, and nothing between."""
    last_step = -1

    def show(study: Study) -> None:
        nonlocal last_step
        step = LINES_PRINTED * study.epochs_done // max(study.epochs_planned, 1)
        if step != last_step:
            last_step = step
            best = "" if study.best_value is None else f", best {study.best_value:.4g}"
            line = f"{study.counts.ended} trials ended, {study.epochs_done} epochs{best}"
            console.print(line, highlight=False)

    return show


class _Html:
    """HTML as an object that IPython displays."""

    def __init__(self, text: str) -> None:
        self.text = text

    def _repr_html_(self) -> str:
        return self.text


def _notebook_display() -> Any:
    """IPython's display where a notebook runs this, else None."""
    shell = sys.modules.get("IPython")
    if shell is None or type(shell.get_ipython()).__name__ != "ZMQInteractiveShell":
        return None
    from IPython.display import display

    return display
