"""A study from submission to its last stored curve: `python -m benchmarks.end_to_end`.

64 random trials × 5 epochs of an MLP 64-64 on digits, adam, batches of 32, learning rate in
[1e-4, 1e-1] log-uniform. Two ways, interleaved, the median of several rounds:

ours      `hpsearch up` at its defaults (a server and a worker), started before the clock; a study
          submitted over REST, every curve and checkpoint stored on disk when the clock stops.
optuna    the same trials by Optuna's random sampler in this process, nothing stored on disk: a
          plain torch loop whose batches are index slices of tensors, with its losses and accuracy
          on the validation rows reported each epoch. With one thread and with torch's default.

Exits with 1 when ours is not the fastest.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import torch
from torch import Tensor, nn

from hpsearch.client.client import Client
from hpsearch.processes.local_server import LocalDeployment
from hpsearch.spec.study import parse_study
from hpsearch.training.data.datasets import DataSet, dataset_for

TRIALS = 64
EPOCHS = 5
BATCH = 32
ROUNDS = 3
SLOW = 5.0
"""A row so many times slower than the best is not measured again."""
LOW, HIGH = 1e-4, 1e-1

SPEC: dict[str, Any] = {
    "name": "end to end",
    "task": {"dataset": "digits", "model": {"kind": "mlp", "hidden": [64, 64]}},
    "optimizer": {"kind": "adam", "lr": {"log_uniform": [LOW, HIGH]}},
    "training": {"epochs": EPOCHS, "batch_size": BATCH},
    "search": {"kind": "random", "trials": TRIALS},
}


def main() -> int:
    """Measures; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--workers", type=int, default=1, help="of `hpsearch up`")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    data = dataset_for(
        parse_study(SPEC).supervised, 0, device=torch.device("cpu"), dtype=torch.float32
    )
    threads = torch.get_num_threads()
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as home:
        os.environ["XDG_STATE_HOME"] = home
        with (
            LocalDeployment("127.0.0.1", 0, options.workers, Path(home) / "data") as deployment,
            Client(deployment.url, deployment.token) as client,
        ):
            _await_worker(client)
            rows: dict[str, Callable[[int], float]] = {
                "ours": lambda seed: ours(client, seed),
                "optuna, 1 thread": lambda seed: in_process(data, seed, 1),
            }
            if threads > 1:
                rows[f"optuna, {threads} threads"] = lambda seed: in_process(data, seed, threads)
            for seed in range(options.rounds):
                for name, run in rows.items():
                    if seed and seconds[name][0] > SLOW * min(map(min, seconds.values())):
                        continue  # threads that wait for each other on a busy machine
                    seconds.setdefault(name, []).append(run(seed))
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    if options.json:
        print(json.dumps({"seconds": seconds, "medians": medians}))
    else:
        for name, value in medians.items():
            spread = f"{min(seconds[name]):.2f} to {max(seconds[name]):.2f}"
            print(f"{name:20s} {value:6.2f} s  ({spread})  {value / medians['ours']:5.2f} × ours")
    return int(min(medians.values()) < medians["ours"])


def ours(client: Client, seed: int) -> float:
    """Seconds from submission until every trial's last epoch is stored."""
    start = time.perf_counter()
    study = client.submit({**SPEC, "seed": seed})
    while True:
        study.refresh()
        if study.record.state == "complete":
            break
        time.sleep(0.01)
    seconds = time.perf_counter() - start
    curves = study.curves("val_loss").curves
    if [len(curve.epochs) for curve in curves] != [EPOCHS] * TRIALS:
        raise SystemExit("a curve is missing; the measurement is void")
    return seconds


def in_process(data: DataSet, seed: int, threads: int) -> float:
    """Seconds that Optuna takes for the same search."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.RandomSampler(seed=seed)
    start = time.perf_counter()
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(lambda trial: _objective(trial, data), n_trials=TRIALS)
    seconds = time.perf_counter() - start
    torch.set_num_threads(before)
    return seconds


def _objective(trial: optuna.Trial, data: DataSet) -> float:
    torch.manual_seed(trial.number)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)
    )
    lr = trial.suggest_float("lr", LOW, HIGH, log=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    loss_of = nn.CrossEntropyLoss()
    best = 0.0
    for epoch in range(EPOCHS):
        order = torch.randperm(len(data.train.x))
        total = torch.zeros(())
        for rows in order.split(BATCH):
            optimizer.zero_grad()
            loss = loss_of(model(data.train.x[rows]), data.train.y[rows])
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(rows)
        loss, accuracy = _measured(model, data.validation.x, data.validation.y)
        trial.report(accuracy, epoch)
        trial.set_user_attr(f"losses {epoch}", (float(total) / len(order), loss))
        best = max(best, accuracy)
    return best


@torch.no_grad()
def _measured(model: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:
    outputs = model(x)
    accuracy = (outputs.argmax(1) == y).double().mean()
    return float(nn.functional.cross_entropy(outputs, y)), float(accuracy)


def _await_worker(client: Client) -> None:
    """Start-up is not measured: a worker is ready that has run a study and has been idle since."""
    ready = {
        "name": "ready",
        "task": {"dataset": "quadratic"},
        "optimizer": {"kind": "sgd", "lr": 0.1},
        "search": {"trials": 1},
    }
    client.submit(ready).wait(60)
    time.sleep(4)


if __name__ == "__main__":
    sys.exit(main())
