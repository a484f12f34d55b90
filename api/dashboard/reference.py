"""The OpenAPI document as a page can show it: operations by tag, with what they take and answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Operation:
    """One method of one address."""

    method: str
    path: str
    summary: str
    parameters: tuple[tuple[str, str, bool, str], ...]
    """(name, where it stands, whether it must, what it is)."""
    body: str
    answer: str


def operations(document: Mapping[str, Any]) -> dict[str, list[Operation]]:
    """Every operation by its first tag, in the document's order."""
    groups: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            tag = (operation.get("tags") or ["service"])[0]
            groups.setdefault(tag, []).append(_operation(method, path, operation))
    return groups


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Operation:
    answers: Mapping[str, Any] = operation.get("responses", {})
    good: Mapping[str, Any] = next((answers[s] for s in answers if s.startswith("2")), {})
    return Operation(
        method=method.upper(),
        path=path.replace(":int}", "}"),
        summary=operation.get("description") or operation.get("summary", ""),
        parameters=tuple(
            (p["name"], p["in"], p.get("required", False), p.get("description", ""))
            for p in operation.get("parameters", ())
        ),
        body=_named(operation.get("requestBody", {})),
        answer=_named(good),
    )


def _named(part: Mapping[str, Any]) -> str:
    """The schema's name of a body or answer, else its media type."""
    for media, content in part.get("content", {}).items():
        name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        return name or str(media)
    return ""
