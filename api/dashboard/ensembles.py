"""Ensembles on a study's page: how each compares with the best single trial.

Score   the headline: the study's objective
Gain    what an ensemble has over the best single trial on test rows; more is better
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from hpsearch.service.datasets import target_of
from hpsearch.spec.checks.ensemble import combine_options, predicts_rows, selection_metrics
from hpsearch.spec.ensemble import ENSEMBLES
from hpsearch.spec.ensembles.base import EnsembleBase
from hpsearch.spec.language.family import kind_of
from hpsearch.spec.language.states import EnsembleState, is_final
from hpsearch.spec.metrics import metric_of
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.ensemble_comparison import SingleComparison, compare
from hpsearch.spec.wire.ensemble_scores import Range
from hpsearch.spec.wire.ensembles import Ensemble, Member, Single
from hpsearch.store import ensembles

MOST_SHOWN = 50
"""Ensembles of a study, the newest."""
MOST_MEMBERS_SHOWN = 20
"""Of each, the heaviest."""
MOST_HEADS = 5
"""Sentences at the head of the table."""

FORM_FIELDS = ("size", "combine", "metric", "trial")
"""What the form asks for beside the kind."""


@dataclass(frozen=True)
class Row:
    """One ensemble."""

    ensemble: Ensemble
    range_on_test: Range | None
    compared: SingleComparison | None
    """With the best single trial by the table's score; none where one has no such score."""
    gain: SingleComparison | None
    """The same, where it is of test rows."""
    loss_gain: SingleComparison | None
    members: Sequence[Member]
    """The heaviest, the heaviest first."""
    rest: float
    """The weight of all others together."""

    @property
    def is_open(self) -> bool:
        """Whether it is not built yet."""
        return not is_final(self.ensemble.state)

    @property
    def is_worse(self) -> bool:
        """Whether its score is worse than the best single trial's."""
        return self.compared is not None and self.compared.verdict == "worse"

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
    def is_share(self) -> bool:
        """Whether the score lies between 0 and 1, or −1 and 1, so that decimals line up."""
        metric = metric_of(self.score or "")
        return metric is not None and "classes" in metric.targets and metric.direction == "maximize"

    @property
    def has_classes(self) -> bool:
        """Whether classes are predicted."""
        return any("accuracy" in row.ensemble.validation for row in self.rows)

    @property
    def heads(self) -> Sequence[Row]:
        """Rows that are compared, the worse ones first, then the newest; at most MOST_HEADS."""
        compared = [row for row in reversed(self.rows) if row.compared is not None]
        return sorted(compared, key=lambda row: not row.is_worse)[:MOST_HEADS]

    @property
    def worse(self) -> int:
        """How many are worse than the best single trial."""
        return sum(row.is_worse for row in self.rows)

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
    score = complete[-1].headline if complete else None
    return Comparison(
        rows=[row_of(ensemble, score) for ensemble in newest],
        older=len(every) - len(newest),
        score=score,
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


def row_of(ensemble: Ensemble, score: str | None) -> Row:
    """An ensemble with what its numbers say of a score."""
    heaviest = sorted(ensemble.members, key=lambda member: -member.weight)
    compared = compare(ensemble, score) if score else None
    return Row(
        ensemble=ensemble,
        range_on_test=ensemble.intervals.get(score or ""),
        compared=compared,
        gain=compared if compared is not None and compared.part == "test" else None,
        loss_gain=compare(ensemble, "loss") if ensemble.test else None,
        members=heaviest[:MOST_MEMBERS_SHOWN],
        rest=sum(member.weight for member in heaviest[MOST_MEMBERS_SHOWN:]),
    )
