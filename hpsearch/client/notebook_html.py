"""HTML by which a notebook shows studies, trials, ensembles and data sets, in its own colours.

Names and values are people's own text and are escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from html import escape
from typing import Any

from hpsearch.client.dataset_summary import column_rows, headline, target_line
from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.wire.datasets import DatasetInfo
from hpsearch.spec.wire.ensemble_comparison import compare
from hpsearch.spec.wire.ensembles import Ensemble
from hpsearch.spec.wire.records import Study, Trial

ROWS_SHOWN = 10
_MUTED = "opacity:.65"
_CELL = "padding:2px 12px 2px 0;text-align:left"
_STATE_COLORS = {
    "running": "#2f7de1", "complete": "#2a9d6f", "failed": "#c0392b", "paused": "#c98a1b",
}  # fmt: skip


def study_html(study: Study, url: str) -> str:
    """Name, state, progress and best value, with a link to its page at the server's `url`."""
    best = (
        f"best {escape(study.objectives[0].metric)} <b>{study.best_value:.5g}</b> "
        f"(trial {study.best_trial})"
        if study.best_value is not None
        else "no complete trial yet"
    )
    return (
        f"<div><b>{escape(study.name)}</b> {_state(study.state)} "
        f"<a href='{escape(url)}/studies/{study.id}' style='{_MUTED}'>study {study.id}</a>"
        f"{_progress_bar(study)}<span>{best}</span></div>"
    )


def _progress_bar(study: Study) -> str:
    """Epochs done of those planned, and how long the rest will take."""
    fraction = study.epochs_done / max(study.epochs_planned, 1)
    left = "" if study.eta_seconds is None else f", about {study.eta_seconds:.0f} s left"
    return (
        "<div style='display:flex;gap:10px;align-items:center;margin:4px 0'>"
        "<div style='width:260px;height:6px;border-radius:3px;background:rgba(128,138,150,.3)'>"
        f"<div style='width:{100 * min(fraction, 1.0):.1f}%;height:100%;border-radius:3px;"
        "background:#4c7fd9'></div></div>"
        f"<span style='{_MUTED}'>{study.counts.ended} trials ended, "
        f"{study.epochs_done} of {study.epochs_planned} epochs{left}</span></div>"
    )


def ensemble_html(ensemble: Ensemble) -> str:
    """Kind and state, then its scores beside the best single trial's."""
    note = f" <span style='{_MUTED}'>{escape(ensemble.message)}</span>" if ensemble.message else ""
    head = (
        f"<b>{escape(ensemble.kind)}</b> ensemble {ensemble.id} of study {ensemble.study_id} "
        f"{_state(ensemble.state)} {pluralize(len(ensemble.members), 'member')}, "
        f"combined by {escape(ensemble.combine)}{note}"
    )
    single, mean = ensemble.best_single, ensemble.mean_member
    if single is None or mean is None:
        return f"<div>{head}</div>"
    compared = (("", ensemble), ("mean member: ", mean), (f"trial {single.trial}: ", single))
    titles = [f"{whose}{split}" for whose, _ in compared for split in ("validation", "test")]
    columns = [scores for _, part in compared for scores in (part.validation, part.test)]
    rows = "".join(
        f"<tr><td style='{_CELL}'>{escape(name)}</td>"
        + "".join(
            f"<td style='{_CELL}'>{scores[name]:.5g}</td>" if name in scores else "<td></td>"
            for scores in columns
        )
        + "</tr>"
        for name in sorted(ensemble.validation, key=lambda name: name != ensemble.headline)
    )
    heads = "".join(f"<th style='{_CELL}'>{title}</th>" for title in ("", *titles))
    return (
        f"<div>{head}{_verdict(ensemble)}<table><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _verdict(ensemble: Ensemble) -> str:
    """How it compares with the best single trial by the study's objective, red where worse."""
    compared = compare(ensemble)
    if compared is None:
        return ""
    color = {"worse": f"color:{_STATE_COLORS['failed']}", "better": "font-weight:600"}
    style = color.get(compared.verdict, "")
    return f"<div style='{style}'>{escape(compared.sentence)}</div>"


def trial_html(trial: Trial) -> str:
    """State and value, then parameters and the last epoch's metrics."""
    value = "no value yet" if trial.value is None else f"value <b>{trial.value:.5g}</b>"
    note = f" <span style='{_MUTED}'>{escape(trial.message)}</span>" if trial.message else ""
    scales = ""
    if any(name.endswith("_rmse") for name in trial.metrics):
        scales = (
            f"<p style='{_MUTED}'>losses are on the scale of training, where targets are "
            "standardised unless the spec says otherwise; rmse and mae are in the target's unit</p>"
        )
    return (
        f"<div><b>trial {trial.number}</b> of study {trial.study_id} {_state(trial.state)} "
        f"{value}, {trial.epochs_done} of {trial.epochs} epochs{note}"
        f"<div style='display:flex;gap:40px;flex-wrap:wrap'>{_two_columns(trial.params)}"
        f"{_two_columns(trial.metrics)}</div>{scales}</div>"
    )


def trials_html(trials: Sequence[Trial]) -> str:
    """The first trials as a table, and how many more there are."""
    names = sorted({name for trial in trials[:ROWS_SHOWN] for name in trial.params})
    head = "".join(
        f"<th style='{_CELL}'>{escape(name)}</th>" for name in ("trial", "state", "value", *names)
    )
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td style='{_CELL}'>{cell}</td>"
            for cell in (
                trial.number,
                _state(trial.state),
                "" if trial.value is None else f"{trial.value:.5g}",
                *(_formatted(trial.params.get(name, "")) for name in names),
            )
        )
        + "</tr>"
        for trial in trials[:ROWS_SHOWN]
    )
    more = len(trials) - ROWS_SHOWN
    rest = f"<p style='{_MUTED}'>and {more} more; see .to_frame()</p>" if more > 0 else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{rest}"


def dataset_html(info: DatasetInfo) -> str:
    """A row per column: how it is read, what for, and why; then the target, and warnings."""
    rows, rest = column_rows(info)
    titles = ("column", "read as", "used", "distinct", "missing", "examples", "")
    heads = "".join(f"<th style='{_CELL}'>{title}</th>" for title in titles)
    body = "".join(
        f"<tr style='{_MUTED if row.used == 'no' else ''}'>"
        + "".join(f"<td style='{_CELL}'>{escape(str(text))}</td>" for text in astuple(row))
        + "</tr>"
        for row in rows
    )
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    notes = "".join(f"<li>{escape(warning)}</li>" for warning in info.warnings)
    more = f"<p style='{_MUTED}'>{escape(rest)}</p>" if rest else ""
    return (
        f"<div><b>{escape(headline(info))}</b>{table if rows else ''}{more}"
        f"<p>{escape(target_line(info))}</p>{f'<ul>{notes}</ul>' if notes else ''}</div>"
    )


def _state(state: str) -> str:
    color = _STATE_COLORS.get(state, "#8a94a3")
    return f"<span style='color:{color}'>●</span> {escape(str(state))}"


def _two_columns(values: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td style='{_CELL};{_MUTED}'>{escape(name)}</td>"
        f"<td style='{_CELL}'>{_formatted(value)}</td></tr>"
        for name, value in values.items()
    )
    return f"<table>{rows}</table>"


def _formatted(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else escape(str(value))
