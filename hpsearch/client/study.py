"""A study on the server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

from rich.console import Console

from hpsearch.client import notebook_html
from hpsearch.client.ensemble import Ensemble
from hpsearch.client.plots import StudyPlots
from hpsearch.client.progress_display import watching
from hpsearch.client.transport import Transport
from hpsearch.client.trial import Curves, Trial, Trials
from hpsearch.errors import HpsearchError
from hpsearch.spec.language.states import StudyState, TrialState, is_final
from hpsearch.spec.wire import ensembles, jobs, records
from hpsearch.spec.wire.advice import Diagnosis, Evaluator, Importances, Target
from hpsearch.spec.wire.ensembles import EnsembleList
from hpsearch.spec.wire.records import CheckpointList, Event, EventPage, TrialPage

POLL_SECONDS = 0.5
PAGE_SIZE = 1000


class StudyTimeout(HpsearchError):
    """A study was not over in time."""

    code = "timeout"


class Study:
    """A study on the server; `record` is what was last read of it."""

    def __init__(self, transport: Transport, record: records.Study) -> None:
        self._transport = transport
        self.record = record

    @property
    def plot(self) -> StudyPlots:
        """Its figures: `study.plot.curves()`, `.scatter()`, `.history()`."""
        return StudyPlots(self._transport, self.id)

    @property
    def url(self) -> str:
        """Its page on the dashboard."""
        return f"{self._transport.url}/studies/{self.id}"

    @property
    def id(self) -> int:
        """Its key."""
        return self.record.id

    @property
    def name(self) -> str:
        """Its name."""
        return self.record.name

    @property
    def state(self) -> StudyState:
        """Its state when last read."""
        return self.record.state

    @property
    def spec(self) -> dict[str, Any]:
        """The spec that runs, every default filled in."""
        return self.record.spec

    @property
    def best_trial(self) -> Trial | None:
        """The complete trial with the best value so far."""
        number = self.refresh().record.best_trial
        return None if number is None else self.trial(number)

    def refresh(self) -> Self:
        """Reads the study again."""
        self.record = self._transport.get(f"/studies/{self.id}", records.Study)
        return self

    def edit(self, **changes: Any) -> Self:
        """Changes the space or the budget of a study under way.

        `study.edit(search={"trials": 50})`: objects are merged into the spec, distributions and
        lists take the place of what was there.

        Raises:
            InvalidInput: when something is to change that has to stay.
        """
        self.record = self._transport.post(
            f"/studies/{self.id}", records.Study, changes, method="PATCH"
        )
        return self

    def versions(self) -> list[records.StudyVersion]:
        """The specs it ran with, the first one first."""
        path = f"/studies/{self.id}/versions"
        return self._transport.get(path, records.StudyVersionList).versions

    def add_trials(self, *configurations: Mapping[str, Any]) -> Trials:
        """Queues trials with given parameters, beside those that are planned.

        Args:
            configurations: each a value for every parameter, by name (`optimizer.lr`).

        Raises:
            InvalidInput: naming the parameter that is missing, unknown or out of range.
        """
        given = {"trials": [{"params": dict(params)} for params in configurations]}
        added = self._transport.post(f"/studies/{self.id}/trials", jobs.TrialList, given)
        return Trials(Trial.of(record, self._transport) for record in added.trials)

    def wait(
        self,
        timeout_seconds: float | None = None,
        on_progress: Callable[[records.Study], None] | None = None,
    ) -> Self:
        """Returns when the study is over.

        Args:
            timeout_seconds: how long to wait at most; none waits for ever.
            on_progress: called with each reading.

        Raises:
            StudyTimeout: when it is not over in time.
        """
        until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while True:
            self.refresh()
            if on_progress is not None:
                on_progress(self.record)
            if is_final(self.state):
                return self
            if until is not None and time.monotonic() > until:
                raise StudyTimeout(
                    f"study {self.id} must be over in {timeout_seconds:g} s, and it is "
                    f"{self.state} with {self.record.counts.ended} trials ended; wait longer"
                )
            time.sleep(POLL_SECONDS)

    def watch(self, console: Console | None = None) -> Self:
        """Shows progress in the notebook or terminal until the study is over."""
        shown_at = console or Console()
        with watching(shown_at, self.best, self._transport.url) as note:
            return self.wait(on_progress=note)

    def best(self, count: int = 10) -> Trials:
        """The trials with the best values, the best first; those without come last."""
        page = self._transport.get(
            f"/studies/{self.id}/trials",
            TrialPage,
            page_size=count,
            sort=self.record.objectives[0].best_first,
        )
        return Trials(Trial.of(record, self._transport) for record in page.trials)

    def trials(self, *, state: TrialState | str | None = None, sort: str = "number") -> Trials:
        """All trials; `sort="-value"` puts the highest value first."""
        return Trials(self._trial_pages(state, sort))

    def _trial_pages(self, state: TrialState | str | None, sort: str) -> Iterator[Trial]:
        token = None
        while True:
            page = self._transport.get(
                f"/studies/{self.id}/trials",
                TrialPage,
                page_size=PAGE_SIZE,
                page_token=token,
                state=state,
                sort=sort,
            )
            yield from (Trial.of(record, self._transport) for record in page.trials)
            token = page.next_page_token
            if token is None:
                return

    def trial(self, number: int) -> Trial:
        """One trial by its number."""
        record = self._transport.get(f"/studies/{self.id}/trials/{number}", records.Trial)
        return Trial.of(record, self._transport)

    def ask(self, count: int = 1) -> Trials:
        """Trials of an external study to train: fewer than asked for when few are left.

        Raises:
            Conflict: when the study is not external, or not open.
        """
        asked = self._transport.post(
            f"/studies/{self.id}:ask", jobs.TrialList, jobs.AskRequest(count=count)
        )
        return Trials(Trial.of(record, self._transport) for record in asked.trials)

    def ensembles(self) -> list[Ensemble]:
        """What was combined of its checkpoints, the oldest first."""
        found = self._transport.get(f"/studies/{self.id}/ensembles", EnsembleList)
        return [Ensemble.of(record, self._transport) for record in found.ensembles]

    def build_ensemble(
        self,
        kind: str = "greedy",
        *,
        size: int = 10,
        combine: str = "mean",
        **more: Any,
    ) -> Ensemble:
        """Has a worker combine checkpoints; `wait` on the answer gives the ensemble once built.

        Args:
            kind: greedy, top_k, reinit, snapshots, average, ema, swa, soup_uniform or soup_greedy.
            size: members at most.
            combine: mean, weighted, vote, or median for numbers.
            more: `metric`, `trial` (for those of a single trial), `bags` (greedy).

        Raises:
            InvalidInput: when the study cannot have it, with the reason.
            Conflict: when no trial is complete yet.
        """
        asked = {"kind": kind, "size": size, "combine": combine, **more}
        record = self._transport.post(f"/studies/{self.id}/ensembles", ensembles.Ensemble, asked)
        return Ensemble.of(record, self._transport)

    def checkpoints(self, number: int) -> CheckpointList:
        """A trial's stored states."""
        return self._transport.get(
            f"/studies/{self.id}/trials/{number}/checkpoints", CheckpointList
        )

    def curves(
        self,
        metric: str | None = None,
        trials: Sequence[int] | None = None,
        max_points: int | None = None,
    ) -> Curves:
        """A metric by epoch, of all trials or those named; none takes the objective's metric."""
        return self._transport.get(
            f"/studies/{self.id}/curves",
            Curves,
            metric=metric or self.record.objectives[0].metric,
            trials=None if trials is None else ",".join(map(str, trials)),
            max_points=max_points,
        )

    def importances(
        self, evaluator: Evaluator = "ped_anova", target: Target = "value"
    ) -> Importances:
        """How much each parameter decides, the most important first; with a note how to read it.

        Args:
            evaluator: `ped_anova`, `fanova` or `mean_decrease_impurity`, by Optuna.
            target: what for: `value`, `epochs_to_best` or `seconds`.
        """
        path = f"/studies/{self.id}/importances"
        return self._transport.get(path, Importances, evaluator=evaluator, target=target)

    def diagnosis(self) -> Diagnosis:
        """Ranges at an end of which the best trials lie, and parameters that change nothing."""
        return self._transport.get(f"/studies/{self.id}/diagnosis", Diagnosis)

    def events(self) -> list[Event]:
        """What happened, from the oldest on."""
        found: list[Event] = []
        token = None
        while True:
            page = self._transport.get(
                f"/studies/{self.id}/events", EventPage, page_size=PAGE_SIZE, page_token=token
            )
            found += page.events
            token = page.next_page_token
            if token is None:
                return found

    def pause(self) -> Self:
        """Hands out no more trials; those that run go on to their end."""
        return self._act("pause")

    def resume(self) -> Self:
        """Goes on after a pause."""
        return self._act("resume")

    def stop(self) -> Self:
        """Ends the study now."""
        return self._act("stop")

    def clone(self, **changes: Any) -> Study:
        """Queues the same spec again, some top-level fields replaced."""
        record = self._transport.post(f"/studies/{self.id}:clone", records.Study, changes)
        return Study(self._transport, record)

    def delete(self) -> None:
        """Removes the study, which must be over, and its checkpoints."""
        self._transport.delete(f"/studies/{self.id}")

    def _repr_html_(self) -> str:
        return notebook_html.study_card(self.record, self._transport.url)

    def _act(self, verb: str) -> Self:
        self.record = self._transport.post(f"/studies/{self.id}:{verb}", records.Study)
        return self

    def __repr__(self) -> str:
        record = self.record
        best = "" if record.best_value is None else f", best {record.best_value:.4g}"
        return (
            f"Study({self.id}, {self.name!r}, {self.state}, "
            f"{record.counts.ended} trials ended{best})"
        )
