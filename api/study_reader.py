"""What figures, pages and advice read of one study; the same question is answered from a cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import orjson
from sqlalchemy.orm import Session

from api.services import Services
from hpsearch.errors import InvalidInput
from hpsearch.plots import Figure, FigureQuery
from hpsearch.service.diagnosis import diagnose, measure_importances
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.advice import Diagnosis, Evaluator, Importances, ImportanceTarget
from hpsearch.spec.wire.points import TrialPoint
from hpsearch.spec.wire.records import Curves, StageSummary
from hpsearch.store import figure_points, reports, stages, studies, study_records, trials

CURVE_POINTS = 200
"""Of each curve in a figure."""


class StudyReader:
    """A study as `hpsearch.plots.StudyData`, read in one session.

    Raises:
        NotFound: when there is no such study.
    """

    def __init__(self, services: Services, session: Session, study_id: int) -> None:
        self.study_id = study_id
        self._session = session
        self._caches = services.caches
        self._fingerprint = figure_points.fingerprint(session, study_id)

    @cached_property
    def spec(self) -> StudySpec:
        """The present spec."""
        return studies.spec_of(self._session, self.study_id)

    def points(self) -> Sequence[TrialPoint]:
        """Every trial by number, with its parameters."""
        return self._caches.points.get_or_make(
            self._fingerprint,
            lambda: figure_points.points(self._session, self.study_id, params=True),
        )

    def best_trials(self, count: int) -> Sequence[int]:
        """The numbers of the trials with the best values so far, the best first."""
        objective = self.spec.objectives[0]
        return figure_points.best_numbers(self._session, self.study_id, objective, count)

    def reported_trials(self) -> int:
        """How many trials have reported an epoch."""
        return figure_points.count_reporting(self._session, self.study_id)

    def metrics(self) -> Sequence[str]:
        """Metrics that curves may show: the objective, then those reported; no test scores."""
        objective = self.spec.objectives[0].metric
        reported = figure_points.metric_names(self._session, self.study_id)
        rest = [name for name in reported if name != objective and not name.startswith("test_")]
        return [objective, *rest]

    def curves(self, metric: str, trials: Sequence[int]) -> Curves:
        """One metric of some trials by epoch, thinned to `CURVE_POINTS`."""
        return reports.curves(self._session, self.study_id, metric, trials, CURVE_POINTS)

    def last_metrics(self, trial: int) -> Sequence[str]:
        """The metrics that a trial reported last.

        Raises:
            NotFound: when there is no such trial.
        """
        return list(trials.get(self._session, self.study_id, trial).metrics)

    def objectives(self) -> Mapping[int, Sequence[float]]:
        """All objectives of each complete trial, by number."""
        return figure_points.objectives(self._session, self.study_id)

    def pareto_front(self) -> Sequence[int]:
        """The numbers of the trials that no other beats in all objectives."""
        return study_records.get(self._session, self.study_id).pareto_front or []

    def stages(self) -> Sequence[StageSummary]:
        """The stages that the search has begun."""
        return stages.of_studies(self._session, [self.study_id])[self.study_id]

    def diagnosis(self) -> Diagnosis:
        """Where the space should be extended, and what in it makes no difference."""
        return self._caches.diagnoses.get_or_make(
            self._fingerprint, lambda: diagnose(self._session, self.study_id)
        )

    def importances(self, evaluator: Evaluator, target: ImportanceTarget) -> Importances:
        """How much each parameter decides of a target."""
        return self._caches.importances.get_or_make(
            (self._fingerprint, evaluator, target),
            lambda: measure_importances(self._session, self.study_id, evaluator, target),
        )

    def figure_json(self, figure: Figure[FigureQuery], query: FigureQuery) -> bytes:
        """A figure as Plotly JSON.

        Raises:
            InvalidInput: when the study has no such figure, or not what the query names.
        """

        def draw() -> bytes:
            reason = figure.unavailable(self.spec)
            if reason is not None:
                raise InvalidInput.at("name", reason)
            return orjson.dumps(figure.draw(self, query))

        return self._caches.figures.get_or_make((self._fingerprint, figure.name, query), draw)
