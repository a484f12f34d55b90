"""What a figure is, and what it may ask of the study that it draws.

Figure      a member of `hpsearch.plots.FIGURES`: words for the page around it, a query, a drawing
FigureQuery what may be chosen; the REST parameters, the page's controls and the arguments of
            `study.plot` are made from its fields
StudyData   what a study can be asked

    class DurationQuery(FigureQuery):
        log: Annotated[LogAxes, LogBoxes("y")] = ""

    class DurationFigure(Figure[DurationQuery]):
        \"\"\"How long each trial trained.\"\"\"

        name = "duration"
        title = "Training time"
        alt = "Training time by trial"
        empty = "Times appear with the first trial that ends."
        query = DurationQuery

        def draw(self, data: StudyData, query: DurationQuery) -> PlotlyJson: ...
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from hpsearch.plots.style import PlotlyJson
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.advice import Evaluator, Importances, ImportanceTarget
from hpsearch.spec.wire.points import TrialPoint
from hpsearch.spec.wire.records import Curves, StageSummary


class StudyData(Protocol):
    """A study, as far as figures look at it."""

    @property
    def spec(self) -> StudySpec:
        """The present spec."""

    def points(self) -> Sequence[TrialPoint]:
        """Every trial by number, with its parameters."""

    def best_trials(self, count: int) -> Sequence[int]:
        """The numbers of the trials with the best values so far, the best first."""

    def reported_trials(self) -> int:
        """How many trials have reported an epoch."""

    def metrics(self) -> Sequence[str]:
        """Metrics that curves may show: the objective, then those reported; no test scores."""

    def curves(self, metric: str, trials: Sequence[int]) -> Curves:
        """One metric of some trials by epoch, thinned to what a screen shows."""

    def last_metrics(self, trial: int) -> Sequence[str]:
        """The metrics that a trial reported last.

        Raises:
            NotFound: when there is no such trial.
        """

    def objectives(self) -> Mapping[int, Sequence[float]]:
        """All objectives of each complete trial, by number."""

    def pareto_front(self) -> Sequence[int]:
        """The numbers of the trials that no other beats in all objectives."""

    def stages(self) -> Sequence[StageSummary]:
        """The stages that the search has begun."""

    def importances(self, evaluator: Evaluator, target: ImportanceTarget) -> Importances:
        """How much each parameter decides of a target."""


class FigureQuery(BaseModel):
    """What may be chosen of a figure; each field's docstring describes it.

    A field carries its control on the study's page as metadata (`hpsearch.plots.controls`). Its
    position among the fields is its position in a call of `study.plot`.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)


Q = TypeVar("Q", bound=FigureQuery)


class Figure(ABC, Generic[Q]):
    """A figure of a study; its docstring says what it shows."""

    name: ClassVar[str]
    """In addresses and in `study.plot`."""
    title: ClassVar[str]
    """Heads its card on the study's page."""
    alt: ClassVar[str]
    """Describes it to those who do not see it; `{metric}` stands for the objective's name."""
    empty: ClassVar[str]
    """Stands in its place as long as there is nothing to draw."""
    query: type[Q]

    page: ClassVar[Literal["study", "trial"]] = "study"
    """Whose page shows it."""
    wide: ClassVar[bool] = False
    """Whether its card takes the wide column of the page."""
    low: ClassVar[bool] = False
    """Whether it is drawn less high than others."""
    redraw_seconds: ClassVar[float] = 2.0
    """The least time between two drawings while trials report."""
    slow: ClassVar[bool] = False
    """Whether a page asks for it after all others, as the server takes longest over it."""

    @abstractmethod
    def draw(self, data: StudyData, query: Q) -> PlotlyJson:
        """The figure of a study.

        Raises:
            InvalidInput: for a query that names what the study does not have.
        """

    def unavailable(self, spec: StudySpec) -> str | None:
        """Why a study of this spec can have no such figure; none where it can."""
        del spec
        return None

    @property
    def summary(self) -> str:
        """What it shows, as Markdown."""
        return inspect.cleandoc(type(self).__doc__ or "")
