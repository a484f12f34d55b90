"""When a worker sends a request again, and when its failure is final.

what the request met       is it sent again?                      when is the failure final?
ServerUnreachable,         for as long as it takes                once the worker is told to end
DatabaseUnavailable
ServerFault                `max_faults` times; without end        then, as ServerRefused
                           where the request asks for work
StorageFull                after `room_seconds`, where nothing    at once elsewhere
                           else could be said to the server
any other error            never                                  at once

What was trained meanwhile waits in memory: a server that is away for an hour costs no epoch.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from hpsearch.client.transport import TRANSIENT_ERRORS
from hpsearch.errors import ServerFault, ServerRefused, StorageFull

T = TypeVar("T")

logger = logging.getLogger("hpsearch.worker")


@dataclass(frozen=True)
class RetryPolicy:
    """How long and how often a worker's requests are tried."""

    attempt_seconds: float = 5.0
    """How long one attempt lasts: within it the transport repeats a request that fails, 0.1 s to
    2 s apart."""
    max_faults: int = 100
    """Attempts at a request that end with the server failing, which take 8 minutes and more:
    whatever is out of order for a while is waited for, and what breaks the server each time is
    given up."""
    room_seconds: float = 2.0
    """How long a server without room for a line in its database is left alone."""

    def send(
        self,
        request: Callable[[], T],
        stop: threading.Event,
        *,
        is_for_work: bool = False,
        waits_for_room: bool = False,
    ) -> T:
        """The answer to a request, sent until there is one or its failure is final.

        Args:
            request: makes one attempt.
            stop: set when the worker is told to end; the failure then met is final.
            is_for_work: it asks for work, so that nothing is lost by asking without end.
            waits_for_room: there is nothing else that the worker could do until it is answered.

        Raises:
            ServerRefused: when the server failed at it `max_faults` times.
            HpsearchError: when another failure is final.
        """
        faults = 0
        while True:
            try:
                return request()
            except StorageFull as error:
                if not waits_for_room or stop.is_set():
                    raise
                faults = 0
                logger.warning("waiting: %s", error)
                stop.wait(self.room_seconds)
            except TRANSIENT_ERRORS as error:
                faults += isinstance(error, ServerFault)
                if stop.is_set():
                    raise
                if faults >= self.max_faults and not is_for_work:
                    raise ServerRefused(
                        500, error.code, f"a server must not fail at one request {faults} times, "
                        f"the last time: {error}",
                    ) from error  # fmt: skip
                logger.warning("waiting: %s", error)
