"""A new member of a family is one file and one line: it is then found wherever the others are.

The code is copied, every addition made to the copy, and the copy asked.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from additions import ADDITIONS, Addition

ROOT = Path(__file__).resolve().parents[2]

SHOWN = """
import json, sys
from pathlib import Path

from fastapi.testclient import TestClient
from typer.testing import CliRunner

from api.app import create_app
from hpsearch.cli.main import app
from hpsearch.client.plots import StudyPlots
from hpsearch.reference.catalogue import page
from hpsearch.settings import Settings

def command(*arguments):
    done = CliRunner(env={"COLUMNS": "300"}).invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return done.output

class Transport:
    def get(self, path, answer, **query):
        return answer.model_validate_json(browser.get("/api/v1" + path, params=query).content)

spec = {
    "name": "tallied",
    "task": {"dataset": "wine"},
    "optimizer": {"kind": "signed", "lr": {"log_uniform": [1e-4, 1.0]}},
    "schedule": {"kind": "sawtooth", "period": 2},
    "search": {"kind": "middle", "trials": 3},
    "pruner": "impatient",
    "ensemble": "duo",
    "objective": {"metric": "val_top2", "direction": "maximize"},
}
with TestClient(create_app(Settings(data_dir=Path(sys.argv[1])))) as browser:
    token = browser.app.state.services.token
    headers = {"Authorization": f"Bearer {token}"}
    def get(path, **query):
        return browser.get(path, params=query, headers=headers)
    study = browser.post("/api/v1/studies", json=spec, headers=headers).json()
    figure = f"/api/v1/studies/{study['id']}/figures/tally"
    sawtooth = {"schedule": spec["schedule"], "steps": 4, "steps_per_epoch": 1}
    form = {"name": "bars", "target": "y"}
    rows = "x|y\\n" + "".join(f"{i}|{'ab'[i % 2]}\\n" for i in range(40))
    file = {"file": ("bars.psv", rows)}
    plots = StudyPlots(Transport(), study["id"])
    print(json.dumps({
        "study": study,
        "lr": browser.post("/api/v1/schedules:preview", json=sawtooth, headers=headers).json(),
        "dataset": browser.post("/api/v1/datasets", data=form, files=file, headers=headers).json(),
        "figure": get(figure, order="by_size").json(),
        "figure_refused": get(figure, order="x").status_code,
        "openapi": browser.get("/openapi.json").json()["paths"],
        "study_page": browser.get(
            f"/studies/{study['id']}?token={token}&tally_order=by_size"
        ).text,
        "docs_page": browser.get("/docs").text,
        "plotted": plots.tally("by_size", log=True).to_plotly_json()["layout"]["title"]["text"],
        "plots": dir(plots),
        "catalogue": page(),
        "kinds": json.loads(command("kinds", "--json")),
        "ensemble_help": command("ensemble", "build", "--help"),
        "ensemble": browser.post(
            f"/api/v1/studies/{study['id']}/ensembles", json={"metric": "val_unknown"},
            headers=headers,
        ).json(),
        "datasets_help": command("datasets", "add", "--help"),
    }))
"""

TRAINED = """
import json

from hpsearch.search.pruners import CurveTable, judge, pruner_for
from hpsearch.search.samplers import sampler_for
from hpsearch.search.staging import first_stage
from hpsearch.spec.study import parse_study
from hpsearch.training.group.group import Group
from hpsearch.training.tasks.plan import Plan

document = {
    "name": "trained",
    "task": {"dataset": "wine"},
    "optimizer": {"kind": "signed", "lr": 0.01},
    "schedule": {"kind": "sawtooth", "period": 2},
    "training": {"epochs": 3, "batch_size": 1000},
    "pruner": "impatient",
    "objective": {"metric": "val_top2", "direction": "maximize"},
}
spec = parse_study(document)
reports = [report for (report,) in Group([Plan(0, spec, 3)]).epochs()]
searched = parse_study({**document, "optimizer": {"lr": {"log_uniform": [1e-4, 1]}},
                        "search": {"kind": "middle", "trials": 2}})
proposals = sampler_for(first_stage(searched).problem(searched)).suggest([0, 1])
table = CurveTable(spec.objectives[0])
table.add(0)
verdict = judge(pruner_for(spec.pruner, 0), table, 0, [0.5])
print(json.dumps({
    "metrics": [report.metrics for report in reports], "why": verdict.why,
    "proposed": [proposal.params["optimizer.lr"] for proposal in proposals],
}))
"""


COMBINED = """
import json
from hashlib import sha256

from hpsearch.ensemble_builder import build, predictions_blob
from hpsearch.spec.ensembles.members import GreedyEnsemble
from hpsearch.spec.study import parse_study
from hpsearch.spec.wire.ensembles import Candidate
from hpsearch.training.evaluation.predictions import Predictor
from hpsearch.training.group.group import Group
from hpsearch.training.tasks.plan import Plan

spec = parse_study({
    "name": "combined",
    "task": {"dataset": "wine"},
    "optimizer": {"lr": 0.01},
    "training": {"epochs": 1},
    "objective": {"metric": "val_top2", "direction": "maximize"},
})
plans = [Plan(number, spec, 1) for number in range(3)]
group = Group(plans)
(reports,) = group.epochs()
checkpoints, stored, candidates = {}, {}, []
for plan, report in zip(plans, reports):
    blob = checkpoints[plan.number + 1] = group.checkpoint(plan.number)
    digest, predicted = sha256(blob).hexdigest(), Predictor().predict(plan, blob)
    said = predictions_blob(predicted, trial=plan.number, epoch=0, checkpoint=digest)
    stored[plan.number + 1] = said
    candidates.append(Candidate(
        checkpoint=plan.number + 1, trial=plan.number, epoch=0, value=report.metrics["val_top2"],
        best=True, last=True, sha256=digest, predictions_sha256=sha256(said).hexdigest(),
    ))

class Stored:
    def predictions(self, candidate):
        return stored[candidate.checkpoint]

    def checkpoint(self, candidate):
        return checkpoints[candidate.checkpoint]

print(build(GreedyEnsemble(kind="greedy"), spec, candidates, Stored()).result.model_dump_json())
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code with every addition."""
    copy = tmp_path_factory.mktemp("house")
    for package in ("hpsearch", "api", "migrations"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, copy / package, ignore=ignored)
    for addition in ADDITIONS:
        addition.make(copy)
    return copy


def _printed(code: str, home: Path) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", code, str(home / "data")],
        cwd=home, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def shown(home: Path) -> Any:
    """What the copy's server, client and command line show."""
    return _printed(SHOWN, home)


@pytest.mark.parametrize("addition", ADDITIONS, ids=lambda addition: addition.section)
def test_documents_command_line_and_dashboard_list_it(addition: Addition, shown: Any) -> None:
    assert f"| `{addition.name}` |" in shown["catalogue"]
    assert addition.name in shown["kinds"][addition.section]
    assert f"<code>{addition.name}</code>" in shown["docs_page"]


def test_a_spec_may_name_it(shown: Any) -> None:
    spec = shown["study"]["spec"]
    assert [spec[part]["kind"] for part in ("optimizer", "schedule", "search", "pruner")] == [
        "signed", "sawtooth", "middle", "impatient",
    ]  # fmt: skip
    assert spec["ensemble"]["kind"] == "duo"
    assert spec["objective"]["metric"] == "val_top2"


def test_a_schedule_is_computed(shown: Any) -> None:
    assert shown["lr"]["lr"] == [1.0, 0.5, 1.0, 0.5]


def test_an_ensemble_is_in_the_form_and_in_the_command_s_help(shown: Any) -> None:
    assert 'value="duo"' in shown["study_page"]
    assert "duo" in shown["ensemble_help"]


def test_a_metric_may_choose_the_members_of_an_ensemble(shown: Any, home: Path) -> None:
    assert "val_top2" in shown["ensemble_help"]
    assert "<option>val_top2</option>" in shown["study_page"]
    assert "val_top2" in shown["ensemble"]["detail"]
    found = _printed(COMBINED, home)
    assert (found["headline"], found["chosen_by"]) == ("top2", "val_top2")
    assert found["test"]["top2"] >= found["test"]["accuracy"]
    assert found["intervals"]["top2_gain"].keys() == {"low", "high"}


def test_an_upload_format_is_recognised_and_in_the_command_s_help(shown: Any) -> None:
    assert (shown["dataset"]["rows"], shown["dataset"]["class_names"]) == (40, ["a", "b"])
    assert "psv" in shown["datasets_help"]


def test_a_figure_is_served_and_its_parameters_are_described(shown: Any) -> None:
    assert shown["figure"]["data"][0] == {"type": "bar", "x": [0], "y": [0], "name": "by_size"}
    assert shown["figure_refused"] == 422
    (path,) = (path for path in shown["openapi"] if path.endswith("/figures/tally"))
    parameters = shown["openapi"][path]["get"]["parameters"]
    described = {parameter["name"]: parameter.get("description") for parameter in parameters}
    assert described["order"] == "How stages stand."


def test_a_figure_has_its_card_with_its_controls(shown: Any) -> None:
    html = " ".join(shown["study_page"].split())
    assert '<h2 id="h-tally">Trials by stage</h2>' in html
    assert '<select data-view="tally_order" >' in html
    assert '<option value="by_size" selected>by size</option>' in html
    assert '<input type="checkbox" data-view="tally_log" value="y" > log y' in html
    assert 'data-redraw-milliseconds="3500"' in html
    assert 'aria-label="Trials by stage, for val_top2"' in html


def test_a_figure_is_a_method_of_study_plot(shown: Any) -> None:
    assert shown["plotted"] == "log: y"
    assert "tally" in shown["plots"]


def test_what_trains_and_judges_uses_it(home: Path) -> None:
    found = _printed(TRAINED, home)
    assert [metrics["lr"] for metrics in found["metrics"]] == pytest.approx([0.01, 0.005, 0.01])
    for metrics in found["metrics"]:
        assert 1 >= metrics["val_top2"] >= metrics["val_accuracy"] > 0
    assert found["why"] == "one epoch says it all"
    assert found["proposed"] == pytest.approx([0.01, 0.01])
