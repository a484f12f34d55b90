"""A study on the server: to wait for, read, change, and combine into ensembles."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from rich.console import Console

from hpsearch.client import notebook_html, open_trials
from hpsearch.client.ensemble import Ensemble
from hpsearch.client.progress_display import progress_display
from hpsearch.client.study_results import StudyResults
from hpsearch.client.trial import Trials
from hpsearch.errors import HpsearchError
from hpsearch.spec.language.states import is_final
from hpsearch.spec.wire import ensembles, jobs, records

POLL_SECONDS = 0.5


class StudyTimeout(HpsearchError):
    """A study was not over in time."""

    code = "timeout"


class Study(StudyResults):
    """A study on the server; its properties are as they were when it was last read.

    What `record` holds besides: `counts` of its trials by state, `epochs_done` of `epochs_planned`,
    `eta_seconds`, `stages`.

    >>> study.id, study.name, study.state.value, study.record.counts.complete
    (1, 'wine', 'complete', 4)
    """

    def wait(
        self,
        timeout_seconds: float | None = None,
        on_progress: Callable[[records.Study], None] | None = None,
    ) -> Self:
        """Returns when the study is over: complete, stopped or failed.

        Trials that a stop has cut short have sent their best states by then.

        Args:
            timeout_seconds: how long to wait at most; None waits for ever.
            on_progress: called with each reading.

        Raises:
            StudyTimeout: when it is not over in time.

        >>> client.submit(spec).wait(timeout_seconds=60).state.value
        'complete'
        """
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while True:
            self.refresh()
            if on_progress is not None:
                on_progress(self.record)
            if is_final(self.state) and not self.record.ending_trials:
                return self
            if deadline is not None and time.monotonic() > deadline:
                raise StudyTimeout(
                    f"study {self.id} must be over in {timeout_seconds:g} s, and it is "
                    f"{self.state} with {self.record.counts.ended} trials ended; wait longer"
                )
            time.sleep(POLL_SECONDS)

    def watch(self, console: Console | None = None) -> Self:
        """Shows progress in the notebook or terminal until the study is over, and returns it.

        Args:
            console: where a terminal shows it; None takes standard output.

        >>> study.watch().state.value
        4 trials ended, 20 epochs, best ...
        'complete'
        """

        def best(count: int) -> Sequence[records.Trial]:
            return self.best(count).records

        with progress_display(console or Console(), best, self._transport.url) as show:
            return self.wait(on_progress=show)

    def pause(self) -> Self:
        """Hands out no more trials, and returns the study; trials that run go on to their end.

        Those that workers hold and have not begun are taken back: until it is read again its
        `record` says how many (`returned_trials`).

        Raises:
            Conflict: when the study is over.

        >>> client.submit(own_loop).pause().state.value
        'paused'
        """
        return self._act("pause")

    def resume(self) -> Self:
        """Goes on after a pause, and returns the study.

        Raises:
            Conflict: when the study is not paused.

        >>> client.submit(own_loop).pause().resume().state.value
        'queued'
        """
        return self._act("resume")

    def stop(self) -> Self:
        """Ends the study now, and returns it; what its trials reported stays.

        A trial that has reported an epoch is complete at its last one, with the reason `stopped`.
        Its worker sends its best state yet, within an epoch: `wait` returns once it has.

        Raises:
            Conflict: when the study is over.

        >>> client.submit(own_loop).stop().state.value
        'stopped'
        """
        return self._act("stop")

    def _act(self, verb: str) -> Self:
        answers = records.EditedStudy if verb == "pause" else records.Study
        self.record = self._transport.post(f"{self._path}:{verb}", answers)
        return self

    def edit(self, **changes: Any) -> Self:
        """Changes the space or the budget of a study under way, and returns the study.

        Trials that have begun keep the version of the spec that they were made with. Until it is
        read again its `record` says how many trials were taken back from workers that had not begun
        them (`returned_trials`), and how many keep an earlier version (`trials_on_old_version`).

        Args:
            changes: sections of the spec. Objects are merged into it; distributions and lists take
                the place of what was there.

        Raises:
            InvalidInput: when something is to change that has to stay.
            Conflict: when the study is over.

        >>> client.submit(own_loop).edit(search={"trials": 50}).spec["search"]["trials"]
        50
        """
        self.record = self._transport.post(self._path, records.EditedStudy, changes, method="PATCH")
        return self

    def extend(
        self,
        *,
        trials: int | None = None,
        epochs: int | None = None,
        budget: int | None = None,
        stages: Sequence[Mapping[str, Any]] | None = None,
    ) -> Self:
        """Gives a study that is complete or stopped more to do, and returns it, running again.

        Exactly one argument is given. Ensembles that were built before are kept, marked `stale`.

        Args:
            trials: so many more.
            epochs: so many more for each complete trial of the last stage; a new trial goes on
                from its last checkpoint, or begins at epoch 0 where none is stored.
            budget: epochs more for a search that has a `budget`.
            stages: behind those of a search that has `stages`, written as there.

        Raises:
            InvalidInput: when its search cannot be extended so.
            Conflict: when the study is neither complete nor stopped.

        >>> client.submit(own_loop).stop().extend(trials=5).state.value
        'running'
        """
        given = {"trials": trials, "epochs": epochs, "budget": budget, "stages": stages}
        request = {name: value for name, value in given.items() if value is not None}
        self.record = self._transport.post(f"{self._path}:extend", records.Study, request)
        return self

    def add_trials(self, *configurations: Mapping[str, Any]) -> Trials:
        """Queues trials with given parameters beside those that are planned, and returns them.

        Args:
            configurations: each a value for every parameter, by name (`optimizer.lr`).

        Raises:
            InvalidInput: naming the parameter that is missing, unknown or out of range.
            Conflict: when the study is over.

        >>> client.submit(own_loop).add_trials({"task.params.alpha": 0.1})[0].state.value
        'queued'
        """
        request = {"trials": [{"params": dict(params)} for params in configurations]}
        added = self._transport.post(f"{self._path}/trials", jobs.TrialList, request)
        return self._trials(added.trials)

    def ask(self, count: int = 1) -> Trials:
        """Returns trials of an external study to train in a loop of one's own.

        Args:
            count: how many; fewer come when fewer are left, none at the end.

        Raises:
            Conflict: when the study is not external, or not open.

        >>> for trial in client.submit(own_loop).ask(4):
        ...     trial = trial.complete(1 / (1 + trial.params["task.params.alpha"]))
        """
        request = jobs.AskRequest.checked(count=count)
        answer = self._transport.post(f"{self._path}:ask", jobs.TrialList, request)
        asked = self._trials(answer.trials)
        for trial in asked:
            open_trials.remember(trial)
        return asked

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
            kind: a kind of ensemble, one of `hpsearch.spec.ensemble.ENSEMBLES`.
            size: members at most.
            combine: mean, weighted, vote, or median for numbers.
            more: `metric`, `trial` (for those of a single trial), `bags` (greedy).

        Raises:
            InvalidInput: when the study cannot have it, with the reason.
            Conflict: when no trial is complete yet.

        >>> study.build_ensemble("top_k", size=2).wait().combine
        'mean'
        """
        request = {"kind": kind, "size": size, "combine": combine, **more}
        record = self._transport.post(f"{self._path}/ensembles", ensembles.Ensemble, request)
        return Ensemble(self._transport, record)

    def clone(self, **changes: Any) -> Study:
        """Queues the same spec again as a new study, and returns that.

        Args:
            changes: top-level fields of the spec, which take the place of what was there.

        Raises:
            InvalidInput: naming every field that breaks a rule.

        >>> study.clone(name="again", seed=1).name
        'again'
        """
        record = self._transport.post(f"{self._path}:clone", records.Study, changes)
        return Study(self._transport, record)

    def delete(self) -> None:
        """Removes the study, which must be over, and its checkpoints.

        Raises:
            Conflict: when the study is not over.

        >>> client.submit(own_loop).stop().delete()
        """
        self._transport.delete(self._path)

    def _repr_html_(self) -> str:
        return notebook_html.study_html(self.record, self._transport.url)

    def __repr__(self) -> str:
        record = self.record
        best = "" if record.best_value is None else f", best {record.best_value:.4g}"
        return (
            f"Study({self.id}, {self.name!r}, {self.state}, "
            f"{record.counts.ended} trials ended{best})"
        )
