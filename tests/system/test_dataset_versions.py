"""A data set is replaced under a study that runs: it goes on with its own rows, to the bit."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from processes import Service, until

from hpsearch.client.client import Study
from hpsearch.spec.language.states import StudyState

SPEC: dict[str, Any] = {
    "name": "rivers",
    "task": {"dataset": "rivers", "model": {"kind": "mlp", "hidden": [8]}},
    "optimizer": {"kind": "adam", "lr": {"log_uniform": [1e-3, 1e-1]}},
    "training": {"epochs": 3, "batch_size": 16},
    "search": {"trials": 10},
}


def write_table(path: Path, seed: int, rows: int) -> None:
    draw = random.Random(seed)
    lines = ["depth,bank,floods"]
    for _ in range(rows):
        depth, bank = draw.gauss(3, 1), draw.choice(["clay", "sand", "rock"])
        lines.append(f"{depth:.3f},{bank},{'yes' if depth > 3 or bank == 'sand' else 'no'}")
    path.write_text("\n".join(lines))


def numbers_of(study: Study) -> list[tuple[Any, ...]]:
    """Of every trial what it tried and came to, and what it measured in its last epoch."""
    measured = ("train_loss", "val_loss", "val_accuracy", "grad_norm")
    return [
        (trial.params, trial.value, [trial.metrics[name] for name in measured])
        for trial in study.trials()
    ]


def test_a_study_goes_on_with_its_own_rows_when_they_are_replaced(
    start_service: Callable[..., Service], tmp_path: Path
) -> None:
    service = start_service()
    table = tmp_path / "rivers.csv"
    write_table(table, seed=1, rows=150)
    first_worker = service.start_worker(f"--data-dir={tmp_path / 'first'}", "--capacity=1")
    with service.client() as client:
        client.add_dataset("rivers", table, target="floods")
        before = client.submit(SPEC).wait(90)
        assert before.state is StudyState.COMPLETE, before.events()
        under_way = client.submit(SPEC)
        until(lambda: under_way.refresh().record.counts.complete)
        under_way.pause()
        write_table(table, seed=2, rows=180)
        assert client.add_dataset("rivers", table, target="floods", replace=True).version == 2
        assert first_worker.end() == 0
        after, named = (
            client.submit({**SPEC, "task": {**SPEC["task"], **more}, "search": {"trials": 1}})
            for more in ({}, {"dataset_version": 1})
        )
        # Its cache is empty: it has to fetch the rows that were replaced.
        service.start_worker(f"--data-dir={tmp_path / 'second'}")
        under_way.resume()
        for study in (under_way, after, named):
            study.wait(90)
            assert study.state is StudyState.COMPLETE, study.events()
        assert numbers_of(under_way) == numbers_of(before)
        assert numbers_of(named) == numbers_of(before)[:1]
        assert numbers_of(after) != numbers_of(before)[:1]
        assert after.spec["task"]["dataset_version"] == 2
        assert len(list((tmp_path / "second" / "cache" / "datasets").iterdir())) == 2
        # Whoever is over still has its rows: for ensembles, and for its page.
        ensemble = before.build_ensemble("greedy", size=2).wait(60)
        assert ensemble.load().predict([{"depth": 9, "bank": "sand"}]).tolist() == ["yes"]
        page = service.page(f"/studies/{before.id}")
        assert "version 1 of 2" in " ".join(page.split()).replace("<small>", "")
