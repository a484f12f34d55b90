"""Ensembles on a study's page: how each compares with the best single trial.

Score   the headline: accuracy of classes, rmse of numbers
Gain    what an ensemble has over the best single trial on test rows; more is better
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.orm import Session

from hpsearch.service.datasets import target_of
from hpsearch.spec.checks.ensemble import combine_options, predicts_rows, selection_metrics
from hpsearch.spec.ensemble import ENSEMBLES
from hpsearch.spec.ensembles.base import EnsembleBase
from hpsearch.spec.language.family import kind_of
from hpsearch.spec.language.states import EnsembleState, is_final
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.ensemble_scores import Range
from hpsearch.spec.wire.ensembles import Ensemble, Member, Single
from hpsearch.store import ensembles

MOST_SHOWN = 50
"""Ensembles of a study, the newest."""
MOST_MEMBERS_SHOWN = 20
"""Of each, the heaviest."""

FORM_FIELDS = ("size", "combine", "metric", "trial")
"""What the form asks for beside the kind."""

Verdict = Literal["better", "worse", "within chance"]


@dataclass(frozen=True)
class Gain:
    """Over the best single trial, on test rows."""

    value: float
    range: Range | None
    verdict: Verdict | None
    """`within chance` where the interval contains 0; none where there is no interval."""


@dataclass(frozen=True)
class Row:
    """One ensemble."""

    ensemble: Ensemble
    range_on_test: Range | None
    gain: Gain | None
    loss_gain: Gain | None
    members: Sequence[Member]
    """The heaviest, the heaviest first."""
    rest: float
    """The weight of all others together."""

    @property
    def is_open(self) -> bool:
        """Whether it is not built yet."""
        return not is_final(self.ensemble.state)

    @property
    def needs_trials(self) -> bool:
        """Whether trials may have to end before it can be built."""
        return ENSEMBLES.members[self.ensemble.kind].needs_trials


@dataclass(frozen=True)
class Comparison:
    """A study's ensembles, one below the other."""

    rows: Sequence[Row]
    """The oldest first."""
    older: int
    """How many are not shown."""
    score: str | None
    """The name of the score that is compared; none as long as no ensemble is complete."""
    single: Single | None
    """The best single trial, as the newest complete ensemble found it."""

    @property
    def count(self) -> int:
        """Ensembles in all."""
        return len(self.rows) + self.older

    @property
    def open(self) -> int:
        """How many are not built yet."""
        return sum(row.is_open for row in self.rows)


@dataclass(frozen=True)
class Kind:
    """A kind of ensemble that can be asked for."""

    name: str
    summary: str
    ignored: Sequence[str]
    """Fields of the form that make no difference to it."""


@dataclass(frozen=True)
class Choices:
    """What the form offers."""

    kinds: Sequence[Kind]
    combines: Sequence[str]
    metrics: Sequence[str]


def comparison(session: Session, study_id: int) -> Comparison:
    """The newest ensembles of a study, each compared with the best single trial."""
    every = ensembles.of_study(session, study_id)
    newest = every[-MOST_SHOWN:]
    complete = [ensemble for ensemble in newest if ensemble.state is EnsembleState.COMPLETE]
    return Comparison(
        rows=[row_of(ensemble) for ensemble in newest],
        older=len(every) - len(newest),
        score=complete[-1].scores.headline if complete else None,
        single=complete[-1].best_single if complete else None,
    )


def choices(session: Session, spec: StudySpec) -> Choices | None:
    """What ensembles a study can have; none where its checkpoints predict no rows."""
    target = target_of(session, spec)
    if not predicts_rows(spec, target):
        return None
    return Choices(
        kinds=[_kind(member) for member in ENSEMBLES.members.values()],
        combines=combine_options(target),
        metrics=selection_metrics(target),
    )


def _kind(model: type[EnsembleBase]) -> Kind:
    summary = (inspect.getdoc(model) or "").split("\n\n")[0]
    offered = model.model_fields.keys() - model.ignored_fields
    ignored = [name for name in FORM_FIELDS if name not in offered]
    return Kind(kind_of(model), " ".join(summary.split()).replace("`", ""), ignored)


def row_of(ensemble: Ensemble) -> Row:
    """An ensemble with what its numbers say."""
    heaviest = sorted(ensemble.members, key=lambda member: -member.weight)
    return Row(
        ensemble=ensemble,
        range_on_test=range_on_test(ensemble),
        gain=gain(ensemble, ensemble.scores.headline),
        loss_gain=gain(ensemble, "loss"),
        members=heaviest[:MOST_MEMBERS_SHOWN],
        rest=sum(member.weight for member in heaviest[MOST_MEMBERS_SHOWN:]),
    )


def range_on_test(ensemble: Ensemble) -> Range | None:
    """The interval of the test score."""
    return ensemble.intervals.get(ensemble.scores.headline or "")


def gain(ensemble: Ensemble, score: str | None) -> Gain | None:
    """What the ensemble has over the best single trial; none where test scores are missing."""
    single = ensemble.best_single
    if single is None or score is None or score not in ensemble.test or score not in single.test:
        return None
    more = ensemble.test[score] - single.test[score]
    interval = ensemble.intervals.get(f"{score}_gain")
    verdict = None if interval is None else _verdict(interval)
    return Gain(more if score == "accuracy" else -more, interval, verdict)


def _verdict(interval: Range) -> Verdict:
    if interval.low <= 0 <= interval.high:
        return "within chance"
    return "better" if interval.low > 0 else "worse"
