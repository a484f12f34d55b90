"""The best trials of many studies, found at once, are those found one by one."""

from __future__ import annotations

from rig import Rig

from hpsearch.store import ranking, studies, study_records

LOSS = {"metric": "val_loss", "direction": "minimize"}
ACCURACY = {"metric": "val_accuracy", "direction": "maximize"}


def trained(rig: Rig, worker: int, objective: object, values: list[float]) -> int:
    """A study whose trials came to these values of both metrics."""
    search = {"trials": len(values)}
    study_id = rig.submit(objective=objective, training={"epochs": 1}, search=search)
    for job, value in zip(rig.lease(worker, len(values)), values, strict=True):
        rig.report(job, 0, val_accuracy=value, val_loss=value)
        rig.complete(job)
    return study_id


def test_a_page_shows_the_best_trial_and_front_of_each_study(rig: Rig) -> None:
    worker = rig.join()
    empty = rig.submit(priority=-1)
    highest = trained(rig, worker, ACCURACY, [0.2, 0.9, 0.9])
    lowest = trained(rig, worker, LOSS, [0.4, 0.3, 0.8])
    both = trained(rig, worker, [LOSS, ACCURACY], [0.5, 0.1, 0.5])
    with rig.database.read() as session:
        page = {study.id: study for study in study_records.page(session, 10, None, None).studies}
        for study_id, record in page.items():
            best = ranking.best_trial(session, study_id, studies.spec_of(session, study_id))
            assert record.best_trial == (None if best is None else best.number)
            assert record.best_value == (None if best is None else best.value)
    assert [page[study].best_trial for study in (empty, highest, lowest, both)] == [None, 1, 1, 1]
    assert [page[study].pareto_front for study in (highest, both)] == [None, [0, 1, 2]]
