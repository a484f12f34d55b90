"""Takes work from the server, forms groups of the trials, and recovers what breaks them."""

from __future__ import annotations

import logging
import math
from collections.abc import Hashable, Iterable, Iterator, Sequence

from hpsearch.errors import HpsearchError, StorageFull
from hpsearch.spec.language.states import FailureReason
from hpsearch.spec.wire.jobs import AnyJob, Job
from hpsearch.training.group.group_size import GroupSizes
from hpsearch.training.numerics.memory import is_out_of_memory
from hpsearch.training.tasks.plan import group_key
from workers.capacity import LeaseSizer
from workers.context import WorkerContext
from workers.failures import WORKER_ERRORS, FailureCause, cause_of
from workers.group_run import GroupRun
from workers.job_kinds import SingleJobs
from workers.job_setup import build_group, prepare_trial
from workers.leased_trial import LeasedTrial
from workers.predictions import WaitingPredictions
from workers.refusals import fail_trial, release_trials
from workers.uploader import Uploader

logger = logging.getLogger("hpsearch.worker")

TOO_MANY = FailureCause(FailureReason.RELEASED, "more trials were leased than train at once")


class Runner:
    """Does jobs to their end, or gives them back when the worker is told to end.

    Args:
        context: the worker's.
        capacity: how many trials to take on at once; none for as many as pay.
    """

    def __init__(self, context: WorkerContext, capacity: int | None = None) -> None:
        self._context = context
        self._single_jobs = SingleJobs(context)
        self._predictions = WaitingPredictions(context, self._single_jobs.run)
        self._group_sizes = GroupSizes(context.device)
        self._lease_sizer = LeaseSizer(self._group_sizes, capacity)
        self._uploader = Uploader(context.client)

    def work(self) -> bool:
        """Takes on what the server has, and does it; whether there was any."""
        asked = self._lease_sizer.size
        jobs = self._context.client.lease(asked)
        if not jobs:
            return False
        leased: list[AnyJob] = []
        try:
            trials = self._take_on(jobs, leased)
            wanted = self._wanted(trials)
            if wanted > asked == len(trials):
                trials += self._take_on(self._lease_more(wanted - asked), leased)
            release_trials(self._context.client, trials[wanted:], TOO_MANY)
            for job in leased:  # before the trials, which take longer
                if not isinstance(job, Job):
                    self._single_jobs.run(job)
            self.train(trials[:wanted])
        finally:
            for job in leased:
                self._context.heartbeat.release(job)
        return True

    def train(self, trials: Sequence[LeasedTrial]) -> None:
        """Trains trials in groups; whatever goes wrong is said to the server."""
        for group in self._groups(trials):
            if self._context.stop.is_set():
                release_trials(self._context.client, group)
            elif held := self._begin(group):
                self._train_or_recover(held)

    def _begin(self, trials: Sequence[LeasedTrial]) -> list[LeasedTrial]:
        """Those trials of a group that were not taken back while they waited here."""
        begun = self._context.client.begin([trial.job for trial in trials])
        for trial in trials:
            if trial.job.id not in begun:
                trial.drop()
        return [trial for trial in trials if not trial.is_over]

    def _take_on(self, jobs: Sequence[AnyJob], leased: list[AnyJob]) -> list[LeasedTrial]:
        """Keeps the leases from now on; the trials among the jobs that can be trained."""
        self._context.heartbeat.hold(jobs)
        leased += jobs
        trials = (prepare_trial(job, self._context) for job in jobs if isinstance(job, Job))
        return [trial for trial in trials if trial is not None]

    def _wanted(self, trials: Sequence[LeasedTrial]) -> int:
        """How many trials like these to train; none is refused that cannot be measured."""
        try:
            return self._lease_sizer.update([trial.plan for trial in trials])
        except Exception as error:  # noqa: BLE001 (training them says what is wrong, trial by trial)
            logger.debug("no measurement: %s", error)
            return len(trials)

    def _lease_more(self, count: int) -> list[AnyJob]:
        """More jobs beside those leased, which no answer to this may cost."""
        try:
            return self._context.client.lease(count)
        except WORKER_ERRORS:
            raise
        except HpsearchError as error:
            logger.warning("no more trials are taken on: %s", error)
            return []

    def _groups(self, trials: Sequence[LeasedTrial]) -> Iterator[Sequence[LeasedTrial]]:
        """Trials of one study and shape in groups of a size that pays, as even as can be."""
        shapes: dict[Hashable, list[LeasedTrial]] = {}
        for trial in trials:
            shapes.setdefault((trial.job.study_id, group_key(trial.plan)), []).append(trial)
        for similar in shapes.values():
            count = math.ceil(len(similar) / self._group_size(similar))
            for index in range(count):
                yield similar[index * len(similar) // count : (index + 1) * len(similar) // count]

    def _group_size(self, trials: Sequence[LeasedTrial]) -> int:
        """How many of these trials of one shape to train at once; they note why."""
        if len(trials) == 1 and trials[0].plan.spec.training.repeats == 1:
            return 1
        try:
            size, measured = self._lease_sizer.group_size(trials[0].plan)
        except Exception as error:  # noqa: BLE001 (training them says what is wrong)
            logger.debug("no measurement: %s", error)
            return len(trials)
        for trial in trials:
            trial.group_reason, trial.max_runs = measured.why, measured.size
        return size

    def _train_or_recover(self, trials: Sequence[LeasedTrial]) -> None:
        """Trains a group; where it fails as a whole its trials are tried in smaller ones."""
        try:
            self._train_group(trials)
        except WORKER_ERRORS:
            raise
        except StorageFull as error:
            release_trials(self._context.client, trials, cause_of(error))
        except HpsearchError as error:
            self._retry_in_groups(trials, 1, cause_of(error))
        except Exception as error:
            if is_out_of_memory(error):
                self._retry_with_less(trials, cause_of(error))
                return
            # Training runs what people wrote: its errors end the trial, never the worker.
            logger.exception("training failed")
            self._retry_in_groups(trials, 1, cause_of(error))

    def _train_group(self, trials: Sequence[LeasedTrial]) -> None:
        group = build_group(trials, self._context.device)
        run = GroupRun(trials, group, self._context, self._uploader, self._predictions)
        try:
            run.train()
        except (*WORKER_ERRORS, StorageFull):
            raise
        except Exception as error:
            run.rescue(error)
            raise

    def _retry_with_less(self, trials: Sequence[LeasedTrial], cause: FailureCause) -> None:
        """Goes on in groups half as large, each trial from its last finished epoch."""
        left = _not_over(trials)
        runs = sum(trial.plan.spec.training.repeats for trial in left)
        at_once = min([runs, *(trial.max_runs for trial in left if trial.max_runs)])
        if len(left) > 1:
            smaller = self._group_sizes.ran_out(left[0].plan, at_once)
            logger.warning("%s", smaller.why)
            for trial in left:
                trial.group_reason, trial.max_runs = smaller.why, smaller.size
        elif left and at_once > 1:  # of one trial's repeats fewer at once may do
            left[0].max_runs = at_once // 2
            self._train_or_recover(left)
            return
        self._retry_in_groups(left, max(1, len(left) // 2), cause)

    def _retry_in_groups(
        self, trials: Sequence[LeasedTrial], size: int, cause: FailureCause
    ) -> None:
        """Tries again in groups of `size`; a trial that failed alone fails."""
        left = _not_over(trials)
        if len(left) == 1 == len(trials):
            fail_trial(self._context.client, left[0], cause)
            return
        for start in range(0, len(left), size):
            self._train_or_recover(left[start : start + size])


def _not_over(trials: Iterable[LeasedTrial]) -> list[LeasedTrial]:
    return [trial for trial in trials if not trial.is_over]
