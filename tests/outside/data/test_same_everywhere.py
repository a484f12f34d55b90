"""A value means the same in every place: one table, written, read and predicted in many ways.

Tables are drawn column by column; each is written as CSV and as Parquet, one of numbers alone as
npz too. A model with drawn weights is made of each file as training makes one, and predicts the
rows of its own file in every form that people have rows in: the outputs are the same bits, and
those of the models of the other files too.
"""

from __future__ import annotations

import csv
import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score
from studies import study

from hpsearch.client.rows import json_rows
from hpsearch.ensemble_builder.manifest import Manifest, MemberEntry, PartEntry
from hpsearch.inference.ensemble import TrainedEnsemble
from hpsearch.inference.input_files import read_rows
from hpsearch.inference.model import model_of
from hpsearch.spec.wire.ensembles import PredictRequest
from hpsearch.spec.wire.upload import ColumnUse
from hpsearch.training.checkpoints import checkpoint as checkpoints
from hpsearch.training.checkpoints.checkpoint import Checkpoint
from hpsearch.training.data.encoding import fit_encoding
from hpsearch.training.data.standardize import fit
from hpsearch.training.models import model_for
from hpsearch.training.uploads.cells import MISSING_MARKS
from hpsearch.training.uploads.formats import read
from hpsearch.training.uploads.read_options import ReadOptions
from hpsearch.training.uploads.table import Table

TARGET = "outcome"
PART = "parts/only.safetensors"


@dataclass(frozen=True)
class Drawn:
    """A column: its values, and how each is written as text."""

    kind: str
    use: ColumnUse | None
    values: list[Any]
    """None where one is missing."""
    texts: list[str]

    @property
    def has_missing(self) -> bool:
        return None in self.values


@st.composite
def columns(draw: st.DrawFn, kind: str, rows: int, *, may_miss: bool = True) -> Drawn:
    """A column of a kind, in which two values differ; all its dates are written in one order."""
    values = draw(st.lists(VALUES[kind], min_size=rows, max_size=rows))
    if kind == "day":
        kind = draw(st.sampled_from(("day", "european day")))
    values[:2] = SURE[kind]
    texts = [draw(TEXTS[kind](value)) for value in values]
    if may_miss:
        holes = draw(st.sets(st.integers(2, rows - 1), max_size=rows // 3))
        for row in sorted(holes):
            values[row], texts[row] = None, draw(st.sampled_from(MISSING_MARKS))
    return Drawn(kind, USES.get(kind), values, texts)


def _padded(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from(("", " ", "\u00a0")).map(lambda space: f"{space}{text}{space}")


def _truth(value: bool) -> st.SearchStrategy[str]:
    return st.sampled_from(("true", "True", "TRUE") if value else ("false", "False", "FALSE"))


def _moment(value: datetime.datetime) -> st.SearchStrategy[str]:
    return st.sampled_from(("T", " ")).map(value.isoformat)


WORDS = ("oak", "ash", "yew tree", "Ölbaum", "7b", "N")
VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "number": st.floats(-1e12, 1e12),
    "whole": st.integers(-(2**53), 2**53),
    "code": st.integers(0, 4),
    "padded code": st.sampled_from(("007", "07", "7", "0010")),
    "truth": st.booleans(),
    "word": st.sampled_from(WORDS),
    "day": st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 1, 1)),
    "moment": st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2100, 1, 1)),
    "two numbers": st.sampled_from((0.5, 1.5)),
    "two whole": st.sampled_from((0, 1)),
}
SURE: Mapping[str, list[Any]] = {
    "number": [0.1, -3.5], "whole": [3, -40], "code": [0, 1], "padded code": ["007", "7"],
    "truth": [True, False], "word": ["oak", "ash"], "two numbers": [0.5, 1.5], "two whole": [0, 1],
    "day": [datetime.date(2024, 1, 31), datetime.date(2023, 12, 5)],
    "european day": [datetime.date(2023, 12, 5), datetime.date(2024, 1, 31)],
    "moment": [datetime.datetime(2024, 1, 31, 5, 6), datetime.datetime(2023, 12, 5, 23, 59, 7)],
}  # fmt: skip
TEXTS: Mapping[str, Any] = {
    "number": lambda value: st.just(repr(value)),
    "whole": lambda value: _padded(str(value)),
    "code": lambda value: st.sampled_from((str(value), f"{value}.0", f" {value}")),
    "padded code": _padded,
    "truth": _truth,
    "word": _padded,
    "day": lambda value: st.just(value.isoformat()),
    "european day": lambda value: st.just(value.strftime("%d.%m.%Y")),
    "moment": _moment,
    "two numbers": lambda value: st.just(str(value)),
    "two whole": lambda value: st.just(str(value)),
}
USES: Mapping[str, ColumnUse] = {
    "number": "number", "whole": "number", "code": "category", "padded code": "category",
    "word": "category", "two numbers": "category", "day": "date", "european day": "date",
    "moment": "date",
}  # fmt: skip
"""What a person says; the rest is decided by the values."""

FEATURES = ("number", "whole", "code", "padded code", "truth", "word", "day", "moment")
TARGETS = {"truth": bool, "word": str, "two whole": int, "two numbers": float}
DTYPES = {
    "number": "float64", "whole": "Int64", "code": "Int64", "padded code": "str",
    "truth": "boolean", "word": "category", "day": "datetime64[s]", "european day": "datetime64[s]",
    "moment": "datetime64[us]",
    "two numbers": "float64", "two whole": "int64",
}  # fmt: skip


@st.composite
def tables(draw: st.DrawFn, kinds: tuple[str, ...] = FEATURES) -> dict[str, Drawn]:
    """A table: columns by name, the target last."""
    rows = draw(st.integers(6, 20))
    chosen = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=5))
    found = {f"c{i} {kind}": draw(columns(kind, rows)) for i, kind in enumerate(chosen)}
    return {**found, TARGET: draw(columns(draw(st.sampled_from([*TARGETS])), rows, may_miss=False))}


def frame_of(table: Mapping[str, Drawn]) -> pd.DataFrame:
    """The table as pandas has it, each column in a type of its own."""
    return pd.DataFrame(
        {name: pd.Series(c.values, dtype=DTYPES[c.kind]) for name, c in table.items()}
    )


def arrow_of(table: Mapping[str, Drawn]) -> pa.Table:
    return pa.table({name: pa.array(column.values) for name, column in table.items()})


def written(table: Mapping[str, Drawn], directory: Path) -> dict[str, Path]:
    """The table as files by their format."""
    files = {"csv": directory / "table.csv", "parquet": directory / "table.parquet"}
    with files["csv"].open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        writer.writerows(zip(*(column.texts for column in table.values()), strict=True))
    pq.write_table(arrow_of(table), files["parquet"])
    return files


def ensemble_of(table: Table) -> TrainedEnsemble:
    """An ensemble of one model with drawn weights, whose encoding is fitted to all rows.

    It goes through the bytes of a checkpoint, as every model does.
    """
    encoding = fit_encoding(table.columns, table.x)
    numbers = None if table.classes else table.y
    fitted = fit(table.x, "zscore", numbers, encoding)
    spec = study("a table")
    features = fitted.shift.shape
    generator = torch.Generator().manual_seed(3)
    model = model_for(spec.supervised.model, features, len(table.classes) or 1)
    weights = {
        name: torch.randn(shape, generator=generator) for name, shape in model.shapes.items()
    }
    saved = Checkpoint(
        0, 0, 1, spec, table.classes, weights, {}, {}, fitted, class_type=table.class_type
    )
    restored = checkpoints.read(checkpoints.write(saved))
    manifest = Manifest(
        hpsearch="0", study="a table", kind="top_k", combine="mean",
        classes=table.classes, class_type=table.class_type, features=features,
        columns=tuple(column.name for column in encoding.columns), target="classes",
        members=(MemberEntry(trial=0, epoch=0, weight=1.0, part=PART),),
        parts=(PartEntry(file=PART, sha256="0" * 64, weight=1.0),),
    )  # fmt: skip
    return TrainedEnsemble(manifest, [(manifest.parts[0], model_of([restored], ()).double())])


class Polars:
    """A frame as those of polars are: Arrow reads it, its texts are views or large."""

    def __init__(self, table: pa.Table, text: pa.DataType) -> None:
        fields = [
            field.with_type(text) if pa.types.is_string(field.type) else field
            for field in table.schema
        ]
        self._table = table.cast(pa.schema(fields))
        self.columns = table.column_names

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)


def _without_missing(row: dict[str, Any], names: Any) -> dict[str, Any]:
    """The row's values, and one that is missing where all are."""
    present = {name: row[name] for name in names if row[name] is not None}
    return present or {names[0]: None}


def forms(table: Mapping[str, Drawn], files: Mapping[str, Path], names: Any) -> dict[str, Any]:
    """The table's rows in every form that people have them in, by what it is."""
    frame, arrow = frame_of(table), arrow_of(table)
    records = arrow.to_pylist()
    texts = {name: pd.Series(column.texts, dtype="str") for name, column in table.items()}
    as_json = files["csv"].with_name("rows.json")
    as_json.write_text(json.dumps(json_rows(frame, names)))
    floats = [name for name, c in table.items() if c.kind in ("whole", "code", "two whole")]
    return {
        "a CSV file": read_rows(files["csv"], names),
        "a Parquet file": read_rows(files["parquet"], names),
        "a JSON file": read_rows(as_json, names),
        "pandas": frame,
        "pandas, columns in another order": frame[frame.columns[::-1]],
        "pandas, objects": frame.astype(object).where(frame.notna(), None),
        "pandas, floats for whole numbers": frame.astype(dict.fromkeys(floats, "float64")),
        "pandas, Arrow's types": frame.convert_dtypes(dtype_backend="pyarrow"),
        "pandas, all text": pd.DataFrame(texts),
        "polars": pl.from_arrow(arrow),
        "polars, categories": pl.from_arrow(arrow).cast({pl.String: pl.Categorical}),
        "polars, texts as views": Polars(arrow, pa.string_view()),
        "polars of old": Polars(arrow, pa.large_string()),
        "Arrow": arrow,
        "a batch of Arrow": arrow.combine_chunks().to_batches()[0],
        "a dict for each row": records,
        "a dict without what is missing": [_without_missing(row, names) for row in records],
        "a dict of texts": pd.DataFrame(texts).to_dict("records"),
    }


def asked_of_a_server(ensemble: TrainedEnsemble, x: Any, names: Any) -> Any:
    """The answer of a worker, over the JSON that client and server send."""
    body = json.dumps({"inputs": json_rows(x, names), "strict": True})
    request = PredictRequest.model_validate_json(body)
    answer = ensemble.answer(request.inputs, strict=request.strict)
    return type(answer).model_validate_json(answer.model_dump_json())


OF_TEXT = ("a CSV file", "pandas, all text", "a dict of texts")

SETTINGS = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SETTINGS
@given(table=tables())
def test_training_rows_are_predicted_alike_in_every_form(
    table: dict[str, Drawn], tmp_path: Path
) -> None:
    files = written(table, tmp_path)
    uses = {name: column.use for name, column in table.items() if column.use is not None}
    expected: NDArray[Any] | None = None
    for form, path in files.items():
        read_table = read(path, ReadOptions(form, TARGET, uses))
        ensemble = ensemble_of(read_table)
        assert set(ensemble.columns) == set(table) - {TARGET}
        # What training computes of its own matrix, without any cell being read again.
        outputs = ensemble._combined(read_table.x).values
        expected = outputs if expected is None else expected
        assert outputs.tobytes() == expected.tobytes(), f"a model of {form}"
        labels = ensemble.predict(read_rows(path, ensemble.columns), strict=True)
        truth = table[TARGET]
        assert {type(label) for label in labels.tolist()} == {TARGETS[truth.kind]}
        is_right = read_table.y == outputs.argmax(1)
        np.testing.assert_array_equal(labels == np.array(truth.values), is_right)
        if truth.kind != "two numbers":  # scikit-learn takes no fractions for classes
            assert accuracy_score(frame_of(table)[TARGET], labels) == np.mean(is_right)
        # Which of its numbers a text like 05.12.2023 begins with, typed dates cannot show.
        is_typed = form == "parquet" and "european day" in {c.kind for c in table.values()}
        for name, x in forms(table, files, ensemble.columns).items():
            if is_typed and name in OF_TEXT:
                continue
            found = ensemble.predict_probabilities(x, strict=True)
            assert found.tobytes() == expected.tobytes(), f"a model of {form}, {name}"
            assert ensemble.unknown_categories(x) == {}
            if not isinstance(x, Polars):
                answer = asked_of_a_server(ensemble, x, ensemble.columns)
                assert np.array(answer.probabilities).tobytes() == expected.tobytes(), name
                assert answer.labels == labels.tolist()
                assert {type(label) for label in answer.labels} == {TARGETS[truth.kind]}
                assert answer.unknown == {}


@SETTINGS
@given(data=st.data(), rows=st.integers(6, 20), width=st.integers(1, 4))
def test_tables_of_arrays_are_predicted_alike_by_position_and_by_name(
    data: st.DataObject, rows: int, width: int, tmp_path: Path
) -> None:
    drawn = [data.draw(columns("number", rows)) for _ in range(width)]
    x = np.array([column.values for column in drawn], dtype=np.float64).T
    y = np.arange(rows) % 2
    np.savez(tmp_path / "table.npz", x=x, y=y)
    np.savez(tmp_path / "rows.npz", x=x)
    np.save(tmp_path / "rows.npy", x)
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(width)])
    frame.to_csv(tmp_path / "named.csv", index=False)
    frame.to_csv(tmp_path / "nameless.csv", index=False, header=False)
    frame.to_parquet(tmp_path / "rows.parquet")
    read_table = read(tmp_path / "table.npz", ReadOptions("npz"))
    ensemble = ensemble_of(read_table)
    expected = ensemble._combined(read_table.x).values.tobytes()
    names = ensemble.columns
    assert ensemble.predict(x).dtype == np.int64
    for rows_in_a_form in (
        x,
        np.ma.MaskedArray(np.nan_to_num(x), np.isnan(x)),
        torch.from_numpy(x),
        x.tolist(),
        [[None if np.isnan(value) else value for value in row] for row in x.tolist()],
        frame,
        frame.to_dict("records"),
        pa.Table.from_pandas(frame),
        Polars(pa.Table.from_pandas(frame), pa.string()),
        *(
            read_rows(tmp_path / file, names)
            for file in ("rows.npz", "rows.npy", "named.csv", "nameless.csv", "rows.parquet")
        ),
    ):
        assert ensemble.predict_probabilities(rows_in_a_form).tobytes() == expected
        if not isinstance(rows_in_a_form, Polars):
            is_frame = hasattr(rows_in_a_form, "columns")
            answer = asked_of_a_server(ensemble, rows_in_a_form, names if is_frame else ())
            assert np.array(answer.probabilities).tobytes() == expected
