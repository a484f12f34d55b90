"""Numbers, times and parts of a spec as text for templates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import yaml
from markupsafe import Markup

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def code(text: str) -> Markup:
    """A text as HTML in which what stands in backticks is code; all else is escaped."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if index % 2 else part
        for index, part in enumerate(parts)
    )


def number(value: Any, digits: int = 5) -> str:
    """A number with at most `digits` significant digits; other values as text."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return {math.inf: "∞", -math.inf: "−∞"}.get(value, "NaN")
        return f"{value:.{digits}g}".replace("-", "−") if value else "0"
    return str(value)


def signed(value: float) -> str:
    """A difference with its sign, three significant digits."""
    return ("+" if value > 0 else "") + number(value, 3)


def fixed(value: float | None, decimals: int = 4) -> str:
    """A number with a fixed count of decimals, which compares well in a column."""
    if value is None or not math.isfinite(value):
        return number(value)
    text = f"{value:.{decimals}f}".replace("-", "−")
    return text if text.strip("−0.") else text.removeprefix("−")


def signed_fixed(value: float) -> str:
    """A difference with its sign, four decimals."""
    text = fixed(value)
    return f"+{text}" if value > 0 and text.strip("0.") else text


def percent(fraction: float) -> str:
    """A fraction as a percentage."""
    return f"{100 * fraction:.3g} %"


def duration(seconds: float | None) -> str:
    """A length of time in its two largest units."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def between(start: datetime | None, end: datetime | None) -> float | None:
    """Seconds from start to end; none where either is missing."""
    return None if start is None or end is None else (end - start).total_seconds()


def size(count: int) -> str:
    """A count of bytes in binary units."""
    if count < 1024:
        return f"{count} B"
    if count < 1024**2:
        return f"{count / 1024:.1f} KiB"
    if count < 1024**3:
        return f"{count / 1024**2:.1f} MiB"
    return f"{count / 1024**3:.1f} GiB"


def moment(at: datetime) -> str:
    """A time in UTC, for readers without scripts."""
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def as_yaml(document: Any) -> str:
    """A spec as a person would write it: short lists on one line, nothing that is null."""
    return yaml.safe_dump(
        _without_null(document),
        sort_keys=False,
        allow_unicode=True,
        width=90,
        default_flow_style=None,
    )


def query(present: Mapping[str, Any], **changes: Any) -> str:
    """The query of the present address with some parameters changed; None drops one."""
    parameters = {**present, **changes}
    return "?" + urlencode({k: v for k, v in parameters.items() if v not in (None, "")})


def _without_null(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_null(part) for name, part in value.items() if part is not None}
    if isinstance(value, list | tuple):
        return [_without_null(part) for part in value]
    return value
