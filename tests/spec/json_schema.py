"""A judge for the JSON Schemas that we publish: the keywords they use, and no other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KINDS: Mapping[str, Any] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
    "integer": int, "number": (int, float),
}  # fmt: skip
ANNOTATIONS = {"title", "description", "default", "$defs"}


def accepts(schema: Mapping[str, Any], value: Any, root: Mapping[str, Any] | None = None) -> bool:
    """Whether a value is valid under a schema (JSON Schema 2020-12)."""
    root = schema if root is None else root
    return all(
        _is_met(keyword, rule, value, schema, root)
        for keyword, rule in schema.items()
        if keyword not in ANNOTATIONS
    )


def _is_met(
    keyword: str, rule: Any, value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]
) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match keyword:
        case "$ref":
            assert rule.startswith("#/$defs/")
            return accepts(root["$defs"][rule.removeprefix("#/$defs/")], value, root)
        case "anyOf":
            return any(accepts(option, value, root) for option in rule)
        case "oneOf":
            return sum(accepts(option, value, root) for option in rule) == 1
        case "not":
            return not accepts(rule, value, root)
        case "type":
            return isinstance(value, KINDS[rule]) and isinstance(value, bool) == (rule == "boolean")
        case "const":
            return bool(value == rule) and isinstance(value, bool) == isinstance(rule, bool)
        case "enum":
            return value in rule
        case "required":
            return not isinstance(value, dict) or set(rule) <= set(value)
        case "properties":
            if not isinstance(value, dict):
                return True
            return all(accepts(rule[k], v, root) for k, v in value.items() if k in rule)
        case "additionalProperties":
            if not isinstance(value, dict):
                return True
            others = [v for k, v in value.items() if k not in schema.get("properties", {})]
            return not others if rule is False else all(accepts(rule, v, root) for v in others)
        case "prefixItems":
            if not isinstance(value, list):
                return True
            return all(accepts(r, v, root) for r, v in zip(rule, value, strict=False))
        case "items":
            if not isinstance(value, list):
                return True
            rest = value[len(schema.get("prefixItems", [])) :]
            return all(accepts(rule, item, root) for item in rest)
        case "minItems":
            return not isinstance(value, list) or len(value) >= rule
        case "maxItems":
            return not isinstance(value, list) or len(value) <= rule
        case "minLength":
            return not isinstance(value, str) or len(value) >= rule
        case "maxLength":
            return not isinstance(value, str) or len(value) <= rule
        case "minimum":
            return not is_number or value >= rule
        case "maximum":
            return not is_number or value <= rule
        case "exclusiveMinimum":
            return not is_number or value > rule
        case "exclusiveMaximum":
            return not is_number or value < rule
        case _:
            raise NotImplementedError(keyword)
