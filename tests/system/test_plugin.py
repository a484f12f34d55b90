"""The example plug-in, installed where the worker runs and nowhere else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from processes import Service, until

from hpsearch.spec.language.document import read_document
from hpsearch.spec.language.states import StudyState, TrialState

EXAMPLES = Path(__file__).parents[2] / "examples"
STUDY = read_document((EXAMPLES / "plugin.yaml").read_bytes())


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the example's package is installed."""
    target = tmp_path_factory.mktemp("packages")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "--no-deps", "--target", target, EXAMPLES / "plugin_task"],
        check=True,
        timeout=120,
    )
    return target


@pytest.fixture(scope="module")
def plugin_service(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A server with a worker that has the package."""
    service = Service(tmp_path_factory.mktemp("plugin-service"))
    service.start_worker(PYTHONPATH=str(packages))
    yield service
    service.close()


def test_a_study_on_an_installed_plug_in_runs_to_its_end(plugin_service: Service) -> None:
    with plugin_service.client() as client:
        study = client.submit(STUDY).wait(120)
        assert study.state is StudyState.COMPLETE
        trials = study.trials()
        assert len(trials) == STUDY["search"]["trials"]
        assert {trial.params["task.params.model"] for trial in trials} == {"gru", "cnn"}
        for trial in trials:
            kind = trial.params["task.params.model"]
            inner = {name for name in trial.params if name.startswith("task.params.model[")}
            assert {name.partition("[")[2].partition("]")[0] for name in inner} == {kind}
            names = {"train_loss", "val_loss", "val_accuracy", "val_recall", "lr", "grad_norm"}
            assert names <= set(trial.metrics)
        best = max(trials, key=lambda trial: trial.value or 0)
        assert (best.value or 0) > 0.9
        assert study.checkpoints(best.number).checkpoints
        final = study.trial(best.number).metrics
        assert final["test_accuracy"] > 0.85
        for curve in study.curves("val_recall").curves:
            assert len(curve.epochs) == STUDY["training"]["epochs"]


def test_a_killed_worker_s_trial_goes_on_exactly(
    start_service: Callable[..., Service], packages: Path
) -> None:
    model = {"kind": "cnn", "filters": 16, "dropout": 0.3}
    spec = {
        **STUDY,
        "task": {**STUDY["task"], "params": {"rows": 800, "model": model}},
        "optimizer": {"kind": "adam", "lr": 0.01},
        "training": {"epochs": 15, "batch_size": 16},
        "search": {"trials": 1},
    }
    service = start_service(HPSEARCH_LEASE_SECONDS="3", HPSEARCH_CHECKPOINT_SECONDS="0.2")
    worker = service.start_worker(PYTHONPATH=str(packages))
    with service.client() as client:
        undisturbed = client.submit(spec).wait(120)
        study = client.submit(spec)
        until(lambda: study.trials() and study.checkpoints(0).checkpoints)
        worker.kill()
        assert study.trials()[0].state is TrialState.RUNNING
        service.start_worker(PYTHONPATH=str(packages))
        study.wait(120)
        assert [one.trials()[0].attempt for one in (undisturbed, study)] == [1, 2]
        for metric in ("train_loss", "val_loss", "val_recall"):
            expected, found = (one.curves(metric).curves[0] for one in (undisturbed, study))
            assert found.values == expected.values


def test_what_only_the_worker_can_know_fails_the_study_clearly(plugin_service: Service) -> None:
    limits = {"failed_trials": 2}

    def task(entry_point: str, **params: object) -> dict[str, object]:
        return {"kind": "plugin", "entry_point": entry_point, "params": params}

    cases = {
        "task.entry_point must name a plug-in that is installed where the worker runs, got "
        "'ripples'; install its package there (known: waves)": {"task": task("ripples")},
        "objective.metric must be one of val_loss, val_accuracy, val_recall, train_loss, "
        "train_objective for this plug-in, got val_precision": {
            "objective": {"metric": "val_precision", "direction": "maximize"}
        },
        "the plug-in waves must run model() without errors, got KeyError: 'model' "
        "(hpsearch_waves.py, line": {"task": task("waves")},
    }
    with plugin_service.client() as client:
        for message, sections in cases.items():
            study = client.submit({**STUDY, **sections, "limits": limits}).wait(60)
            assert study.state is StudyState.FAILED
            failed = study.trials(state="failed")
            assert len(failed) >= limits["failed_trials"]
            assert [message in (trial.message or "") for trial in failed[:2]] == [True, True]
            assert failed[0].attempt == 1
