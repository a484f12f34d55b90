"""Turns a validation error into sentences: the rule, then the value, then the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from reprlib import Repr
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hpsearch.errors import FieldError, InvalidInput

MAX_ERRORS = 50
"""The most faults of one document that are explained one by one; the others are counted."""

DISTRIBUTIONS = ("uniform", "log_uniform", "int_uniform", "int_log_uniform", "choice")
"""What a searched value may be; `distributions` defines them."""

VALUE_TAG = "<value>"
"""In an error's location: a distribution may stand there as well."""

_SHORT = Repr()
"""`repr` that stays short, however long or deep the value."""
_SHORT.maxlevel = 4
_SHORT.maxdict = _SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxset = 20
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 200

_SENTENCES: Mapping[str, str] = {
    "missing": "is required; add it",
    "greater_than": "must be > {gt}, got {input}",
    "greater_than_equal": "must be >= {ge}, got {input}",
    "less_than": "must be < {lt}, got {input}",
    "less_than_equal": "must be <= {le}, got {input}",
    "float_type": "must be a number, got {input}",
    "float_parsing": "must be a number, got {input}",
    "finite_number": "must be a finite number, got {input}",
    "int_type": "must be a whole number, got {input}",
    "int_from_float": "must be a whole number, got {input}",
    "int_parsing": "must be a whole number, got {input}",
    "string_unicode": "must be valid Unicode text, got {input}; remove the broken characters",
    "string_type": "must be text, got {input}; put it in quotes",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters, got {length}; shorten it",
    "bool_type": "must be true or false, got {input}",
    "bool_parsing": "must be true or false, got {input}",
    "literal_error": "must be one of {expected}; got {input}{near}",
    "enum": "must be one of {expected}; got {input}{near}",
    "union_tag_not_found": "must be an object with fields, got {input}",
    "model_type": "must be an object with fields, got {input}",
    "model_attributes_type": "must be an object with fields, got {input}",
    "dict_type": "must be an object with fields, got {input}",
    "list_type": "must be a list, got {input}{as_list}",
    "tuple_type": "must be a list, got {input}{as_list}",
    "too_short": "must have at least {entries}, got {actual_length}",
    "too_long": "must have at most {max_length} entries, got {actual_length}",
    "string_pattern_mismatch": "must match {pattern}, got {input}",
    "none_required": "must be null, got {input}; leave it out",
}


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """`; did you mean adam?` where a name is close to a known one; else nothing."""
    by_lower = {option.lower(): option for option in known}
    text = str(name).lower()
    near = get_close_matches(text, by_lower, n=1, cutoff=0.7)
    near = near or [
        option
        for option in by_lower
        if option.endswith(f"_{text}")
        or (
            min(len(text), len(option)) > 2 and (option.startswith(text) or text.startswith(option))
        )
    ]
    return f"; did you mean {by_lower[near[0]]}?" if near else ""


def pluralize(number: int, noun: str) -> str:
    """`1 trial`, `24 trials`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def alternatives(names: Iterable[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def format_spec(value: Any) -> str:
    """A part of a spec as people write it: `{log_uniform: [1e-05, 1.0]}`, without empty fields."""
    if isinstance(value, Mapping):
        inner = (f"{name}: {format_spec(item)}" for name, item in value.items() if item is not None)
        return "{" + ", ".join(inner) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(format_spec, value)) + "]"
    return value if isinstance(value, str) and value else format_value(value)


def format_value(value: Any, limit: int = 60) -> str:
    """A value as an error shows it: short, and with JSON's words for true, false and null."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = f"{value:g}" if isinstance(value, float) else _SHORT.repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def sentence(error: ErrorDetails) -> str:
    """One validation error as a sentence: the rule, the value, the remedy."""
    context = {
        name: format_value(value) if isinstance(value, float) else value
        for name, value in error.get("ctx", {}).items()
    }
    value = error["input"]
    if error["type"] == "union_tag_invalid":
        expected = [name.strip("<>' ") for name in str(context["expected_tags"]).split(",")]
        allowed = ", ".join(name for name in expected if name != "value")
        name = str(context["tag"]).strip("<>")
        return f"{name} cannot stand here; give a plain value or one of {allowed}"
    if error["type"] in ("float_type", "int_type"):
        kind = "number" if error["type"] == "float_type" else "whole number"
        may_be_searched = VALUE_TAG in error["loc"]
        return f"must be a {kind}, got {format_value(value)}{_number_meant(value, may_be_searched)}"
    context["input"] = format_value(value)
    if error["type"] in ("literal_error", "enum"):
        names = [name.strip("' ") for name in context["expected"].replace(" or ", ", ").split(", ")]
        context["expected"] = alternatives(names)
        context["near"] = did_you_mean(value, names)
    context["as_list"] = _list_meant(value)
    if "min_length" in context:
        least = int(context["min_length"])
        context["entries"] = "1 entry" if least == 1 else f"{least:,} entries"
    if isinstance(value, str):
        context["length"] = len(value)
    template = _SENTENCES.get(error["type"])
    return template.format(**context) if template else error["msg"]


def _number_meant(value: Any, may_be_searched: bool) -> str:
    """What may have been meant by what is no number."""
    if isinstance(value, str):
        try:
            meant = float(value)
        except ValueError:
            return ""
        return f"; write {meant:g} without quotes"
    if not may_be_searched:
        return ""
    if isinstance(value, Mapping) and len(value) == 1:
        near = did_you_mean(next(iter(value)), DISTRIBUTIONS)
        return near or f"; a distribution is one of {', '.join(DISTRIBUTIONS)}"
    if isinstance(value, list | tuple) and value:
        few = format_spec(value)
        return f"; for one of several write {{choice: {few}}}, for a range {{uniform: [low, high]}}"
    return ""


def _list_meant(value: Any) -> str:
    if isinstance(value, str):
        return f"; write [{', '.join(part.strip() for part in value.split(','))}]"
    return f"; write [{value}]" if isinstance(value, int | float) else ""


def path_of(error: ErrorDetails) -> str:
    """The field's dotted path, without the tags of unions."""
    parts = [str(part) for part in error["loc"] if not str(part).startswith("<")]
    if field := error.get("ctx", {}).get("field"):
        parts.append(str(field))
    return ".".join(map(printable, parts))


def printable(name: str, limit: int = 100) -> str:
    """A field's name as a person may have written it, short and without control characters."""
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in name[:limit])
    return text if len(name) <= limit else text + "…"


def explain(error: ValidationError) -> InvalidInput:
    """A validation error as sentences with paths."""
    return explain_errors(error.errors())


def explain_errors(items: Sequence[ErrorDetails]) -> InvalidInput:
    """Validation errors as sentences with paths; past `MAX_ERRORS` they are only counted."""
    errors = [FieldError(path_of(item), sentence(item)) for item in items[:MAX_ERRORS]]
    if (more := len(items) - MAX_ERRORS) > 0:
        errors.append(FieldError("", f"and {more} more faults; mend these first"))
    return InvalidInput(errors)
