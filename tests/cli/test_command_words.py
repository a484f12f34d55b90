from __future__ import annotations

import json
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.cli.command_words import in_options
from hpsearch.training.uploads.read_options import column_remedy

NAMES = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)


@given(NAMES, st.text(st.characters(exclude_categories=("Cs",)), max_size=20))
def test_a_remedy_for_a_column_becomes_the_option_that_a_shell_reads_back(
    name: str, before: str
) -> None:
    before = before.replace("columns=", "").replace("replace=", "")
    remedy = column_remedy(name, "ignore")
    assert json.dumps(name, ensure_ascii=False) in remedy
    words = in_options(f"{before}{remedy}")
    assert words.startswith(before)
    assert shlex.split(words[len(before) :]) == ["--column", f"{name}=ignore"]


def test_each_of_several_remedies_in_a_sentence_is_translated() -> None:
    sentence = f"row 7 has 'n/k'; send {column_remedy('unit price', 'category', 'ignore')}, or mend"
    assert in_options(sentence) == (
        "row 7 has 'n/k'; send --column 'unit price=category' or --column 'unit price=ignore', "
        "or mend"
    )
    assert in_options('columns={"a": "date", "b": "ignore"}') == "--column a=date --column b=ignore"
    assert in_options("choose another name, or send it with replace=true") == (
        "choose another name, or send it with --replace"
    )


@pytest.mark.parametrize("sentence", ["", "columns={", 'columns={"a": ', "columns=a", "columns={}"])
def test_what_is_no_remedy_does_no_harm(sentence: str) -> None:
    assert in_options(sentence) == sentence.replace("columns={}", "")
