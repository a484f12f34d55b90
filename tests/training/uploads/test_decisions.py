from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table_surveys import ROWS, column, decisions, refusal

from hpsearch.spec.wire.upload import ColumnReading
from hpsearch.training.uploads.number_formats import FORMATS, NumberFormat
from hpsearch.training.uploads.number_rules import is_name_of_id

rng = np.random.default_rng(11)
AMOUNTS = rng.lognormal(7, 2, ROWS).round(2)


def written(values, form: NumberFormat) -> list[str]:
    swaps = {",": form.thousands, ".": form.decimal}
    return ["".join(swaps.get(c, c) for c in f"{value:,.2f}") for value in values]


@pytest.mark.parametrize("form", FORMATS, ids=str)
def test_the_format_of_numbers_is_decided_by_all_rows(form):
    found = column(written(AMOUNTS, form))
    assert (found.kind, found.role) == ("number", "feature")
    assert (found.reading.decimal, found.reading.thousands) == form
    assert found.distinct == len(set(AMOUNTS.tolist()))
    whole = [f"{value:.0f}" for value in AMOUNTS]
    assert column([*whole, written([1234567.25], form)[0]]).reading.decimal == form.decimal


def test_groups_of_three_digits_alone_are_read_as_the_rest_of_the_file_is():
    groups = [f"{a},{b}" for a, b in zip(range(1, 9), range(125, 133), strict=True)]
    points = [text.replace(",", ".") for text in groups]
    decimal_commas, decimal_points = ["3,5", "0,75"] * 4, ["3.5", "0.75"] * 4

    def read(values, other, **options):
        found = decisions({"c": values, "other": other}, **options)
        reading = found.columns[0].reading
        return reading.decimal, reading.thousands, any("guess" in w for w in found.warnings)

    assert read(groups, ["u"] * 8) == (".", ",", True)
    assert read(groups, decimal_points, is_semicolon=True) == (".", ",", True)
    assert read(groups, decimal_commas) == (",", "", True)
    assert read(groups, ["u"] * 8, is_semicolon=True) == (",", "", True)
    assert read(points, ["u"] * 8, is_semicolon=True) == (".", "", True)
    assert read(points, ["u"] * 8) == (".", "", False)
    assert read(points, decimal_commas) == (",", ".", True)
    assert read([*groups, "9,5"], ["u"] * 9) == (",", "", False)
    assert read([*groups, "1,234,567"], ["u"] * 9) == (".", ",", False)
    assert read(["0,125", "0,250"], ["u"] * 2) == (",", "", False)


@settings(max_examples=40)
@given(
    st.lists(st.dates(datetime.date(1970, 1, 1), datetime.date(2060, 1, 1)), min_size=4),
    st.sampled_from("/-"),
    st.sampled_from([("dmy", "%d{0}%m{0}%Y"), ("mdy", "%m{0}%d{0}%Y"), ("ymd", "%Y{0}%m{0}%d")]),
)
def test_the_order_of_dates_is_decided_by_all_rows(days, separator, order):
    name, layout = order
    days.append(datetime.date(2003, 5, 21))
    found = column([day.strftime(layout.format(separator)) for day in days])
    assert (found.kind, found.reading.date_order) == ("date", name)


AMBIGUOUS = ["03/04/2021", "05/06/2021", "07/08/2021"]


def test_dates_of_either_order_are_read_as_the_rest_of_the_file_is_and_the_guess_is_said():
    def order(other, **options):
        found = decisions({"c": AMBIGUOUS, "other": other}, **options)
        assert any(w.startswith("c: ") and "guess" in w for w in found.warnings)
        assert "03/04/2021 is 2021-0" in found.columns[0].why
        return found.columns[0].reading.date_order

    assert order(["u", "v", "u"]) == "mdy"
    assert order(["u", "v", "u"], is_semicolon=True) == "dmy"
    assert order(["1,5", "2,5", "0,5"]) == "dmy"
    assert order(["31/01/2020", "01/02/2020", "02/02/2020"]) == "dmy"
    assert order(["01/31/2020", "01/02/2020", "02/02/2020"], is_semicolon=True) == "mdy"
    with_points = decisions({"c": [text.replace("/", ".") for text in AMBIGUOUS]})
    assert (with_points.columns[0].reading.date_order, with_points.warnings) == ("dmy", ())


KINDS = {
    "numbers with a sign": (["$3,475", "-$8.50", "$7"], "number", "feature"),
    "percentages": (["31%", "3.5%", "100%"], "number", "feature"),
    "accountants' numbers": (["(5)", "7", "3"], "number", "feature"),
    "truth values": (["TRUE", "false", "True"], "boolean", "feature"),
    "typed truth values": ([True, False, None], "boolean", "feature"),
    "si and no": (["si", "no", "si"], "category", "feature"),
    "zeros in front": (["007", "12", "3"], "category", "feature"),
    "decimals with zeros in front": (["00.5", "1.5", "2.5"], "number", "feature"),
    "dates": (["2021-03-04", "2021-03-05", ""], "date", "feature"),
    "typed dates": ([datetime.date(2021, 3, 4), datetime.date(2021, 3, 5)], "date", "feature"),
    "months by name": (["4 Mar 2021", "Apr 5, 2021"], "date", "feature"),
    "times of day": (["08:30", "09:30", "08:30"], "category", "feature"),
    "one value": (["x", "", "x"], "constant", "ignored"),
    "one number": ([3.5, 3.5, None], "constant", "ignored"),
    "true in every case": (["true", "TRUE"], "constant", "ignored"),
    "nothing": (["", "NA", None], "constant", "ignored"),
    "parts of a split": (["train", "test", "train"], "category", "split"),
    "numbers of 19 digits": ([str(10**18 + i) for i in range(9)], "id", "ignored"),
    "few numbers of 19 digits": ([str(10**18 + i % 2) for i in range(9)], "category", "feature"),
    "durations": ([datetime.timedelta(seconds=s) for s in (1, 5, 9)], "number", "feature"),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_columns_kind_and_role_follow_from_its_cells(name):
    values, kind, role = KINDS[name]
    found = column(values)
    assert (found.kind, found.role) == (kind, role)
    assert found.why or role == "feature"


def test_what_is_left_out_says_why_with_numbers():
    words = ["red", "blue", "tall", "short", "round", "fast", "slow", "kind"]
    sentences = [" ".join(rng.choice(words, 6)) + f" {i}" for i in range(ROWS)]
    whys = {
        "note": (sentences, "text", f"free text: 7 words on average, {ROWS} different values"),
        "token": ([f"k{i * 7919:x}z" for i in range(ROWS)], "id", f"identifier: {ROWS} different"),
        "plain": (range(ROWS), "id", "identifier: counts the rows from 0"),
        "patient_id": (rng.permutation(ROWS) + 40, "id", f"identifier by its name: {ROWS}"),
        "flat": (["same"] * ROWS, "constant", "constant: every row is same"),
        "gone": ([None] * ROWS, "constant", "empty: no row has a value"),
    }
    found = decisions({name: values for name, (values, _, _) in whys.items()})
    for info, (_, kind, why) in zip(found.columns, whys.values(), strict=True):
        assert (info.kind, info.role) == (kind, "ignored")
        assert why in info.why
    assert found.columns[4].reading == ColumnReading(kind="category")
    assert found.columns[5].reading is None


def test_whole_numbers_that_only_resemble_identifiers_are_features():
    features = {
        "year": range(1990, 2020),
        "paid": rng.permutation(ROWS),
        "user_id": [i % 40 for i in range(ROWS)],
        "squared_index": [0.5 + i for i in range(ROWS)],
        "down": range(ROWS, 0, -1),
    }
    for name, values in features.items():
        assert (column(values, name).kind, column(values, name).role) == ("number", "feature")
    assert column(range(1, ROWS + 1), "year").role == "ignored"


@pytest.mark.parametrize(
    ("name", "is_id"),
    [("id", True), ("ID", True), ("UserId", True), ("order_id", True), ("Loan Number", True),
     ("customerid", True), ("Unnamed: 0", True), ("index", True), ("orderKEY", True),
     ("Kunden-Nr", True),
     ("paid", False), ("humidity", False), ("grid", False), ("width", False),
     ("number", False), ("idea", False)],
)  # fmt: skip
def test_a_name_says_that_it_identifies_rows_by_whole_words(name, is_id):
    assert is_name_of_id(name) is is_id


def test_many_categories_are_a_feature_unless_nearly_every_row_has_its_own():
    many = [f"v{i % 300}" for i in range(1200)]
    found = column(many)
    assert (found.kind, found.role, found.distinct) == ("category", "feature", 300)
    assert "256 most frequent" in found.why
    assert column([f"v{i % 700}" for i in range(1200)]).kind == "id"
    assert column(["u", "v", "w"]).kind == "category"


def test_every_faulty_column_is_named_at_once_with_its_first_row_and_remedies():
    errors = refusal(
        {
            "a": ["1", "2", "x7", "4"],
            "b": ["2021-03-04", "soon", "2021-03-05", "2021-03-06"],
            "c": [1.0, 2.0, float("-inf"), 0.5],
            "d": pa.array([[1], [2], [3], [4]]),
            "f": ["u", "v", "u", "v"],
            "y": ["1", "", "", "2"],
        },
        "y",
    )
    assert set(errors) == {"columns.a", "columns.b", "columns.c", "columns.d", "target"}
    assert "column a, row 4 has 'x7'; correct it" in errors["columns.a"]
    assert 'columns={"a": "category"} or columns={"a": "ignore"}' in errors["columns.a"]
    assert "column b, row 3 has 'soon'; correct it" in errors["columns.b"]
    assert "column c, row 4 has '-inf'" in errors["columns.c"]
    assert "holds list<" in errors["columns.d"]
    assert "column y, row 3 has none (2 rows have none); fill it in" in errors["target"]


def test_typed_numbers_are_numbers_however_many_are_infinite():
    values = [float("inf"), 0.5, float("inf")]
    assert "row 2 has 'inf' (2 such rows of 3)" in refusal({"c": values})["columns.c"]
    assert column(values, c="ignore").distinct == 2


def test_mostly_numbers_with_many_other_texts_are_text_and_say_so():
    numbers = [str(n) for n in rng.integers(1, 90_000, 80)]
    tickets = numbers + [f"A/{i} {i * 31}" for i in range(30)]
    found = decisions({"c": tickets})
    assert (found.columns[0].kind, found.columns[0].role) == ("id", "ignored")
    assert "30 of 110 values are no numbers" in found.columns[0].why
    assert "no numbers, such as 'A/0 0', so it is one of text" in found.warnings[0]
    padded = column([f"{n:06d}" for n in rng.permutation(ROWS)])
    assert padded.kind == "id"
    assert "codes with zeros in front" in padded.why


def test_what_a_person_says_goes_before():
    table = {"plain": range(ROWS), "other": ["u", "v"] * (ROWS // 2)}
    assert decisions(table, plain="number").columns[0].role == "feature"
    assert decisions(table, plain="category").columns[0].reading.by_value
    assert column(["1.234,5", "2"], c="number").reading.decimal == ","
    assert column(["007", "12"], c="number").kind == "number"
    assert column([20210304, 20210305], c="date").kind == "date"
    assert column(["1999", "2001"], c="date").kind == "date"
    assert column(["01", "1"], c="category").reading == ColumnReading(kind="category")
    ignored = column(["1", "x", "2"], c="ignore")
    assert (ignored.role, ignored.why) == ("ignored", "ignored, as asked")
    assert column(pa.array([[1], [2]]), c="ignore").role == "ignored"
    notes = [f"a note of several words {i}" for i in range(ROWS)]
    assert column(notes, c="category").role == "feature"
    large = decisions({"c": [2**53 + 1, 2**53 + 3, 5]}, c="number")
    assert large.columns[0].kind == "number"
    assert "2 of 3 whole numbers lose digits, as 9007199254740993 does" in large.warnings[0]


def test_what_cannot_be_done_as_said_is_refused_with_a_reason():
    assert "row 2 has 'u'" in refusal({"c": ["u", "1", "2"]}, c="number")["columns.c"]
    assert "holds true and false" in refusal({"c": [True, False]}, c="number")["columns.c"]
    assert (
        'columns={"c": "date"}'
        in refusal({"c": [datetime.date(2021, 3, 4)] * 2}, c="number")["columns.c"]
    )
    assert (
        "row 3 has '2021-02-30'"
        in refusal({"c": ["2021-02-03", "2021-02-30"]}, c="date")["columns.c"]
    )
    assert "must not be ignored" in refusal({"a": [1, 2.5], "y": [1, 2]}, "y", y="ignore")["target"]


def test_labels_that_differ_by_case_or_spaces_alone_are_said_and_not_merged():
    labels = ["Low", "low", "LOW ", "a  b", "a b", "high"] * 20
    for target in (None, "c"):
        found = decisions({"a": np.linspace(0, 1, 120), "c": labels}, target)
        assert found.columns[1].distinct == 6
        (warning,) = [w for w in found.warnings if "differ by case" in w]
        assert "'LOW' and 'Low' and 'low', 'a  b' and 'a b'" in warning
        assert ("classes" in warning) == (target is not None)


def test_mixed_currencies_and_percentages_are_said():
    (warning,) = decisions({"c": ["$5", "7 €", "8"]}).warnings
    assert warning.startswith("c: 1 with $, 1 with €, 1 without")
    assert decisions({"c": ["$5", "$7", "8"]}).warnings == ()
    assert "2 with %, 1 without" in decisions({"c": ["5%", "7%", "0.08"]}).warnings[0]


def test_whole_numbers_that_look_like_dates_are_said():
    days = pd.date_range("2019-12-25", periods=40).strftime("%Y%m%d")
    found = decisions({"c": days.astype(int)})
    assert found.columns[0].kind == "number"
    assert found.warnings[0].endswith('looks like a date; if it is, say columns={"c": "date"}')
    assert decisions({"c": [20191301, 20191302, 20200101]}).warnings == ()


def test_times_with_and_without_a_zone_are_said():
    (warning,) = decisions({"c": ["2021-03-04T05:06Z", "2021-03-04 05:06", "2021-03-05"]}).warnings
    assert "1 times name a zone and 1 do not" in warning


def test_row_numbers_are_learned_from_where_nothing_else_is_left():
    found = decisions({"n": range(ROWS), "flat": ["x"] * ROWS, "y": AMOUNTS}, "y")
    assert [info.role for info in found.columns] == ["feature", "ignored", "target"]
    assert "n looks like an identifier" in found.warnings[0]
    sentence = refusal({"flat": ["x", "x"], "y": [1.5, 2.5]}, "y")["file"]
    assert "all are left out: flat (constant: every row is x)" in sentence
    assert "and it has none" in refusal({"y": [1.5, 2.5]}, "y")["file"]
    assert decisions({"n": range(ROWS)}).target == "none"


@pytest.mark.parametrize("library", [list, np.array, pd.Series, pa.array])
def test_typed_and_written_columns_are_decided_alike(library):
    for values in (AMOUNTS.tolist(), rng.integers(0, 9, ROWS).tolist(), [True, False] * 60):
        typed, text = column(library(values)), column([str(value) for value in values])
        assert (typed.kind, typed.role, typed.distinct) == (text.kind, text.role, text.distinct)
        assert typed.reading == text.reading
