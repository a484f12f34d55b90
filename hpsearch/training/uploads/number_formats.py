"""Numbers as people write them: decimal sign, thousands, currency, percent, sign, parentheses.

A column has one format, of decimal sign and thousands; around the number of each cell may stand a
sign (before or after the currency), a currency's sign or code (before or after), a percent sign
(the value is as written: 12% is 12) or parentheses (accountants' minus).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpsearch.training.uploads.text_shapes import FIRST_ZERO, MOST_BYTES, ShapedTexts, strings_of

if TYPE_CHECKING:
    import pyarrow as pa

Decimal = Literal[".", ","]
Thousands = Literal["", ".", ",", " ", "'"]


class NumberFormat(NamedTuple):
    """What separates decimals and what groups digits; a space is every kind of space."""

    decimal: Decimal = "."
    thousands: Thousands = ""


FORMATS: tuple[NumberFormat, ...] = (
    NumberFormat(".", ""),
    NumberFormat(",", ""),
    NumberFormat(".", ","),
    NumberFormat(",", "."),
    NumberFormat(".", " "),
    NumberFormat(",", " "),
    NumberFormat(".", "'"),
    NumberFormat(",", "'"),
)
"""The plain one first; that of a cell that fits several is the first that fits its whole column."""

CURRENCIES = (
    "US$", "A$", "C$", "R$", "HK$", "NZ$", "$", "€", "£", "¥", "₹", "₽", "₩", "₺", "₴", "₪", "₫",
    "₱", "฿", "₦", "₡", "₲", "₸", "￥", "kr.", "kr", "zł", "Kč", "Ft", "Fr.", "Rs.", "Rs", "lei",
    "руб.", "руб", "грн", "лв", "AED", "ARS", "AUD", "BGN", "BRL", "CAD", "CHF", "CLP", "CNY",
    "COP", "CZK", "DKK", "EGP", "EUR", "GBP", "HKD", "HRK", "HUF", "IDR", "ILS", "INR", "ISK",
    "JPY", "KES", "KRW", "MAD", "MXN", "MYR", "NGN", "NOK", "NZD", "PEN", "PHP", "PKR", "PLN",
    "RMB", "RON", "RSD", "RUB", "SAR", "SEK", "SGD", "THB", "TRY", "TWD", "UAH", "USD", "VND",
    "ZAR",
)  # fmt: skip
"""Signs, short forms and ISO 4217 codes that may stand before or after a number."""

# Alternatives, not sets of characters: the patterns are matched against bytes.
_SPACE = "(?: |\u00a0|\u2007|\u2009|\u202f)"
_APOSTROPHE = "(?:'|\u2019)"
_CURRENCY = "|".join(re.escape(text) for text in sorted(CURRENCIES, key=len, reverse=True))
_SIGN = "(?:[-+]|\u2212)"
NUMBER_LIKE = (
    rf"^[(]?{_SIGN}?{_SPACE}?(?:{_CURRENCY})?{_SPACE}?{_SIGN}?(?:[0{FIRST_ZERO}.,]|{_APOSTROPHE}|{_SPACE})+"
    rf"(?:[eE][-+]?0+)?{_SPACE}?(?:{_CURRENCY}|%)?[)]?$"
)
"""Of shapes (`text_shapes`): what is no number does not match, though some of what does is none."""

_DIGITS = f"[0{FIRST_ZERO}]0*"
_SEPARATORS: dict[Thousands, str] = {",": ",", ".": r"\.", " ": _SPACE, "'": _APOSTROPHE}


def _pattern(form: NumberFormat) -> re.Pattern[bytes]:
    whole = _DIGITS
    if form.thousands:
        groups = f"(?:{_SEPARATORS[form.thousands]}000)+"
        if form.thousands == ",":
            groups = "(?:,000?)*,000"  # India groups by two beyond the last three
        whole = f"(?:00?0?{groups}|{_DIGITS})"
    point = re.escape(form.decimal)
    # `5.` is a number, `5,` is none.
    after = f"{point}0*" if form.decimal == "." else f"{point}0+"
    return re.compile(
        rf"(?P<open>\()?(?P<sign>{_SIGN})?{_SPACE}?(?P<before>{_CURRENCY})?{_SPACE}?"
        rf"(?P<inner>{_SIGN})?(?P<core>(?:{whole}(?:{after})?|{point}{_DIGITS})(?:[eE][-+]?0+)?)"
        rf"{_SPACE}?(?P<after>{_CURRENCY}|%)?(?P<close>\))?".encode()
    )


_LONG_EXPONENT = re.compile(rb"[eE][+-]?0{3}")
_INTEGER = re.compile(_DIGITS.encode())
_PATTERNS = tuple(_pattern(form) for form in FORMATS)


_KEPT = f"0{FIRST_ZERO}eE+-".encode()
"""Bytes of a core's shape that Arrow reads too; the others group digits."""


class NumberShape(NamedTuple):
    """A shape as a number in one format."""

    core: tuple[int, int]
    """Where the digits with their separators begin and end, in bytes."""
    is_negative: bool
    unit: str
    """Its currency, `%`, or nothing."""
    is_integer: bool
    """Whether it is digits alone, with a sign at most."""
    is_surely_finite: bool
    """Whether it is too short to be beyond what a float64 holds."""


@lru_cache(maxsize=1 << 16)
def number_shape(shape: bytes, form: NumberFormat) -> NumberShape | None:
    """How a shape is a number in a format; none where it is none."""
    match = _PATTERNS[FORMATS.index(form)].fullmatch(shape)
    if match is None:
        return None
    has_open, has_close = match["open"] is not None, match["close"] is not None
    signs = [sign for sign in (match["sign"], match["inner"]) if sign is not None]
    units = [unit for unit in (match["before"], match["after"]) if unit is not None]
    if has_open != has_close or len(signs) + has_open > 1 or len(units) > 1:
        return None
    return NumberShape(
        core=match.span("core"),
        is_negative=has_open or (bool(signs) and signs[0] != b"+"),
        unit=units[0].decode() if units else "",
        is_surely_finite=len(match["core"]) < 200 and _LONG_EXPONENT.search(match["core"]) is None,
        is_integer=not units and not has_open and _INTEGER.fullmatch(match["core"]) is not None,
    )


@lru_cache(maxsize=1 << 16)
def formats_of(shape: bytes) -> int:
    """The formats that a shape is a number in: bit i for FORMATS[i]."""
    return sum(
        1 << bit for bit, form in enumerate(FORMATS) if number_shape(shape, form) is not None
    )


def parse_numbers(texts: pa.Array, form: NumberFormat) -> NDArray[np.float64]:
    """The numbers [N] that texts without null are in a format; NaN for what is none or infinite.

    Each is the float64 nearest to what is written.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    longest = pc.max(pc.binary_length(texts)).as_py() or 0
    if form == FORMATS[0] and longest <= MOST_BYTES:
        # The quick way reads what the other way reads, if nothing but plain numbers is there.
        try:
            values = np.array(texts.cast(pa.float64()).to_numpy(zero_copy_only=False))
        except pa.ArrowInvalid:
            pass  # something stands beside a number, or is none
        else:
            values[~np.isfinite(values)] = np.nan
            return values
    values = np.full(len(texts), np.nan)
    shaped = ShapedTexts(texts, NUMBER_LIKE)
    for shape, rows in shaped.groups():
        found = number_shape(shape, form)
        if found is not None:
            values[rows] = _values(shaped.bytes_of(shape, rows), shape, found, form)
    values[np.isinf(values)] = np.nan
    return values


def _values(
    cells: NDArray[np.uint8], shape: bytes, found: NumberShape, form: NumberFormat
) -> NDArray[np.float64]:
    """The numbers of cells [N, bytes] of one shape."""
    import pyarrow as pa

    point = ord(form.decimal)
    places = [
        place for place in range(*found.core) if shape[place] == point or shape[place] in _KEPT
    ]
    plain = np.empty((len(cells), len(places) + 1), dtype=np.uint8)
    plain[:, 0] = ord("-" if found.is_negative else "+")
    plain[:, 1:] = cells[:, places]
    plain[:, 1:][:, [shape[place] == point for place in places]] = ord(".")
    offsets = np.arange(len(cells) + 1) * plain.shape[1]
    numbers = strings_of(offsets, plain.reshape(-1)).cast(pa.float64())
    values: NDArray[np.float64] = numbers.to_numpy(zero_copy_only=False)
    return values
