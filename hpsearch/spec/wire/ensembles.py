"""What is known of an ensemble: what people read, and what a worker finds out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from hpsearch.spec.checkpoints import Reason
from hpsearch.spec.language.base import Record, SpecModel
from hpsearch.spec.language.fields import Key, Metrics, Sentence
from hpsearch.spec.language.states import EnsembleState

Copy = Literal["raw", "ema", "swa"]
"""Which of a checkpoint's weights."""


class Candidate(Record):
    """A checkpoint that may become a member."""

    checkpoint: int
    """Its id."""
    trial: int
    epoch: int
    value: float | None
    """The trial's objective."""
    complete: bool = True
    """The trial trained to its end; else it was pruned."""
    best: bool
    last: bool
    reasons: tuple[Reason, ...] = ()
    sha256: str
    """Of the checkpoint."""
    predictions_sha256: str | None = None
    """Of its stored predictions; none where there are none."""


class Member(Record):
    """A checkpoint in an ensemble; the weights of all members add up to 1."""

    trial: Annotated[int, Field(ge=0)]
    epoch: Annotated[int, Field(ge=0)]
    weight: float
    copy_: Copy = Field(default="raw", alias="copy")
    checkpoint: Key | None = None
    """Its id."""
    validation: Metrics = {}
    """Of the member alone; test rows say nothing of single trials but the best one."""

    model_config = ConfigDict(serialize_by_alias=True)


class Single(Record):
    """The best trial's checkpoint alone, chosen on validation."""

    trial: Annotated[int, Field(ge=0)]
    epoch: Annotated[int, Field(ge=0)]
    validation: Metrics
    test: Metrics = {}


HEADLINES = ("accuracy", "rmse")
"""The metric that people look at first: of classes, of numbers."""


class Scores(Record):
    """The same metrics on both parts: `accuracy`, `loss`, `f1`, `auc`, or `loss`, `rmse`, ..."""

    validation: Metrics
    test: Metrics = {}

    @property
    def headline(self) -> str | None:
        """The name of the metric to show first; none where neither part has it."""
        return next((name for name in HEADLINES if name in {*self.validation, *self.test}), None)


class Range(Record):
    """A 95 % bootstrap confidence interval over rows."""

    low: float
    high: float


class Calibration(Record):
    """How far stated probabilities are to be believed; errors are measured on test rows.

    Guo et al. 2017.
    """

    temperature: float
    """Fitted on the validation rows."""
    ece: float
    """Expected calibration error in 15 bins, as stated."""
    ece_scaled: float
    """After the temperature."""


class EnsembleResult(SpecModel):
    """What a worker found."""

    members: Annotated[list[Member], Field(min_length=1, max_length=100_000)]
    validation: Metrics
    test: Metrics = {}
    best_single: Single
    mean_member: Scores
    """The mean of the members' scores, each member counted once."""
    intervals: dict[str, Range] = {}
    """Of test scores (`accuracy`, `loss`, ...), and of the gain on the best single one
    (`accuracy_gain`: ensemble − single; `loss_gain`: single − ensemble; more is better)."""
    disagreement: float | None = None
    """Mean over pairs of members of the share of test rows that they say another class of; for
    numbers the mean standard deviation of members around the ensemble, in the target's unit."""
    calibration: Calibration | None = None
    candidates: int = 0
    """How many were there to choose from."""
    warnings: Annotated[list[Sentence], Field(max_length=10_000)] = []
    """What was left out, and why."""

    @property
    def scores(self) -> Scores:
        """The ensemble's own, on both parts."""
        return Scores(validation=self.validation, test=self.test)


class Progress(Record):
    """How far a job is."""

    done: int
    total: int
    what: str


class Ensemble(Record):
    """An ensemble of a study's checkpoints; scores are there when it is complete."""

    id: int
    study_id: int
    kind: str
    size: int
    combine: str
    metric: str | None
    request: dict[str, Any]
    """All that was asked for."""
    automatic: bool
    """Asked for by the study's spec."""
    state: EnsembleState
    progress: Progress | None
    message: str | None
    """What went wrong."""
    members: list[Member] = []
    validation: Metrics = {}
    test: Metrics = {}
    best_single: Single | None = None
    mean_member: Scores | None = None
    intervals: dict[str, Range] = {}
    disagreement: float | None = None
    calibration: Calibration | None = None
    candidates: int = 0
    warnings: list[str] = []
    size_bytes: int | None
    """Of the file that `/artifact` gives."""
    sha256: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def scores(self) -> Scores:
        """The ensemble's own, on both parts."""
        return Scores(validation=self.validation, test=self.test)


class EnsembleList(Record):
    """A study's ensembles, the oldest first."""

    ensembles: list[Ensemble]


class JobTicket(Record):
    """Where to look for an answer: `GET /jobs/{job}`."""

    job: int


class PredictRequest(SpecModel):
    """Rows to predict: as the data set has them, or for a table one object a row."""

    inputs: Annotated[list[Any], Field(min_length=1, max_length=100_000)]


class PredictionResult(SpecModel):
    """One entry a row."""

    predictions: list[int] | list[float]
    """Places of classes, or numbers."""
    labels: list[str] | None = None
    """The classes' names."""
    probabilities: list[list[float]] | None = None
    """[N, C], for classes."""
