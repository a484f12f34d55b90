"""A new figure is one file and one line: it is served, shown, plotted and documented."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

FILE = '''
"""How many trials each stage has."""

from typing import Annotated, Literal

from hpsearch.plots.controls import LiteralSelect, LogAxes, LogBoxes
from hpsearch.plots.figure import Figure, FigureQuery, StudyData
from hpsearch.plots.style import PlotlyJson, layout


class TallyQuery(FigureQuery):
    """What may be chosen."""

    order: Annotated[Literal["by_stage", "by_size"], LiteralSelect("in order")] = "by_stage"
    """How stages stand."""
    log: Annotated[LogAxes, LogBoxes(axes="y")] = ""
    """`y` shows counts by decades."""


class TallyFigure(Figure[TallyQuery]):
    """How many trials each stage has."""

    name = "tally"
    title = "Trials by stage"
    alt = "Trials by stage, for {metric}"
    empty = "Bars appear with the first trial."
    query = TallyQuery
    redraw_seconds = 3.5

    def draw(self, data: StudyData, query: TallyQuery) -> PlotlyJson:
        bars = {"type": "bar", "x": [0], "y": [len(data.points())], "name": query.order}
        return {"data": [bars], "layout": layout(f"log: {query.log}", "stage", "trials")}
'''

CODE = """
import json, sys
from pathlib import Path

from fastapi.testclient import TestClient

from api.app import create_app
from hpsearch.client.plots import StudyPlots
from hpsearch.reference.catalogue import page
from hpsearch.settings import Settings

spec = {
    "name": "tallied",
    "task": {"dataset": "wine"},
    "optimizer": {"lr": {"log_uniform": [1e-4, 1.0]}},
}

class Transport:
    def get(self, path, answer, **query):
        response = browser.get("/api/v1" + path, params=query)
        return answer.model_validate_json(response.content)

with TestClient(create_app(Settings(data_dir=Path(sys.argv[1])))) as browser:
    token = browser.app.state.services.token
    headers = {"Authorization": f"Bearer {token}"}
    study = browser.post("/api/v1/studies", json=spec, headers=headers).json()["id"]
    address = f"/api/v1/studies/{study}/figures/tally"
    html = browser.get(f"/studies/{study}?token={token}&tally_order=by_size").text
    plots = StudyPlots(Transport(), study)
    print(json.dumps({
        "answer": browser.get(address, params={"order": "by_size"}, headers=headers).json(),
        "refused": browser.get(address, params={"order": "x"}, headers=headers).status_code,
        "openapi": browser.get("/openapi.json").json()["paths"],
        "html": html,
        "plotted": plots.tally("by_size", log=True).to_plotly_json()["layout"]["title"]["text"],
        "dir": dir(plots),
        "catalogue": page(),
    }))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a copy of the code shows of the figure, once it has its file and its line."""
    home = tmp_path_factory.mktemp("figure")
    for package in ("hpsearch", "api", "migrations"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, home / package, ignore=ignored)
    (home / "hpsearch/plots/tally_figure.py").write_text(FILE)
    table = home / "hpsearch/plots/__init__.py"
    first = '    "curves_figure:CurvesFigure",\n'
    assert table.read_text().count(first) == 1
    table.write_text(table.read_text().replace(first, f'{first}    "tally_figure:TallyFigure",\n'))
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(home / "data")],
        cwd=home, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_it_is_served_and_its_parameters_are_described(seen: dict[str, Any]) -> None:
    assert seen["answer"]["data"][0] == {"type": "bar", "x": [0], "y": [0], "name": "by_size"}
    assert seen["refused"] == 422
    (path,) = (path for path in seen["openapi"] if path.endswith("/figures/tally"))
    described = {
        p["name"]: p.get("description") for p in seen["openapi"][path]["get"]["parameters"]
    }
    assert described["order"] == "How stages stand."


def test_the_study_s_page_has_its_card_with_its_controls(seen: dict[str, Any]) -> None:
    html = " ".join(seen["html"].split())
    assert '<h2 id="h-tally">Trials by stage</h2>' in html
    assert '<select data-view="tally_order" >' in html
    assert '<option value="by_size" selected>by size</option>' in html
    assert '<input type="checkbox" data-view="tally_log" value="y" > log y' in html
    assert 'data-redraw-milliseconds="3500"' in html
    assert 'aria-label="Trials by stage, for val_accuracy"' in html


def test_study_plot_has_its_method(seen: dict[str, Any]) -> None:
    assert seen["plotted"] == "log: y"
    assert "tally" in seen["dir"]


def test_the_catalogue_lists_it(seen: dict[str, Any]) -> None:
    assert "| `tally` | How many trials each stage has. |" in seen["catalogue"]
