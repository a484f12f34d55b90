"""Ten tables of people, from file to searched model: `python -m benchmarks.tables`.

Each table of `people_tables` goes the way of a new user, at the first try: `hpsearch datasets add`
with nothing but its target, then `hpsearch submit` of one and the same spec for all. The test score
of its best trial stands beside scikit-learn's on the same rows, prepared by hand for those:

boosting   HistGradientBoosting at its defaults, fitted on the training rows
mlp        the best of 16 random MLPs (width, depth, learning rate, alpha) by the validation rows

Exits with 1 where ours is more than 2 points (numbers: 5 % of the error) behind the worse of both.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    roc_auc_score,
    root_mean_squared_error,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks.people_tables import MAKERS, PeopleTable, make
from hpsearch.client.client import Client
from hpsearch.processes.local_server import LocalDeployment
from hpsearch.spec.task import Split
from hpsearch.training.data.splits import SplitIndices, split_rows

CANDIDATES = 16
"""MLPs of scikit-learn that are tried."""
POINTS, SHARE = 0.02, 0.05
"""How far ours may be behind: of scores from 0 to 1, and of errors."""

SPEC: dict[str, Any] = {
    "task": {
        "model": {
            "kind": "mlp",
            "hidden": {"choice": [[32], [64, 64], [128, 64]]},
            "dropout": {"uniform": [0, 0.5]},
        }
    },
    "optimizer": {
        "kind": "adamw",
        "lr": {"log_uniform": [3e-4, 3e-2]},
        "weight_decay": {"log_uniform": [1e-4, 1]},
    },
    "schedule": {"kind": "cosine"},
    "training": {"epochs": 40, "batch_size": 32},
    "search": {"kind": "random", "trials": 40},
}
"""What is searched for every table; name, data set and objective come with each."""


@dataclass(frozen=True)
class Outcome:
    """A table's scores on its test rows."""

    rows: int
    columns: int
    metric: str
    ours: float
    boosting: float
    mlp: float
    upload: str
    """What `hpsearch datasets add` printed."""

    @property
    def behind(self) -> float:
        """How far ours is behind the worse of the two: of errors as a share, below 0 is ahead."""
        if self.metric == "rmse":
            return self.ours / max(self.boosting, self.mlp) - 1
        return min(self.boosting, self.mlp) - self.ours

    @property
    def is_level(self) -> bool:
        """Whether that is near enough."""
        return self.behind <= (SHARE if self.metric == "rmse" else POINTS)


def main() -> int:
    """Runs the tables; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"of {', '.join(MAKERS)}")
    parser.add_argument("--seed", type=int, default=0, help="of tables, splits and searches")
    parser.add_argument("--uploads", action="store_true", help="print what each upload answered")
    options = parser.parse_args()
    outcomes: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory() as home:
        os.environ["XDG_STATE_HOME"] = home
        with (
            LocalDeployment("127.0.0.1", 0, 1, Path(home) / "data") as deployment,
            Client(deployment.url, deployment.token) as client,
        ):
            # Named, as the folder here may have a server of its own.
            os.environ.update(HPSEARCH_SERVER=deployment.url, HPSEARCH_TOKEN=deployment.token)
            for name in options.tables or MAKERS:
                outcomes[name] = outcome = _run(name, options.seed, Path(home), client)
                print(_row(name, outcome), flush=True)
                if options.uploads:
                    print(outcome.upload, flush=True)
    print("\n".join(("", *_HEAD, *(_row(name, outcome) for name, outcome in outcomes.items()))))
    return int(not all(outcome.is_level for outcome in outcomes.values()))


_HEAD = (
    "| table | rows × columns | test metric | hpsearch | boosting | MLP | behind the worse |",
    "|---|---|---|---|---|---|---|",
)


def _row(name: str, outcome: Outcome) -> str:
    if outcome.metric == "rmse":
        scores = " | ".join(f"{v:.4g}" for v in (outcome.ours, outcome.boosting, outcome.mlp))
        behind = f"{100 * outcome.behind:+.1f} %"
    else:
        scores = " | ".join(f"{v:.3f}" for v in (outcome.ours, outcome.boosting, outcome.mlp))
        behind = f"{100 * outcome.behind:+.1f} points"
    size = f"{outcome.rows} × {outcome.columns}"
    return f"| {name} | {size} | {outcome.metric} | {scores} | {behind} |"


def _run(name: str, seed: int, folder: Path, client: Client) -> Outcome:
    table = make(name, seed)
    path = table.write(folder, name)
    upload = _hpsearch("datasets", "add", name, str(path), "--target", table.target)
    spec = {
        **SPEC, "name": name, "seed": seed, "task": {**SPEC["task"], "dataset": name},
        "objective": {
            "metric": f"val_{table.metric}",
            "direction": "minimize" if table.metric == "rmse" else "maximize",
        },
    }  # fmt: skip
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(spec))
    _hpsearch("submit", str(file), "--watch")
    best = client.studies(1)[0].best_trial
    if best is None:
        raise SystemExit(f"{name}: no trial came to a value")
    boosting, mlp = peers(table, seed)
    return Outcome(
        rows=len(table.frame),
        columns=len(table.frame.columns),
        metric=table.metric,
        ours=best.metrics[f"test_{table.metric}"],
        boosting=boosting,
        mlp=mlp,
        upload=upload,
    )


def _hpsearch(*arguments: str) -> str:
    """Runs the command line as a person would; returns what it printed."""
    command = [str(Path(sys.executable).parent / "hpsearch"), *arguments]
    environment = {**os.environ, "COLUMNS": "120"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def peers(table: PeopleTable, seed: int) -> tuple[float, float]:
    """Test scores of boosting and of the tuned MLP, on the rows that ours trains and tests on."""
    classes = table.metric != "rmse"
    target = table.frame[table.target]
    y: NDArray[Any] = (
        np.unique(target.astype(str), return_inverse=True)[1] if classes else _numbers(target)
    )
    split = split_rows(y, Split(), seed, classes=classes)
    x = table.clean
    boosting = (
        HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=seed)
        if classes
        else HistGradientBoostingRegressor(categorical_features="from_dtype", random_state=seed)
    )
    boosting.fit(x.iloc[split.train], y[split.train])
    score = SCORES[table.metric]
    return score(boosting, x.iloc[split.test], y[split.test]), _tuned_mlp(table, y, split, seed)


def _tuned_mlp(table: PeopleTable, y: NDArray[Any], split: SplitIndices, seed: int) -> float:
    """The test score of the MLP that is best on the validation rows."""
    x, score = table.clean, SCORES[table.metric]
    is_number = table.metric == "rmse"
    shift, scale = (y[split.train].mean(), y[split.train].std()) if is_number else (0, 1)
    rng = np.random.default_rng(seed)
    names = x.select_dtypes("category").columns
    found: list[tuple[float, float]] = []
    for _ in range(CANDIDATES):
        settings: dict[str, Any] = {
            "hidden_layer_sizes": [(32,), (64, 64), (128, 64)][rng.integers(3)],
            "learning_rate_init": 10 ** rng.uniform(-3.5, -1.5),
            "alpha": 10 ** rng.uniform(-5, 1),
            "max_iter": 60,
            "random_state": seed,
        }
        inputs = make_column_transformer(
            (
                make_pipeline(
                    SimpleImputer(strategy="most_frequent"),
                    OneHotEncoder(handle_unknown="ignore"),
                ),
                names,
            ),
            remainder=make_pipeline(SimpleImputer(strategy="median"), StandardScaler()),
            sparse_threshold=0,
        )
        mlp = MLPRegressor(**settings) if is_number else MLPClassifier(**settings)
        model = make_pipeline(inputs, mlp)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(
                x.iloc[split.train],
                (y[split.train] - shift) / scale if is_number else y[split.train],
            )
        values = [
            score(model, x.iloc[rows], (y[rows] - shift) / scale if is_number else y[rows])
            for rows in (split.validation, split.test)
        ]
        found.append((values[0], values[1] * (scale if is_number else 1)))
    chosen = min(found) if is_number else max(found)
    return chosen[1]


def _numbers(column: pd.Series) -> NDArray[np.float64]:
    """A target of numbers, also where it is written as `1.234,50 €`."""
    if column.dtype.kind in "if":
        return np.asarray(column, np.float64)
    plain = column.str.replace("[.€ ]", "", regex=True).str.replace(",", ".")
    return np.asarray(plain, np.float64)


def _average_precision(model: Any, x: pd.DataFrame, y: NDArray[Any]) -> float:
    return float(average_precision_score(y, model.predict_proba(x)[:, 1]))


def _auc(model: Any, x: pd.DataFrame, y: NDArray[Any]) -> float:
    return float(roc_auc_score(y, model.predict_proba(x)[:, 1]))


def _accuracy(model: Any, x: pd.DataFrame, y: NDArray[Any]) -> float:
    return float(accuracy_score(y, model.predict(x)))


def _rmse(model: Any, x: pd.DataFrame, y: NDArray[Any]) -> float:
    return float(root_mean_squared_error(y, model.predict(x)))


Score = Callable[[Any, pd.DataFrame, NDArray[Any]], float]
SCORES: Mapping[str, Score] = {
    "accuracy": _accuracy, "auc": _auc, "average_precision": _average_precision, "rmse": _rmse,
}  # fmt: skip
"""A fitted model's score on some rows, by the metric's name."""


if __name__ == "__main__":
    sys.exit(main())
