"""What runs beside the routes, again and again: leases that ran out, limits, what grew old.

Each study is looked at in a transaction of its own: the others need not wait for it, and what
fails in one keeps nothing from the rest.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from hpsearch.errors import HpsearchError, NotFound
from hpsearch.service.tuner import Tuner
from hpsearch.store import idempotency, jobs, leases, studies
from hpsearch.store.database import Database

logger = logging.getLogger("hpsearch.api")


def run_housekeeping(
    database: Database, tuner: Tuner, seconds: float, stopping: threading.Event
) -> None:
    """Sweeps every so many seconds until the server is stopping."""
    while not stopping.wait(seconds):
        sweep(database, tuner)


def sweep(database: Database, tuner: Tuner) -> None:
    """Takes expired leases back, holds studies to their limits, forgets what is old."""
    with _logged_failures():
        with database.read() as session:
            expired, unfinished = leases.expired_studies(session), studies.open_ids(session)
        for study_id in expired:
            _in_transaction(database, partial(tuner.expire, study_id=study_id))
        for study_id in unfinished:
            _in_transaction(database, partial(tuner.enforce_limits, study_id=study_id))
        _in_transaction(database, tuner.mark_lost_workers)
        _in_transaction(database, jobs.delete_old_predictions)
        _in_transaction(database, idempotency.delete_old)


def _in_transaction(database: Database, change: Callable[[Session], None]) -> None:
    with _logged_failures(), database.write() as session:
        change(session)


@contextmanager
def _logged_failures() -> Iterator[None]:
    try:
        yield
    except NotFound:
        logger.debug("a study was deleted while its turn came")
    except (HpsearchError, SQLAlchemyError) as error:
        logger.warning("housekeeping waits: %s", error)
