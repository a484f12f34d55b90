"""The examples in the docstrings of models and ensembles run on a small finished study."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest
from finished_study import finished
from pydantic import TypeAdapter

from hpsearch.ensemble_builder import build
from hpsearch.inference.ensemble import load_ensemble
from hpsearch.inference.model import model_of
from hpsearch.spec.ensemble import EnsembleSpec
from hpsearch.training.checkpoints.multi_run import run_checkpoints
from hpsearch.training.data.sources import load

MODULES = ("hpsearch.inference.ensemble", "hpsearch.inference.export", "hpsearch.inference.model")
EXAMPLES = [
    example
    for module in MODULES
    for example in doctest.DocTestFinder(exclude_empty=True).find(import_module(module))
    if example.examples
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_does_what_it_shows(
    example: doctest.DocTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = finished()
    request: EnsembleSpec = TypeAdapter(EnsembleSpec).validate_python({"kind": "top_k", "size": 3})
    content = build(request, study.spec, study.candidates, study).content
    monkeypatch.chdir(tmp_path)
    Path("wine.zip").write_bytes(content)
    runs = run_checkpoints(study.checkpoint(study.candidates[-1]))
    names = {
        "ensemble": load_ensemble(content),
        "model": model_of(runs, (13,)),
        "rows": load("wine").x[[0, 170]],
    }
    example.globs |= names
    printed: list[str] = []
    assert doctest.DocTestRunner().run(example, out=printed.append).failed == 0, "".join(printed)
