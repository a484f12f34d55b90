"""The page of wrong specs is what is answered today, and no answer leaves a person alone."""

from __future__ import annotations

import re
from pathlib import Path

from hpsearch.reference import mistakes

PAGE = Path(__file__).parents[2] / "docs" / "mistakes.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == mistakes.page(), (
        "run python -m hpsearch.reference.mistakes > docs/mistakes.md"
    )


def test_every_answer_names_a_field_and_is_one_plain_sentence() -> None:
    for mistake, answer in mistakes.answers():
        field = mistake.removeprefix("without ").partition(":")[0]
        assert answer.startswith(field.rpartition(".")[0] or field[:4]), (mistake, answer)
        assert not re.search(r"pydantic|https?:|type=|<\w|Traceback|\bNone\b|\bTrue\b", answer), (
            answer
        )
        assert "\n" not in answer
