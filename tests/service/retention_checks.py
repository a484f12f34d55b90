"""Which checkpoints a study has left, and what decides it: pins and the collection of garbage."""

from __future__ import annotations

from typing import Any

from rig import Rig

from hpsearch.spec.wire.jobs import GarbageCollectionRequest, Job
from hpsearch.spec.wire.records import GarbageCollection
from hpsearch.store import checkpoints

GREEDY = {"kind": "greedy", "size": 2}


def begun(rig: Rig, trials: int = 1, epochs: int = 2, **sections: Any) -> tuple[int, list[Job]]:
    """A study all of whose trials one worker has taken."""
    study = rig.submit(search={"trials": trials}, training={"epochs": epochs}, **sections)
    return study, rig.lease(rig.join(), trials)


def retained(rig: Rig, study: int) -> list[tuple[int, int]]:
    """(trial, epoch) of every checkpoint; the files on disk are theirs and no others."""
    found = rig.checkpoints(study)
    with rig.database.read() as session:
        keys = checkpoints.artifact_keys_of_study(session, study)
    files = [key for key in rig.artifacts() if key.startswith(f"studies/{study}/trials/")]
    assert files == sorted(keys)
    return [(one.trial, one.epoch) for one in found]


def collect(rig: Rig, older_than: float = 3600, *, dry_run: bool = False) -> GarbageCollection:
    terms = GarbageCollectionRequest(dry_run=dry_run, older_than_seconds=older_than)
    files = rig.tuner.context.artifacts.files()
    return rig.do(lambda session: rig.tuner.collect_garbage(session, files, terms))


def pin(rig: Rig, study: int, trial: int, epoch: int, *, pinned: bool = True) -> None:
    (found,) = [
        one.id for one in rig.checkpoints(study) if (one.trial, one.epoch) == (trial, epoch)
    ]
    rig.do(lambda session: checkpoints.pin(session, found, pinned=pinned))
