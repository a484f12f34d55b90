"""What the server refuses of one trial costs the others nothing.

Requests carry what several trials have to say, and the server takes all of a request or nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias, TypeVar

from hpsearch.errors import HpsearchError, NotFound, StaleLease, StorageFull
from workers.failures import STOPPING, WORKER_ERRORS, FailureCause, cause_of, fail_job
from workers.leased_trial import LeasedTrial
from workers.server_api import WorkerClient

logger = logging.getLogger("hpsearch.worker")

T = TypeVar("T")
Items: TypeAlias = Sequence[tuple[LeasedTrial, T]]


def send_all_or_each(
    client: WorkerClient, items: Items[T], send: Callable[[Items[T]], None]
) -> None:
    """Sends items in one request; where that is refused, each on its own.

    A trial whose item is refused alone is over: dropped when its lease is gone, else failed.

    Args:
        client: the server.
        items: what is to be sent of each trial; a trial may have several.
        send: makes the request for some of the items.

    Raises:
        StorageFull: when the server has no room, which is no trial's fault.
        HpsearchError: of `WORKER_ERRORS`.
    """
    if not items:
        return
    try:
        send(items)
    except (*WORKER_ERRORS, StorageFull):
        raise
    except (HpsearchError, MemoryError) as error:
        if len(items) > 1:
            for item in items:
                if not item[0].is_over:
                    send_all_or_each(client, [item], send)
            return
        trial = items[0][0]
        if isinstance(error, StaleLease | NotFound):
            trial.drop()
        else:
            logger.warning("job %d is refused: %s", trial.job.id, error)
            fail_trial(client, trial, cause_of(error))


def fail_trial(client: WorkerClient, trial: LeasedTrial, cause: FailureCause) -> None:
    """Tells the server why a trial is not done; it is over then."""
    if not trial.is_over:
        fail_job(client, trial.job, cause)
        trial.is_over = True


def release_trials(
    client: WorkerClient, trials: Iterable[LeasedTrial], cause: FailureCause = STOPPING
) -> None:
    """Gives trials that are not over back to the server, which queues them again."""
    for trial in trials:
        fail_trial(client, trial, cause)
