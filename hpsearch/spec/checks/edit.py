"""What may change in a study under way: its space, its budget, and what people call it.

Whatever makes its trials comparable has to stay; for anything else there is a clone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hpsearch.errors import FieldError, InvalidInput
from hpsearch.spec.language.distributions import KEYS
from hpsearch.spec.language.messages import format_spec
from hpsearch.spec.study import StudySpec, parse_study

FREE = ("name", "owner", "tags", "notes", "priority", "limits", "pruner")
"""May change at any time."""

BUDGET = ("trials", "stages", "margin", "expand", "hard_bounds", "promote", "continue", "quorum")
"""Of `search`; a stage that is over, and the length of one that has begun, stay."""


def edit_spec(spec: StudySpec, patch: Mapping[str, Any], stage: int) -> tuple[StudySpec, list[str]]:
    """The spec after a merge patch (RFC 7396), and each difference as a sentence.

    A distribution is replaced as a whole. Lists are replaced as a whole too.

    Args:
        spec: the present one.
        patch: what is to be different.
        stage: where the study is.

    Raises:
        InvalidInput: when the result is not valid, or something has to stay as it is.
    """
    before = spec.model_dump(mode="json")
    new = parse_study(_merged(before, patch))
    changes, errors = [], []
    for path, old, value in _differences("", before, new.model_dump(mode="json")):
        if _may_change(path, old, value, stage):
            changes.append(f"{path}: {format_spec(old)} → {format_spec(value)}")
        else:
            errors.append(
                FieldError(
                    path,
                    f"cannot change from {format_spec(old)} to {format_spec(value)} in a study "
                    "under way, whose trials would no longer compare; clone the study with it",
                )
            )
    if errors:
        raise InvalidInput(errors)
    return new, changes


def _merged(document: Any, patch: Any) -> Any:
    if not isinstance(patch, Mapping) or _is_distribution(patch):
        return patch
    if not isinstance(document, Mapping) or _is_distribution(document):
        document = {}
    result = dict(document)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merged(result.get(name), value)
    return result


def _differences(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """Each path at which two documents differ, as deep as both are objects."""
    if old == new:
        return
    both = isinstance(old, Mapping) and isinstance(new, Mapping)
    if both and not _is_distribution(old) and not _is_distribution(new):
        for name in dict.fromkeys([*old, *new]):
            inner = f"{path}.{name}" if path else str(name)
            yield from _differences(inner, old.get(name), new.get(name))
    elif isinstance(old, list) and isinstance(new, list) and path == "search.stages":
        for index in range(max(len(old), len(new))):
            inner = f"{path}.{index}"
            was, is_ = (doc[index] if index < len(doc) else None for doc in (old, new))
            yield from _differences(inner, was, is_)
    else:
        yield path, old, new


def _may_change(path: str, old: Any, new: Any, stage: int) -> bool:
    first, *rest = path.split(".")
    if first in FREE:
        return True
    if first == "search":
        if rest[0] == "stages" and len(rest) > 1:
            index = int(rest[1])
            return index > stage or (index == stage and rest[2:] == ["trials"])
        return rest[0] in BUDGET
    return _is_distribution(old) or _is_distribution(new)


def _is_distribution(value: Any) -> bool:
    return isinstance(value, Mapping) and any(key in value for key in KEYS)
