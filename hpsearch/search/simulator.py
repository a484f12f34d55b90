"""A study in virtual time: what a search would do, in milliseconds and without training.

>>> from hpsearch.spec.study import parse_study
>>> task = {"kind": "external", "params": {"x": {"uniform": [0, 1]}}}
>>> spec = parse_study({"name": "formula", "task": task, "training": {"epochs": 3}})
>>> def curve(params, epochs, seed):
...     return Trace([params["task.params.x"] + 1 / (epoch + 1) for epoch in range(epochs)])
>>> outcome = simulate(spec, curve, workers=16)
>>> len(outcome.trials), outcome.seconds
(20, 6.0)

Curve      (params, epochs, seed) -> Trace: what a trial would report; seed is (study, trial)
Trace      its losses by epoch, and how long each takes
Outcome    the trials, and the best loss by epochs spent

Events come in the order of their time, equal times in the order of trial numbers (a pruner judges
all epochs of one moment together), and meet the parts that the server uses: stages, samplers,
pruners and limits.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from hpsearch.search.pruners import CurveTable, judge_together, pruner_for
from hpsearch.search.samplers import sampler_for
from hpsearch.search.samplers.base import History, Observation, Proposal, Sampler
from hpsearch.search.staging import OpenStage, first_stage, next_stage
from hpsearch.search.stopping import limit_reached
from hpsearch.spec.language.distributions import Value
from hpsearch.spec.language.states import TrialState
from hpsearch.spec.searches.base import SearchBase
from hpsearch.spec.space.space import chosen_value
from hpsearch.spec.space.stages import longest_epochs, stages_of
from hpsearch.spec.study import Objective, StudySpec
from hpsearch.spec.wire.progress import StudyProgress


@dataclass(frozen=True)
class Trace:
    """What a trial would report; it diverges at the first loss that is not finite."""

    losses: Sequence[float]
    """Of each epoch; lower is better."""
    seconds: float = 1.0
    """Of each epoch."""


Curve: TypeAlias = Callable[[Mapping[str, Value], int, tuple[int, int]], Trace]
"""From a configuration, a length in epochs and (study seed, trial number)."""

NextStage: TypeAlias = Callable[[StudySpec, OpenStage, Sequence[Observation], int], OpenStage]


@dataclass
class SimulatedTrial:
    """A trial of a simulated study."""

    number: int
    params: Mapping[str, Value]
    stage: int
    epochs: int
    """Planned."""
    origin: int
    """The trial that its training began as; itself unless it continues another."""
    epochs_before: int = 0
    """What the trial that it continues had trained."""
    losses: list[float] = field(default_factory=list)
    """By epoch, from the first that it trained itself."""
    state: TrialState = TrialState.RUNNING
    ended_seconds: float = math.inf

    @property
    def loss(self) -> float | None:
        """That of its best epoch."""
        return min(filter(math.isfinite, self.losses), default=None)

    def observation(self) -> Observation:
        """The trial as samplers see it."""
        loss = self.loss
        losses = None if loss is None else (loss,)
        epochs = self.epochs_before + len(self.losses)
        return Observation(self.number, self.params, self.stage, self.state, losses, epochs)


@dataclass(frozen=True)
class Outcome:
    """What a simulated study came to."""

    trials: Sequence[SimulatedTrial]
    """By number; those that a limit ended are still running."""
    stages: Sequence[OpenStage]
    best: Sequence[float]
    """The least loss reported in the first 1, 2, … epochs of all trials together; ∞ before any."""
    seconds: float
    """Virtual time from start to end."""

    @property
    def chosen(self) -> SimulatedTrial | None:
        """The complete trial with the least loss, the earlier of equals: the study's best."""
        complete = [trial for trial in self.trials if trial.state == TrialState.COMPLETE]
        return min(complete, key=lambda trial: (trial.loss, trial.number), default=None)


def simulate(
    spec: StudySpec,
    curve: Curve,
    *,
    workers: int = 1,
    group_size: int = 1,
    next_stage: NextStage = next_stage,
) -> Outcome:
    """Runs a study to its end or to its limits.

    Args:
        spec: the study; `limits.epochs` is its budget.
        curve: what trials report.
        workers: how many train at once.
        group_size: the most trials that one worker trains together: their epochs end at once, and
            others begin when all of them are over.
        next_stage: how a staged search goes on.

    Returns:
        What the study came to; equal arguments give equal outcomes.
    """
    return _Study(spec, curve, workers, group_size, next_stage).run()


@dataclass(frozen=True)
class _Group:
    """Trials that one worker trains together."""

    seconds: float
    """Of each epoch: the slowest trial's."""


class _Study:
    """A study under way; `events` holds (seconds, trial) at which an epoch ends."""

    def __init__(
        self, spec: StudySpec, curve: Curve, workers: int, group_size: int, next_stage: NextStage
    ) -> None:
        self.spec, self.curve, self.workers, self.next_stage = spec, curve, workers, next_stage
        self.group_size = group_size
        self.groups: dict[int, _Group] = {}
        """By trial that runs."""
        self.trials: list[SimulatedTrial] = []
        self.traces: dict[int, Trace] = {}
        self.ended: list[Observation] = []
        self.ended_of_stage = 0
        self.events: list[tuple[float, int]] = []
        self.best: list[float] = []
        self.best_loss, self.best_ended = math.inf, 0
        self.seconds = 0.0
        self.pruner = pruner_for(spec.pruner, spec.seed)
        self.plans = stages_of(spec)
        epochs = {index: longest_epochs(spec, plan) for index, plan in enumerate(self.plans)}
        self.curves = CurveTable(Objective(metric="loss", direction="minimize"), epochs)
        self.stages = [first_stage(spec)]
        self.sampler = self._sampler()

    def run(self) -> Outcome:
        self._lease()
        while self.events:
            self.seconds = self.events[0][0]
            numbers = []
            while self.events and self.events[0][0] == self.seconds:
                numbers.append(heapq.heappop(self.events)[1])
            stopped = self._judge(numbers)
            while numbers:
                number = numbers.pop(0)
                self._report(self.trials[number], stop=number in stopped)
                if self._limited():
                    return self._outcome()
                if self.trials[number].state != TrialState.RUNNING:
                    self._lease()
        return self._outcome()

    def _outcome(self) -> Outcome:
        return Outcome(self.trials, self.stages, self.best, self.seconds)

    def _sampler(self) -> Sampler[SearchBase]:
        return sampler_for(self.stages[-1].problem(self.spec))

    def _lease(self) -> None:
        """Gives idle workers trials, as far as the stage and the sampler allow."""
        self._open_next_stage()
        active = {id(group) for group in self.groups.values()}
        size = self.group_size
        proposals = self._proposals((self.workers - len(active)) * size)
        for start in range(0, len(proposals), size):
            members = [self._start(proposal) for proposal in proposals[start : start + size]]
            group = _Group(max(self.traces[number].seconds for number in members))
            for number in members:
                self.groups[number] = group
                heapq.heappush(self.events, (self.seconds + group.seconds, number))

    def _open_next_stage(self) -> None:
        """Opens the next stage when enough trials of the present one have ended."""
        stage = self.stages[-1]
        is_last = stage.index + 1 == len(self.plans)
        if is_last or self.ended_of_stage < self.spec.search.quorum_of(stage.plan.trials):
            return
        trials = [trial.observation() for trial in self.trials[stage.first :]]
        self.stages.append(self.next_stage(self.spec, stage, trials, len(self.trials)))
        self.ended_of_stage = 0
        self.sampler = self._sampler()

    def _proposals(self, count: int) -> list[Proposal]:
        stage, first = self.stages[-1], len(self.trials)
        count = min(count, stage.end - first)
        if count <= 0:
            return []
        proposals = list(stage.initial[first - stage.first :][:count])
        count, first = count - len(proposals), first + len(proposals)
        if count == 0:
            return proposals
        history = History()
        if self.sampler.reads_history:
            running = sorted(self.groups)
            history = History(self.ended, [self.trials[number].observation() for number in running])
        count = min(self.sampler.max_suggestions(history, count), count)
        return proposals + self.sampler.suggest(range(first, first + count), history)

    def _start(self, proposal: Proposal) -> int:
        """Adds a trial; returns its number."""
        stage, number = self.stages[-1], len(self.trials)
        searched = chosen_value(proposal.params, "training.epochs", self.spec.training.epochs)
        trial = SimulatedTrial(
            number, proposal.params, stage.index, stage.plan.epochs or int(searched), number
        )
        if proposal.continues is not None:
            before = self.trials[proposal.continues]
            trial.origin, trial.epochs_before = before.origin, before.observation().epochs
        self.traces[number] = self.curve(trial.params, trial.epochs, (self.spec.seed, trial.origin))
        self.curves.add(number, stage=stage.index, inherited=trial.epochs_before)
        self.trials.append(trial)
        return number

    def _next_loss(self, number: int) -> float:
        """What a trial's next epoch comes to."""
        trial = self.trials[number]
        return float(self.traces[number].losses[trial.epochs_before + len(trial.losses)])

    def _judge(self, numbers: Sequence[int]) -> set[int]:
        """The trials that the pruner stops of those whose epochs end at this moment."""
        if self.pruner is None:
            return set()
        losses = {number: [self._next_loss(number)] for number in numbers}
        verdicts = judge_together(self.pruner, self.curves, losses)
        return {number for number, verdict in verdicts.items() if verdict.stop}

    def _report(self, trial: SimulatedTrial, *, stop: bool) -> None:
        """A trial's next epoch, which is its last where the pruner stops it."""
        epoch = trial.epochs_before + len(trial.losses)
        loss = self._next_loss(trial.number)
        trial.losses.append(loss)
        least = self.best[-1] if self.best else math.inf
        self.best.append(min(least, loss) if math.isfinite(loss) else least)
        if not math.isfinite(loss) or stop:
            self._end(trial, TrialState.PRUNED)
        elif epoch + 1 == trial.epochs:
            self._end(trial, TrialState.COMPLETE)
        else:
            seconds = self.groups[trial.number].seconds
            heapq.heappush(self.events, (self.seconds + seconds, trial.number))

    def _end(self, trial: SimulatedTrial, state: TrialState) -> None:
        trial.state, trial.ended_seconds = state, self.seconds
        self.ended.append(trial.observation())
        self.ended_of_stage += trial.stage == self.stages[-1].index
        del self.traces[trial.number], self.groups[trial.number]
        if state != TrialState.COMPLETE:
            self.curves.end(trial.number)
        else:
            self.curves.complete(trial.number)
            if trial.loss is not None and trial.loss < self.best_loss:
                self.best_loss, self.best_ended = trial.loss, len(self.ended)

    def _limited(self) -> bool:
        progress = StudyProgress(
            ended=len(self.ended),
            failed=0,
            ended_since_best=len(self.ended) - self.best_ended,
            epochs_done=len(self.best),
            seconds=self.seconds,
        )
        planned = sum(plan.trials for plan in self.plans)
        return limit_reached(self.spec.limits, progress, planned) is not None
