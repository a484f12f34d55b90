"""Ensembles on the wire.

Candidate                         a checkpoint that a worker may choose
EnsembleResult                    what a worker built: members and measurements
Ensemble                          what people read of an ensemble
PredictRequest, PredictionResult  rows to predict, and the answer
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)

from hpsearch.spec.checkpoints import Reason
from hpsearch.spec.language.base import Record, SpecModel
from hpsearch.spec.language.fields import Key, Metrics, Sentence
from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.language.states import EnsembleState
from hpsearch.spec.wire.ensemble_scores import (
    EnsembleScores,
    PartScores,
    Range,
    Scores,
    with_headline,
)

Copy = Literal["raw", "ema", "swa"]
"""Which of a checkpoint's weights: as trained, or an average that the trial gathered of them."""


class Candidate(Record):
    """A checkpoint that may become a member."""

    checkpoint: int
    """The checkpoint's id."""
    trial: int
    epoch: int
    value: float | None
    """The trial's objective at its best epoch."""
    complete: bool = True
    """Whether the trial trained to its end; else it was pruned."""
    best: bool
    """Whether it is the trial's best epoch."""
    last: bool
    """Whether it is the trial's last epoch."""
    reasons: tuple[Reason, ...] = ()
    """Why it is kept beside these."""
    sha256: str
    """The checkpoint's hash."""
    predictions_sha256: str | None = None
    """The hash of its stored predictions; none where none are stored."""


class Member(Record):
    """A checkpoint in an ensemble; the weights of all members add up to 1."""

    trial: Annotated[int, Field(ge=0)]
    epoch: Annotated[int, Field(ge=0)]
    weight: float
    copy_: Copy = Field(default="raw", alias="copy")
    checkpoint: Key | None = None
    """The checkpoint's id."""
    validation: Metrics = {}
    """The member's own metrics; on test rows only those of the best trial are shown."""

    model_config = ConfigDict(serialize_by_alias=True)


class Single(Record):
    """The best trial's checkpoint alone, chosen on validation."""

    trial: Annotated[int, Field(ge=0)]
    epoch: Annotated[int, Field(ge=0)]
    validation: PartScores
    test: PartScores = {}


class Calibration(Record):
    """How well the probabilities are calibrated, measured on test rows (Guo et al. 2017)."""

    temperature: float
    """What log probabilities are divided by; fitted on the validation rows."""
    ece: float
    """Expected calibration error in 15 bins."""
    ece_scaled: float
    """The same error of the probabilities after the temperature."""


class EnsembleResult(SpecModel):
    """What a worker built: the members of an ensemble, and how good it is."""

    members: Annotated[list[Member], Field(min_length=1, max_length=100_000)]
    headline: str | None = None
    """The metric to show first, by its bare name: the study's objective (`auc` of `val_auc`), or
    `loss` where predictions do not show the objective."""
    chosen_by: str | None = None
    """The metric on validation rows that chose the members (`val_auc`); none where no metric did,
    and in results of earlier releases."""
    validation: PartScores
    test: PartScores = {}
    best_single: Single
    mean_member: Scores
    """The mean of the members' scores, each member counted once."""
    intervals: dict[str, Range] = {}
    """Of test scores (`accuracy`, `loss`, ...), and of the gain over the best single trial
    (`accuracy_gain`: ensemble − single; `loss_gain`: single − ensemble; more is better)."""
    disagreement: float | None = None
    """Mean over pairs of members of the share of test rows whose classes they predict differently;
    for numbers the mean standard deviation of members around the ensemble, in the target's unit."""
    calibration: Calibration | None = None
    candidates: int = 0
    """How many checkpoints there were to choose from."""
    warnings: Annotated[list[Sentence], Field(max_length=10_000)] = []
    """What was left out, and why."""

    @model_validator(mode="before")
    @classmethod
    def _headline_of_earlier_releases(cls, data: Any) -> Any:
        return with_headline(data)

    @property
    def scores(self) -> EnsembleScores:
        """The ensemble's own scores."""
        return EnsembleScores(validation=self.validation, test=self.test, headline=self.headline)


class BuildProgress(Record):
    """How far the building of an ensemble is."""

    done: int
    """Steps done."""
    total: int
    """Steps in all."""
    what: str
    """What is being done."""


class Ensemble(Record):
    """An ensemble of a study's checkpoints; scores are there when it is complete."""

    id: int
    study_id: int
    kind: str
    size: int
    combine: str
    metric: str | None
    request: dict[str, Any]
    """The request, with every field of its kind."""
    automatic: bool
    """Whether the study's spec asked for it, rather than a person later."""
    stale: bool = False
    """Whether it was built before its study was extended."""
    state: EnsembleState
    progress: BuildProgress | None
    message: str | None
    """What went wrong, where it failed."""
    headline: str | None = None
    """The metric to show first, by its bare name: the study's objective (`auc` of `val_auc`), or
    `loss` where predictions do not show the objective."""
    chosen_by: str | None = None
    """The metric on validation rows that chose the members (`val_auc`); none where no metric did,
    and in results of earlier releases."""
    members: list[Member] = []
    validation: PartScores = {}
    test: PartScores = {}
    best_single: Single | None = None
    mean_member: Scores | None = None
    intervals: dict[str, Range] = {}
    disagreement: float | None = None
    calibration: Calibration | None = None
    candidates: int = 0
    warnings: list[str] = []
    size_bytes: int | None
    """Of the file at `/artifact`."""
    sha256: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @model_validator(mode="before")
    @classmethod
    def _headline_of_earlier_releases(cls, data: Any) -> Any:
        return with_headline(data)

    @property
    def scores(self) -> EnsembleScores:
        """The ensemble's own scores."""
        return EnsembleScores(validation=self.validation, test=self.test, headline=self.headline)


class EnsembleList(Record):
    """A study's ensembles, the oldest first."""

    ensembles: list[Ensemble]


class JobTicket(Record):
    """Where to look for an answer: `GET /jobs/{job}`."""

    job: int


ClassLabels: TypeAlias = list[StrictBool] | list[StrictInt] | list[StrictFloat] | list[StrictStr]
"""Classes of one type: truth values, whole numbers, numbers or text."""


class PredictRequest(SpecModel):
    """Rows to predict: as the data set has them, or for a table one object a row."""

    inputs: Annotated[list[Any], Field(min_length=1, max_length=100_000)]
    strict: bool = False
    """Refuse rows that hold a category which no training row had."""


class PredictionResult(SpecModel):
    """Predictions of N rows."""

    predictions: list[int] | list[float]
    """[N]: indices of classes, or numbers."""
    labels: ClassLabels | None = None
    """[N]: the classes, as the data set's target held them; none for numbers."""
    probabilities: list[list[float]] | None = None
    """[N, C], of all classes; none for numbers."""
    unknown: dict[str, int] = {}
    """By column, how many rows hold a category that no training row had."""

    @property
    def notes(self) -> list[str]:
        """A sentence for each column that is in `unknown`."""
        return [
            f"{column}: {pluralize(rows, 'row')} of {len(self.predictions)} with a category that "
            "no training row had, which counts as none of the known ones"
            for column, rows in self.unknown.items()
        ]
