"""What a study's trials tell about its space: findings and importances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from hpsearch.spec.language.base import Record
from hpsearch.spec.wire.observation import Observation

Evaluator: TypeAlias = Literal["ped_anova", "fanova", "mean_decrease_impurity"]
"""By Optuna: whether the best tenth is drawn elsewhere (PED-ANOVA, Watanabe et al. 2023), the
variance explained by a forest (fANOVA, Hutter et al. 2014), the impurity that its splits remove."""

ImportanceTarget: TypeAlias = Literal["value", "epochs_to_best", "seconds"]
"""What a parameter may matter for: the objective, how soon a trial is at its best, how long it
takes."""


@dataclass(frozen=True)
class MeasuredTrial:
    """A trial with what it cost."""

    trial: Observation
    epochs_to_best: int | None
    """Epochs trained up to its best one; none without a value."""
    seconds: float | None
    """Time that it trained; of a group that trained at once, its share."""


class Finding(Record):
    """Something that a person may want to change in the space."""

    kind: Literal["border", "insensitive"]
    parameter: str
    severity: Literal["info", "warning"]
    """A warning is more than chance explains: it is false in at most one study of twenty."""
    message: str
    evidence: dict[str, Any]
    """The numbers that it rests on."""


class Diagnosis(Record):
    """What was found, warnings first."""

    trials: int
    """How many it rests on."""
    findings: list[Finding]


class Importance(Record):
    """How much of the target a parameter decides."""

    parameter: str
    importance: float
    """Of all parameters together they make 1."""
    spread: float | None = None
    """Standard deviation over resampled trials, where that is quick."""


class Importances(Record):
    """All parameters, the most important first; empty where trials are too few."""

    evaluator: Evaluator
    target: ImportanceTarget
    stage: int
    """The stage whose trials were compared."""
    trials: int
    importances: list[Importance]
    note: str
    """What to know when reading them; why there are none."""
