"""Ensembles by a real server and real workers: damage, deaths, and use far from both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from processes import Service, until

import hpsearch
from hpsearch.client.client import Study
from hpsearch.spec.language.states import EnsembleState, EventKind, StudyState
from hpsearch.spec.wire.records import Checkpoint
from hpsearch.training.data.sources import load

SPEC = {
    "name": "ensembles",
    "task": {"dataset": "digits", "model": {"kind": "mlp", "hidden": [16]}},
    "optimizer": {"kind": "adam", "lr": {"log_uniform": [1e-3, 1e-2]}},
    "training": {"epochs": 3},
    "search": {"trials": 6},
}
ELSEWHERE = """
import sys
import numpy as np
import hpsearch
rows = np.load("rows.npy")
for number, place in enumerate(sys.argv[1:]):
    ensemble = hpsearch.load_ensemble(place)
    shares, labels = ensemble.predict_probabilities(rows), ensemble.predict(rows)
    np.savez(f"said-{number}.npz", shares=shares, labels=labels)
print(*sorted({"sqlalchemy", "fastapi", "uvicorn"} & set(sys.modules)))
"""


def best_of(study: Study, number: int) -> Checkpoint:
    return next(one for one in study.checkpoints(number).checkpoints if one.best)


def files_of(service: Service, one: Checkpoint) -> tuple[Path, Path]:
    """Where a checkpoint and its predictions lie on the server's disk."""
    trials = service.data_dir / "artifacts" / "studies" / str(one.study_id) / "trials"
    assert one.predictions_sha256 is not None
    checkpoint, predictions = (
        next(trials.rglob(f"*-{sha256[:16]}.safetensors"))
        for sha256 in (one.sha256, one.predictions_sha256)
    )
    return checkpoint, predictions


def test_damaged_truncated_and_swapped_files_are_named_and_left_out(service: Service) -> None:
    with service.client() as client:
        study = client.submit(SPEC).wait(60)
        ranked = [trial.number for trial in study.best(6)]
        whole = study.build_ensemble("top_k", size=6).wait(60)
        assert not whole.warnings
        assert [member.trial for member in whole.members] == ranked

        flipped, truncated, one, other = (best_of(study, number) for number in ranked[:4])
        for path in files_of(service, flipped):
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
        for path in files_of(service, truncated):
            path.write_bytes(path.read_bytes()[:-100])
        for path, its in zip(files_of(service, one), files_of(service, other), strict=True):
            content, swapped = path.read_bytes(), its.read_bytes()
            path.write_bytes(swapped)
            its.write_bytes(content)

        for kind in ("top_k", "greedy"):
            ensemble = study.build_ensemble(kind, size=6).wait(60)
            told = [warning.partition(":")[0] for warning in ensemble.warnings]
            for harmed in (flipped, truncated, one, other):
                name = f"checkpoint {harmed.id} of trial {harmed.trial}, epoch {harmed.epoch}"
                assert told.count(name) == 1, ensemble.warnings
                assert (harmed.trial, harmed.epoch) not in [
                    (member.trial, member.epoch) for member in ensemble.members
                ]
            assert ensemble.members
            *left_out, single = ensemble.warnings
            assert all(warning.endswith("it is left out") for warning in left_out)
            assert f"the best epoch of trial {ranked[0]}" in single
            loaded = ensemble.load()
            assert len(loaded.predict(load("digits").x[:7])) == 7


def test_ensembles_asked_for_by_a_spec_are_built_and_used_without_the_service(
    start_service: Callable[..., Service], tmp_path: Path
) -> None:
    service = start_service()
    service.start_worker()
    asked = [
        {"kind": "greedy", "size": 3},
        {"kind": "top_k", "size": 2, "combine": "vote"},
        {"kind": "reinit", "size": 2},
    ]
    rows = load("digits").x[100:140]
    with service.client() as client:
        study = client.submit({**SPEC, "ensemble": asked, "search": {"trials": 3}}).wait(90)
        assert study.state is StudyState.COMPLETE, study.events()
        ensembles = study.ensembles()
        assert [one.kind for one in ensembles] == ["greedy", "top_k", "reinit"]
        assert all(one.automatic for one in ensembles)
        assert {one.state for one in ensembles} == {EnsembleState.COMPLETE}
        assert len(study.trials()) == 4, "one more initialisation of the best configuration"
        *earlier, end = study.events()
        assert [event.kind for event in earlier].count(EventKind.ENSEMBLE_COMPLETE) == 3
        assert end.kind is EventKind.STATE_CHANGED
        assert "running → complete" in end.message
        answers = [one.ask(rows) for one in ensembles]
        (tmp_path / "elsewhere").mkdir()
        places = [
            one.download(tmp_path / "elsewhere" / name)
            for one, name in zip(ensembles, ("a.zip", "b", "c/d.zip"), strict=True)
        ]
    service.close()
    np.save(tmp_path / "elsewhere" / "rows.npy", rows)
    done = subprocess.run(
        [sys.executable, "-P", "-c", ELSEWHERE, *map(str, places)],
        cwd=tmp_path / "elsewhere", capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path / "elsewhere")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "", "no server, no database"
    for number, (place, answer) in enumerate(zip(places, answers, strict=True)):
        with np.load(tmp_path / "elsewhere" / f"said-{number}.npz") as said:
            assert answer.probabilities is not None
            assert said["shares"].tobytes() == np.array(answer.probabilities).tobytes()
            assert said["labels"].tolist() == answer.labels
            here = hpsearch.load_ensemble(place).predict_probabilities(rows)
            assert said["shares"].tobytes() == here.tobytes()


def test_a_worker_killed_while_it_builds_costs_no_ensemble(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(HPSEARCH_LEASE_SECONDS="5")
    worker = service.start_worker()
    with service.client() as client:
        study = client.submit({**SPEC, "checkpoints": {"every": 1}}).wait(60)
        ensemble = study.build_ensemble(size=100, bags=150)
        until(lambda: ensemble.refresh().state is EnsembleState.RUNNING)
        worker.kill()
        assert ensemble.refresh().state is EnsembleState.RUNNING, "it was done before the kill"
        service.start_worker()
        found = ensemble.wait(60)
        assert found.members
        lost = [event for event in study.events() if event.kind is EventKind.LEASE_EXPIRED]
        assert len(lost) == 1, json.dumps([event.message for event in study.events()])
