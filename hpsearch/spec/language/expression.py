"""The language of `lambda` schedules: arithmetic read into a tree, and nothing but arithmetic.

    expression   1 if epoch < 5 else 0.65 ** floor(epoch)
    names        step, epoch, total_steps, total_epochs, pi, e
    operators    + - * / // % ** and comparisons, with Python's meaning and precedence
    functions    exp log sqrt sin cos tan tanh abs floor ceil of one value, pow of two, min and max
                 of two or more

All numbers are float64 with IEEE rules (1 / 0 is inf), so nothing grows without bound; a
comparison is 1.0 or 0.0. Text that is not in the grammar never becomes a tree, and a tree is
evaluated by looking its operations up in a table: `SCALAR` here, one on arrays in
`hpsearch.training.schedules`.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

V = TypeVar("V")

MAX_LENGTH = 200
MAX_DEPTH = 20
NAMES = ("step", "epoch", "total_steps", "total_epochs")
CONSTANTS: Mapping[str, float] = {"pi": math.pi, "e": math.e}
ARGUMENTS: Mapping[str, tuple[int, int]] = {
    **dict.fromkeys(
        ("exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "abs", "floor", "ceil"), (1, 1)
    ),
    "pow": (2, 2),
    "min": (2, MAX_LENGTH),
    "max": (2, MAX_LENGTH),
}
"""Each function's fewest and most arguments."""

_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z_0-9]*)"
    r"|(?P<sign>\*\*|//|<=|>=|==|!=|[-+*/%()<>,])"
    r"|(?P<end>$))"
)


class ExpressionError(ValueError):
    """The text is not in the language; the message is the sentence for the person who wrote it."""


@dataclass(frozen=True)
class Number:
    """A literal or a constant."""

    value: float


@dataclass(frozen=True)
class Name:
    """One of NAMES."""

    name: str


@dataclass(frozen=True)
class Operation:
    """An operator or function on its operands; `negative` is the unary minus, `if` takes three.

    The three operands of `if` are the condition, the value where it holds, and the other.
    """

    symbol: str
    operands: tuple[Expression, ...]


Expression: TypeAlias = Number | Name | Operation


@lru_cache(maxsize=1024)
def parse(text: str) -> Expression:
    """Reads an expression.

    Raises:
        ExpressionError: for whatever is not in the grammar, or is longer than MAX_LENGTH
            characters or nested deeper than MAX_DEPTH.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            f"must have at most {MAX_LENGTH} characters, got {len(text)}; shorten it"
        )
    return _Parser(text).parse_all()


def evaluate(
    tree: Expression, names: Mapping[str, V], operations: Mapping[str, Callable[..., V]]
) -> V | float:
    """The value of a tree, given its names' values and what its operations do."""
    if isinstance(tree, Number):
        return tree.value
    if isinstance(tree, Name):
        return names[tree.name]
    operands = [evaluate(operand, names, operations) for operand in tree.operands]
    return operations[tree.symbol](*operands)


class _Parser:
    """Recursive descent, one method per level of precedence, loosest first."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(_tokens(text))
        self.position = 0
        self.depth = 0

    @property
    def token(self) -> str:
        return self.tokens[self.position][1]

    def accept(self, *expected: str) -> str | None:
        """Goes past the present token if it is one of these, and returns it; else None."""
        token = self.token
        if token not in expected:
            return None
        self.position += 1
        return token

    def unexpected(self) -> ExpressionError:
        """The error that the present token cannot stand where it does."""
        kind, token, column = self.tokens[self.position]
        if kind == "end":
            return ExpressionError(f"ends too early: `{self.text}`; complete it")
        if kind == "name" and self.tokens[self.position + 1][1] == "(":
            return ExpressionError(
                f"may call {', '.join(ARGUMENTS)}; got `{token}` at character {column}"
            )
        if kind == "name" and token not in ("if", "else"):
            return ExpressionError(
                f"may use {', '.join((*NAMES, *CONSTANTS))}; got `{token}` at character {column}"
            )
        return ExpressionError(f"must be arithmetic; `{token}` cannot stand at character {column}")

    def parse_all(self) -> Expression:
        tree = self.conditional()
        if self.tokens[self.position][0] != "end":
            raise self.unexpected()
        return tree

    def nested(self, level: Callable[[], Expression]) -> Expression:
        """What a method reads one level deeper.

        Raises:
            ExpressionError: past MAX_DEPTH levels.
        """
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ExpressionError(f"must not nest deeper than {MAX_DEPTH}; flatten it")
        tree = level()
        self.depth -= 1
        return tree

    def conditional(self) -> Expression:
        value = self.comparison()
        if not self.accept("if"):
            return value
        condition = self.comparison()
        if not self.accept("else"):
            raise self.unexpected()
        return Operation("if", (condition, value, self.nested(self.conditional)))

    def comparison(self) -> Expression:
        left = self.sum()
        if symbol := self.accept(*_COMPARISONS):
            left = Operation(symbol, (left, self.sum()))
            if self.token in _COMPARISONS:
                raise ExpressionError(
                    f"must compare two values at a time, got `{self.text}`; multiply comparisons"
                )
        return left

    def sum(self) -> Expression:
        left = self.product()
        while symbol := self.accept("+", "-"):
            left = Operation(symbol, (left, self.product()))
        return left

    def product(self) -> Expression:
        left = self.signed()
        while symbol := self.accept("*", "/", "//", "%"):
            left = Operation(symbol, (left, self.signed()))
        return left

    def signed(self) -> Expression:
        if self.accept("-"):
            return Operation("negative", (self.nested(self.signed),))
        if self.accept("+"):
            return self.nested(self.signed)
        base = self.atom()
        if self.accept("**"):
            return Operation("**", (base, self.nested(self.signed)))
        return base

    def atom(self) -> Expression:
        kind, token, _ = self.tokens[self.position]
        if kind == "number":
            self.position += 1
            return _number(token)
        if kind == "name" and self.tokens[self.position + 1][1] == "(":
            return self.call(token)
        if self.accept(*NAMES):
            return Name(token)
        if self.accept(*CONSTANTS):
            return Number(CONSTANTS[token])
        if not self.accept("("):
            raise self.unexpected()
        tree = self.nested(self.conditional)
        if not self.accept(")"):
            raise self.unexpected()
        return tree

    def call(self, function: str) -> Expression:
        if not self.accept(*ARGUMENTS):
            raise self.unexpected()
        self.accept("(")
        arguments = [self.nested(self.conditional)]
        while self.accept(","):
            arguments.append(self.nested(self.conditional))
        if not self.accept(")"):
            raise self.unexpected()
        fewest, most = ARGUMENTS[function]
        if not fewest <= len(arguments) <= most:
            rule = str(fewest) if fewest == most else f"at least {fewest}"
            raise ExpressionError(f"`{function}` takes {rule} value(s), got {len(arguments)}")
        return Operation(function, tuple(arguments))


def _tokens(text: str) -> list[tuple[str, str, int]]:
    """(kind, text, 1-based column) of each token; the last one's kind is `end`."""
    tokens: list[tuple[str, str, int]] = []
    position = 0
    while not tokens or tokens[-1][0] != "end":
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            rest = text[position:].lstrip()
            raise ExpressionError(
                f"must be arithmetic; {rest[0]!r} cannot stand at character "
                f"{len(text) - len(rest) + 1}"
            )
        tokens.append((match.lastgroup, match[match.lastgroup], match.start(match.lastgroup) + 1))
        position = match.end()
    return tokens


def _number(token: str) -> Number:
    value = float(token)
    if not math.isfinite(value):
        raise ExpressionError(f"must hold numbers below 1.8e308, got {token}; use a smaller one")
    return Number(value)


def _ieee(function: Callable[..., Any]) -> Callable[..., float]:
    """A function of Python's with the results of IEEE 754 in place of its exceptions."""

    def call(*values: float) -> float:
        if any(math.isnan(value) for value in values):
            return math.nan
        try:
            return float(function(*values))
        except OverflowError:
            return math.inf
        except (ValueError, ZeroDivisionError):
            return math.nan

    return call


def _divide(dividend: float, divisor: float) -> float:
    if divisor != 0:
        return dividend / divisor
    sign = math.copysign(1.0, dividend) * math.copysign(1.0, divisor)
    return math.nan if dividend == 0 else sign * math.inf


def _power(base: float, exponent: float) -> float:
    odd = math.isfinite(exponent) and math.fmod(exponent, 2) in (1, -1)
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and odd else math.inf
    except ValueError:
        if base != 0:
            return math.nan
        return math.copysign(math.inf, base) if odd else math.inf


def _log(value: float) -> float:
    return math.log(value) if value else -math.inf


def _integral(function: Callable[[float], int]) -> Callable[[float], float]:
    """A rounding function whose result is a float, and which leaves NaN and ±inf as they are."""
    return lambda value: float(function(value)) if math.isfinite(value) else value


_SCALAR: Mapping[str, Callable[..., Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": _divide,
    "//": lambda a, b: a // b if b else _divide(a, b), "%": operator.mod,
    "**": _power, "pow": _power, "negative": operator.neg,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "==": operator.eq, "!=": operator.ne,
    "exp": math.exp, "log": _log, "sqrt": math.sqrt, "sin": math.sin, "cos": math.cos,
    "tan": math.tan, "tanh": math.tanh, "abs": abs, "floor": _integral(math.floor),
    "ceil": _integral(math.ceil), "min": min, "max": max,
}  # fmt: skip

SCALAR: Mapping[str, Callable[..., float]] = {
    "if": lambda condition, value, other: value if condition else other,
    **{symbol: _ieee(function) for symbol, function in _SCALAR.items()},
}
"""Each operation on single numbers."""


def first_value(tree: Expression, total_steps: int = 97 * 89, total_epochs: int = 97) -> float:
    """The value at the first step of a run; the totals stand for any that are not yet known."""
    names = dict.fromkeys(("step", "epoch"), 0.0)
    names |= {"total_steps": float(total_steps), "total_epochs": float(total_epochs)}
    return float(evaluate(tree, names, SCALAR))
