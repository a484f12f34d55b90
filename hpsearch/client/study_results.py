"""What is read of a study on the server: its state, trials, curves, log, and what they say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hpsearch.client.ensemble import Ensemble
from hpsearch.client.handle import Handle
from hpsearch.client.plots import StudyPlots
from hpsearch.client.trial import Curves, Trial, Trials
from hpsearch.spec.language.states import StudyState, TrialState
from hpsearch.spec.wire import records
from hpsearch.spec.wire.advice import Diagnosis, Evaluator, Importances, ImportanceTarget
from hpsearch.spec.wire.ensembles import EnsembleList
from hpsearch.spec.wire.records import CheckpointList, Event, EventPage, TrialPage

PAGE_SIZE = 1000


class StudyResults(Handle[records.Study]):
    """The part of a study's handle that reads, and changes nothing."""

    @property
    def id(self) -> int:
        """Its key, by which `client.study` finds it."""
        return self.record.id

    @property
    def name(self) -> str:
        """What its spec calls it; other studies may have the same name."""
        return self.record.name

    @property
    def state(self) -> StudyState:
        """Queued, running, paused, stopped, complete or failed."""
        return self.record.state

    @property
    def end(self) -> records.StudyEnd | None:
        """Why it is over, in a word and a sentence; None before."""
        return self.record.end

    @property
    def spec(self) -> dict[str, Any]:
        """The spec that runs, every default filled in."""
        return self.record.spec

    @property
    def url(self) -> str:
        """The address of its page on the dashboard."""
        return f"{self._transport.url}/studies/{self.id}"

    @property
    def plot(self) -> StudyPlots:
        """Its figures: `study.plot.curves()`, `.scatter()`, `.history()`."""
        return StudyPlots(self._transport, self.id)

    @property
    def best_trial(self) -> Trial | None:
        """The complete trial with the best value so far, read anew; None before there is one.

        >>> study.best_trial
        Trial(... of study 1, complete, value ...)
        """
        number = self.refresh().record.best_trial
        return None if number is None else self.trial(number)

    def trial(self, number: int) -> Trial:
        """Returns one trial.

        Args:
            number: its index in the study, from 0 on.

        Raises:
            NotFound: when the study has no such trial.

        >>> study.trial(0).number
        0
        """
        record = self._transport.get(f"{self._path}/trials/{number}", records.Trial)
        return Trial(self._transport, record)

    def trials(self, *, state: TrialState | str | None = None, sort: str = "number") -> Trials:
        """Returns all trials, or those in one state.

        Args:
            state: queued, running, complete, pruned or failed.
            sort: `number`, `value` or `epochs_done`; after a - (`-value`) the highest comes first.
                Trials without a value come last.

        Raises:
            InvalidInput: for another state or order.

        >>> [trial.number for trial in study.trials(state="complete")]
        [0, 1, 2, 3]
        """
        return Trials(self._trial_pages(state, sort))

    def _trial_pages(self, state: TrialState | str | None, sort: str) -> Iterator[Trial]:
        token = None
        while True:
            page = self._transport.get(
                f"{self._path}/trials",
                TrialPage,
                page_size=PAGE_SIZE,
                page_token=token,
                state=state,
                sort=sort,
            )
            yield from self._trials(page.trials)
            token = page.next_page_token
            if token is None:
                return

    def _trials(self, answered: Sequence[records.Trial]) -> Trials:
        return Trials(Trial(self._transport, record) for record in answered)

    def best(self, count: int = 10) -> Trials:
        """Returns the trials with the best values, the best first; those without come last.

        Args:
            count: how many at most.

        >>> [trial.state.value for trial in study.best(2)]
        ['complete', 'complete']
        """
        sort = self.record.objectives[0].best_first
        page = self._transport.get(f"{self._path}/trials", TrialPage, page_size=count, sort=sort)
        return self._trials(page.trials)

    def curves(
        self,
        metric: str | None = None,
        trials: Sequence[int] | None = None,
        max_points: int | None = None,
    ) -> Curves:
        """Returns a metric by epoch (0-based), of all trials or of those named.

        Args:
            metric: such as `val_loss`; None takes the first objective's.
            trials: numbers of trials.
            max_points: a longer curve is divided into so many buckets, each with its last, lowest
                and highest value.

        >>> study.curves("val_loss", trials=[0]).curves[0].epochs
        [0, 1, 2, 3, 4]
        """
        return self._transport.get(
            f"{self._path}/curves",
            Curves,
            metric=metric or self.record.objectives[0].metric,
            trials=None if trials is None else ",".join(map(str, trials)),
            max_points=max_points,
        )

    def checkpoints(self, number: int) -> CheckpointList:
        """Returns a trial's stored checkpoints, ordered by epoch.

        Args:
            number: the trial's.

        Raises:
            NotFound: when the study has no such trial.

        >>> study.checkpoints(0).checkpoints[-1].last
        True
        """
        return self._transport.get(f"{self._path}/trials/{number}/checkpoints", CheckpointList)

    def importances(
        self, evaluator: Evaluator = "ped_anova", target: ImportanceTarget = "value"
    ) -> Importances:
        """Returns how much each parameter decides, the most important first, and how to read it.

        Args:
            evaluator: `ped_anova`, `fanova` or `mean_decrease_impurity`, by Optuna.
            target: what for: `value`, `epochs_to_best` or `seconds`.

        >>> answer = study.importances()
        >>> answer.trials, answer.note
        (4, '...')
        """
        path = f"{self._path}/importances"
        return self._transport.get(path, Importances, evaluator=evaluator, target=target)

    def diagnosis(self) -> Diagnosis:
        """Returns the ranges at an end of which the best trials lie, and what changes nothing.

        >>> study.diagnosis().trials
        4
        """
        return self._transport.get(f"{self._path}/diagnosis", Diagnosis)

    def ensembles(self) -> list[Ensemble]:
        """Returns the ensembles of its checkpoints, the oldest first.

        >>> study.ensembles()[0].kind
        'greedy'
        """
        answer = self._transport.get(f"{self._path}/ensembles", EnsembleList)
        return [Ensemble(self._transport, record) for record in answer.ensembles]

    def versions(self) -> list[records.StudyVersion]:
        """Returns the specs that it ran with, the first one first; every edit makes one.

        >>> [version.version for version in study.versions()]
        [1]
        """
        return self._transport.get(f"{self._path}/versions", records.StudyVersionList).versions

    def events(self) -> list[Event]:
        """Returns what happened, from the oldest on.

        >>> study.events()[0].kind.value
        'study_created'
        """
        events: list[Event] = []
        token = None
        while True:
            page = self._transport.get(
                f"{self._path}/events", EventPage, page_size=PAGE_SIZE, page_token=token
            )
            events += page.events
            token = page.next_page_token
            if token is None:
                return events

    @property
    def _path(self) -> str:
        return f"/studies/{self.id}"
