"""`hpsearch predict` and `Ensemble.predict`: one table, whatever it comes in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from running import running
from typer.testing import CliRunner, Result

from hpsearch.cli import main
from hpsearch.client.client import Client
from hpsearch.errors import UnknownCategoryWarning


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main.app, list(arguments))


def orders(path: Path, rows: int) -> pd.DataFrame:
    """A table as people in Europe write it, and the same in pandas' types."""
    rng = np.random.default_rng(rows)
    frame = pd.DataFrame(
        {
            "price": (rng.random(rows) * 9000).round(2),
            "code": rng.choice(["007", "07", "0123"], rows),
            "paid": rng.random(rows) < 0.5,
            "ordered": pd.Timestamp("2023-02-01")
            + pd.to_timedelta(rng.integers(0, 900, rows), "D"),
        }
    )
    frame.loc[3, ["price", "ordered"]] = None
    price = [
        "-" if price != price else f"{price:,.2f} €".translate(str.maketrans(",.", ".,"))
        for price in frame["price"]
    ]
    days = frame["ordered"].dt.strftime("%d.%m.%Y")
    written = frame.assign(price=price, ordered=days, paid=frame["paid"].astype(str).str.upper())
    returned = (frame["code"] == "007") ^ frame["paid"]
    written.assign(returned=returned.astype(str)).to_csv(path, sep=";", index=False)
    return frame


def test_a_table_is_predicted_alike_by_path_by_id_and_from_a_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, fresh = tmp_path / "orders.csv", tmp_path / "fresh.csv"
    orders(file, 90)
    frame = orders(fresh, 40)
    with running() as deployment, Client(deployment.url, deployment.token) as client:
        monkeypatch.setenv("HPSEARCH_SERVER", deployment.url)
        monkeypatch.setenv("HPSEARCH_TOKEN", deployment.token)
        client.add_dataset("orders", file, target="returned")
        study = client.submit(
            {
                "name": "orders",
                "task": {"dataset": "orders", "model": {"kind": "linear"}},
                "optimizer": {"kind": "adam", "lr": 0.03},
                "training": {"epochs": 2},
                "search": {"trials": 1},
            }
        ).wait(60)
        ensemble = study.build_ensemble("top_k", size=1).wait(60)
        local = ensemble.load()
        assert set(local.columns) == set(frame.columns)
        answer = ensemble.ask(frame, strict=True)
        assert answer.probabilities == local.predict_probabilities(frame, strict=True).tolist()
        assert answer.labels == local.predict(frame).tolist() == ensemble.predict(frame)
        assert {type(label) for label in answer.labels or []} == {bool}
        path = str(ensemble.download(tmp_path / "orders.zip"))
        for which in (path, str(ensemble.id)):
            assert (
                json.loads(run("predict", which, str(fresh), "--json").stdout)
                == answer.model_dump()
            )
            printed = run("predict", which, str(fresh)).stdout.split()
            assert printed == [str(label).lower() for label in answer.labels or []]
        strange = frame.assign(code=["7", "8", *frame["code"][2:]])
        with pytest.warns(UnknownCategoryWarning, match="code: 2 rows of 40 with a category that"):
            assert len(ensemble.predict(strange)) == 40
        strange.to_parquet(tmp_path / "strange.parquet")
        for which in (path, str(ensemble.id)):
            found = run("predict", which, str(tmp_path / "strange.parquet"))
            assert "hpsearch: code: 2 rows of 40 with a category that no" in found.stderr
            assert len(found.stdout.split()) == 40
            refused = run("predict", which, str(tmp_path / "strange.parquet"), "--strict")
            assert refused.exit_code == 1
            assert "a category that a training row had, got '7', '8'" in str(refused.exception)
