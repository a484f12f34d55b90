from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.training.uploads.cells import cells_of
from hpsearch.training.uploads.decisions import DecisionContext, decide
from hpsearch.training.uploads.distinct import DistinctCounter, number_hashes, text_hashes
from hpsearch.training.uploads.number_formats import FORMATS
from hpsearch.training.uploads.survey import ColumnSurvey, sketch_size


def survey(*batches, **options) -> ColumnSurvey:
    found = ColumnSurvey("c", **options)
    for batch in batches:
        found.add(batch if isinstance(batch, pa.Array) else cells_of(batch))
    return found


def state(found: ColumnSurvey) -> dict[str, object]:
    """All that a survey answers."""
    return {
        "numbers": {k: str(v) for k, v in vars(found.numbers).items()},
        "dates": {k: str(v) for k, v in vars(found.dates).items()},
        "texts": {k: str(v) for k, v in vars(found.texts).items()},
        "counts": (found.rows, found.missing, found.first_missing, found.distinct),
        "others": (found.examples, found.values, found.counts_rows_from, found.parts),
    }


cells = st.sampled_from(
    ["", "?", "7", "07", "7.0", "1,5", "1.5", "1,234", "1.234", "1 234", "$3", "4%", "(5)", "1e400",
     "9007199254740993", "2023-04-05", "5.4.2023", "4/25/23", "true", "FALSE", "train", "test",
     "a b", "A  B", "word " * 60]
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(cells, min_size=1), st.lists(st.integers(1, 5), max_size=6), st.booleans())
def test_a_survey_is_the_same_in_any_batches(values, sizes, is_target):
    ends = [*np.cumsum(sizes, dtype=int).tolist(), len(values)]
    batches = [values[a:b] for a, b in zip([0, *ends], ends, strict=False) if values[a:b]]
    together = survey(pa.array(values, pa.string()), is_target=is_target)
    apart = survey(*(pa.array(b, pa.string()) for b in batches), is_target=is_target)
    assert state(apart) == state(together)


def test_a_large_batch_is_the_same_as_small_ones(monkeypatch):
    rng = np.random.default_rng(3)
    values = [f"{x:,.2f}" for x in rng.lognormal(9, 3, 3000)] + ["x"]
    expected = state(survey(values))
    monkeypatch.setattr("hpsearch.training.uploads.survey.BLOCK_BYTES", 1000)
    assert state(survey(values)) == expected


@settings(max_examples=50)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9)))
def test_numbers_are_as_many_typed_as_written(values):
    typed = survey(np.array(values, dtype=float))
    written = survey([repr(value) for value in values])
    assert typed.distinct == written.distinct == len({float(value) for value in values})
    assert typed.numbers.readable[0] == written.numbers.readable[0] == len(values)
    whole = sum(float(value).is_integer() for value in values)
    assert typed.numbers.whole == written.numbers.whole == whole


def test_different_values_are_counted_exactly_up_to_the_room_and_estimated_beyond():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2**40, 1000)
    counter = DistinctCounter(1000)
    for part in np.array_split(np.repeat(values, 5), 7):
        counter.add(number_hashes(part.astype(float)))
    assert (counter.count(), counter.is_exact) == (len(set(values.tolist())), True)
    errors = []
    for seed in range(20):
        many = DistinctCounter(1000)
        different = np.random.default_rng(seed).permutation(50_000)
        many.add(text_hashes(pa.array(different).cast(pa.string())))
        many.add(text_hashes(pa.array(different[:999]).cast(pa.string())))
        assert not many.is_exact
        errors.append(many.count() / 50_000 - 1)
    # The relative error has mean 0 and deviation 1 / sqrt(1000); 5 deviations of either.
    assert abs(np.mean(errors)) < 5 / math.sqrt(1000 * 20)
    assert np.abs(errors).max() < 5 / math.sqrt(1000)


@settings(max_examples=50)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), unique=True))
def test_different_texts_have_different_hashes_whatever_stands_beside_them(texts):
    hashes = text_hashes(pa.array(texts, pa.string()))
    assert len(set(hashes.tolist())) == len(texts)
    alone = [text_hashes(pa.array([text]))[0] for text in texts]
    assert hashes.tolist() == alone
    assert text_hashes(pa.array(["x", *texts]).slice(1)).tolist() == alone


def test_rows_are_counted_only_by_numbers_without_a_gap():
    assert survey(["5", "6"], ["7", "8.0"]).counts_rows_from == 5
    assert survey(np.arange(3), np.arange(3, 9)).counts_rows_from == 0
    for values in (["5", "7"], ["5", ""], ["5", "x"], ["6", "5"], ["0.5", "1.5"], [True]):
        assert survey(values).counts_rows_from is None
    assert survey(["1", "2"], ["2", "3"]).counts_rows_from is None
    assert survey([2.0**53, 2.0**53]).counts_rows_from is None


def test_what_was_first_is_known_by_its_row():
    found = survey(["1", "2"], ["", "1,5", "x"], ["", "7"])
    assert (found.missing, found.first_missing, found.present) == (2, 2, 5)
    assert found.numbers.first_unreadable[0] == (3, "1,5")
    assert found.numbers.first_unreadable[FORMATS.index((",", ""))] == (4, "x")
    dates = survey(["2023-04-05"], ["5/4/2023", "2023-02-30"]).dates
    assert dates.first_unreadable == {
        "ymd": (1, "5/4/2023"), "dmy": (2, "2023-02-30"), "mdy": (2, "2023-02-30"),
    }  # fmt: skip
    typed = survey([1.0, math.nan], [math.inf, -math.inf])
    assert typed.numbers.first_unreadable[0] == (2, "inf")


def test_integers_that_no_float_is_are_counted_whatever_their_type():
    values = [2**53 + 1, 2**53 + 2, -(2**60) - 1, 5, 2**63 - 1]
    inexact = sum(int(float(value)) != value for value in values)
    for written in (values, list(map(str, values)), pa.array(values).cast(pa.decimal128(20, 0))):
        found = survey(written)
        assert (found.numbers.inexact, found.distinct) == (inexact, 5)
        assert found.numbers.first_inexact == str(2**53 + 1)
    assert survey([str(10**30 + 1), "1"]).numbers.inexact == 1


def test_a_targets_values_are_counted_until_there_are_too_many():
    assert survey(["b", "a"], ["b", "7"], is_target=True).values == {"b": 2, "a": 1, "7": 1}
    assert survey([1.0, 2.5], [1.0], is_target=True).values == {"1": 2, "2.5": 1}
    assert survey(np.arange(5000), is_target=True).values is None
    assert survey(["b"]).values is None


def test_memory_does_not_grow_with_the_rows():
    found = ColumnSurvey("c", is_target=True, sketch_size=256)
    for batch in range(40):
        found.add(pa.array([f"note {batch} {row} of several words" for row in range(1000)]))
    held = [found.texts.rows_of, found.values, found.examples]
    assert held[:2] == [None, None]
    assert len(held[2]) == 3
    assert len(found._distinct._smallest) + found._distinct._pending_count <= 3 * 256
    assert found.distinct == pytest.approx(40_000, rel=0.3)


def test_wide_tables_have_small_sketches():
    for columns in (1, 30, 1000, 10_000):
        assert 256 <= sketch_size(columns) <= 1 << 16
        assert 8 * columns * sketch_size(columns) <= 32 << 20


@settings(max_examples=30)
@given(st.data())
def test_columns_are_decided_alike_in_any_batches(data):
    rows = data.draw(st.integers(2, 40))
    table = {
        name: data.draw(st.lists(values, min_size=rows, max_size=rows))
        for name, values in {
            "n": st.sampled_from(["1,5", "2,25", "1.000,5"]),
            "m": st.sampled_from(["1.234", "3.456"]),
            "d": st.sampled_from(["3/4/2023", "4/5/2023"]),
            "c": st.sampled_from(["u", "U", "v", ""]),
        }.items()
    }
    table |= {"i": list(map(str, range(rows))), "y": ["0", "1"] * (rows // 2) + ["0"] * (rows % 2)}

    def decided(size: int):
        surveys = []
        for name, values in table.items():
            found = ColumnSurvey(name, is_target=name == "y")
            for first in range(0, rows, size):
                found.add(pa.array(values[first : first + size]))
            surveys.append(found)
        return decide(surveys, DecisionContext(first_row=2))

    assert decided(data.draw(st.integers(1, 7))) == decided(rows)
