"""What the server does by itself, study by study."""

from __future__ import annotations

from typing import Any

import pytest
from rig import Rig
from sqlalchemy import update

from api.housekeeping import sweep
from hpsearch.spec.states import StudyState, TrialState
from hpsearch.store.tables import StudyRow


def _broken(rig: Rig, study: int) -> None:
    """A study that this version cannot read."""
    document: dict[str, Any] = {"task": {"kind": "of a later version"}}
    change = update(StudyRow).where(StudyRow.id == study).values(spec=document)
    rig.do(lambda session: session.execute(change))


def test_leases_and_limits_of_every_study(rig: Rig) -> None:
    lost, long = rig.submit(), rig.submit(limits={"seconds": 60})
    worker = rig.join()
    first, second = rig.lease(worker), rig.lease(worker, 9)
    rig.run_out(*first, *(job for job in second if job.study_id == lost))
    late = update(StudyRow).where(StudyRow.id == long).values(started_at=1.0)
    rig.do(lambda session: session.execute(late))
    sweep(rig.database, rig.tuner)
    assert rig.trial(lost, 0).state is TrialState.QUEUED
    assert rig.study(long).state is not StudyState.RUNNING


def test_a_study_that_cannot_be_read_holds_up_no_other(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    broken, whole = rig.submit(), rig.submit()
    worker = rig.join()
    rig.lease(worker, 6)
    rig.lease(worker, 6)
    rig.run_out()
    _broken(rig, broken)
    sweep(rig.database, rig.tuner)
    assert rig.trial(whole, 0).state is TrialState.QUEUED
    assert "housekeeping waits: " in caplog.text
