"""Opaque cursors: where the next page of a list begins."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Sequence
from typing import Any

from hpsearch.errors import InvalidInput


def encode_cursor(position: Sequence[Any]) -> str:
    """A page token for a position in a list's order."""
    return base64.urlsafe_b64encode(json.dumps(list(position)).encode()).decode().rstrip("=")


def decode_cursor(token: str, length: int) -> list[Any]:
    """The position that a page token stands for.

    Raises:
        InvalidInput: when the token is not one that this list gave.
    """
    try:
        padded = token + "=" * (-len(token) % 4)
        position = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        position = None
    if (
        not isinstance(position, list)
        or len(position) != length
        or not all(_is_position(part) for part in position)
    ):
        raise InvalidInput.at(
            "page_token", "must be the next_page_token of an earlier answer; start without one"
        )
    return position


def _is_position(part: Any) -> bool:
    if part is None or isinstance(part, float):
        return part is None or math.isfinite(part)
    return type(part) is int and abs(part) < 2**63
