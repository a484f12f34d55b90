"""Remedies in the words of the command line.

The server names fields of its requests, as Python and curl send them; a person at a terminal has
options.
"""

from __future__ import annotations

import json
import re
import shlex

_COLUMNS = re.compile(r"columns=(?=\{)")


def in_options(sentence: str) -> str:
    """A sentence with each field of an upload's form that it tells people to send as an option.

    `columns={"unit price": "number"}`, as `column_remedy` of the readers of uploads writes it,
    becomes `--column 'unit price=number'`, and `replace=true` becomes `--replace`.
    """
    parts, done = [], 0
    for match in _COLUMNS.finditer(sentence):
        try:
            uses, end = json.JSONDecoder().raw_decode(sentence, match.end())
        except ValueError:
            continue
        options = (f"--column {shlex.quote(f'{name}={use}')}" for name, use in uses.items())
        parts += [_without_replace(sentence[done : match.start()]), " ".join(options)]
        done = end
    return "".join([*parts, _without_replace(sentence[done:])])


def _without_replace(text: str) -> str:
    return text.replace("replace=true", "--replace")
