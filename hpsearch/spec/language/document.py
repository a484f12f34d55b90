"""Reads a spec's text: JSON or YAML, the same values from both."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import yaml

from hpsearch.errors import InvalidInput
from hpsearch.spec.language.messages import format_value

MAX_BYTES = 1_000_000
MAX_DEPTH = 64
"""Levels of lists and objects inside each other."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_NO_DOCUMENT = "a spec must be JSON or YAML: {}"
_REPEATED_KEY = "{} stands twice; remove one"
_TOO_LARGE = "a whole number must fit into 64 bits, got {}; write a smaller one"


class _Loader(yaml.SafeLoader):
    """YAML with the numbers of version 1.2 (`1e-5` is one), and neither aliases nor repeats."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("anchors and aliases are not read; write the value out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = Counter(str(self.construct_object(key, deep=True)) for key, _ in node.value)
        if repeated := [key for key, times in keys.items() if times > 1]:
            raise yaml.YAMLError(_REPEATED_KEY.format(format_value(min(repeated))))
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [
        pair
        for pair in pairs
        if pair[0] not in ("tag:yaml.org,2002:float", "tag:yaml.org,2002:timestamp")
    ]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$|[-+]?\.inf$|\.nan$"),
    list("-+0123456789."),
)


def read_document(text: str | bytes) -> dict[str, Any]:
    """The object that a JSON or YAML text describes (JSON is read as JSON, not as YAML).

    Raises:
        InvalidInput: when it is neither, too long, or no object.
    """
    if len(text) > MAX_BYTES:
        raise InvalidInput.at("", f"a spec must be at most {MAX_BYTES} bytes, got {len(text)}")
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
    except UnicodeDecodeError as error:
        raise InvalidInput.at("", f"a spec must be UTF-8 text: {error}") from None
    try:
        value = _json(decoded) if decoded.lstrip().startswith("{") else _yaml(decoded)
    except json.JSONDecodeError as json_error:
        try:
            value = _yaml(decoded)  # YAML's flow style opens with a brace too.
        except InvalidInput:
            raise InvalidInput.at("", _NO_DOCUMENT.format(json_error)) from None
    except RecursionError:
        raise _too_deep() from None
    if not isinstance(value, dict):
        raise InvalidInput.at("", "a spec must be an object with fields such as `name` and `task`")
    _check_bounds(value)
    return value


def _json(text: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = Counter(key for key, _ in pairs)
        if repeated := [key for key, times in keys.items() if times > 1]:
            raise InvalidInput.at(
                "", _NO_DOCUMENT.format(_REPEATED_KEY.format(format_value(min(repeated))))
            )
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError:
        raise
    except ValueError:  # Python reads no number of so many digits.
        raise InvalidInput.at("", _TOO_LARGE.format("one of thousands of digits")) from None


def _check_bounds(document: Any) -> None:
    """Checks that a document has no depth, whole number or text that cannot be stored.

    Raises:
        InvalidInput: at the first that cannot.
    """
    level = [document]
    for _ in range(MAX_DEPTH):
        inside: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inside += [*value.keys(), *value.values()]
            elif isinstance(value, list | tuple | set):
                inside += value
            elif isinstance(value, int) and not -(2**63) <= value < 2**63:
                raise InvalidInput.at("", _TOO_LARGE.format(format_value(value)))
            elif isinstance(value, str) and _SURROGATE.search(value):
                raise InvalidInput.at(
                    "", f"text must be valid Unicode, got {format_value(value)}; mend it"
                )
        level = inside
    if level:
        raise _too_deep()


def _yaml(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 (a subclass of SafeLoader)
    except RecursionError:
        raise _too_deep() from None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise InvalidInput.at("", _NO_DOCUMENT.format(reason)) from None
    except (ValueError, TypeError) as error:
        raise InvalidInput.at("", _NO_DOCUMENT.format(error)) from None


def _too_deep() -> InvalidInput:
    return InvalidInput.at("", "a spec must not nest this deeply; flatten it")
