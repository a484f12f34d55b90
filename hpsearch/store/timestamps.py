"""The database's seconds as the datetimes that people read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload


@overload
def as_datetime(seconds: float) -> datetime: ...
@overload
def as_datetime(seconds: None) -> None: ...
def as_datetime(seconds: float | None) -> datetime | None:
    """UTC, or none."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
