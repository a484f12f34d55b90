from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hpsearch.spec.language.expression import (
    ARGUMENTS,
    MAX_DEPTH,
    MAX_LENGTH,
    SCALAR,
    ExpressionError,
    evaluate,
    first_value,
    parse,
)
from hpsearch.training.schedules.arithmetic import VECTOR

VALUES = {"step": 12.0, "epoch": 1.5, "total_steps": 80.0, "total_epochs": 10.0}
PYTHON: dict[str, Callable[..., float] | float] = {
    **{name: getattr(math, name) for name in ARGUMENTS if hasattr(math, name)},
    "abs": abs,
    "min": min,
    "max": max,
    "pi": math.pi,
    "e": math.e,
}


def _nudged(function: Callable[..., float]) -> Callable[..., float]:
    return lambda *values: function(*(value * (1 + 1e-15) for value in values))


NUDGED = {name: _nudged(value) if callable(value) else value for name, value in PYTHON.items()}
"""The same functions of arguments that are some last bits off, as another library may have them."""

numbers = st.sampled_from(["0", "1", "2", "3", "0.5", ".25", "7.", "1e-2", "2.5E1"])
names = st.sampled_from([*VALUES, "pi", "e"])


def _texts(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.sampled_from(["+", "-", "*", "/", "//", "%", "**", " + ", " - "])
    compare = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    one = st.sampled_from(["exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "abs", "floor"])
    return st.one_of(
        st.tuples(inner, binary, inner).map("".join),
        st.tuples(st.sampled_from(["-", "+"]), inner).map("".join),
        inner.map(lambda text: f"({text})"),
        st.tuples(one, inner).map(lambda pair: f"{pair[0]}({pair[1]})"),
        st.tuples(st.sampled_from(["min", "max", "pow"]), inner, inner).map(
            lambda parts: f"{parts[0]}({parts[1]}, {parts[2]})"
        ),
        st.tuples(inner, inner, compare, inner, inner).map(
            lambda parts: "(({}) if ({}) {} ({}) else ({}))".format(*parts)
        ),
        st.tuples(inner, compare, inner).map(lambda parts: "(({}) {} ({}))".format(*parts)),
    )


texts = st.recursive(st.one_of(numbers, names), _texts, max_leaves=8)


@settings(max_examples=400)
@given(texts)
def test_an_expression_means_what_it_means_in_python(text: str) -> None:
    assume(len(text) <= MAX_LENGTH)
    try:
        expected = eval(text, {"__builtins__": {}}, {**PYTHON, **VALUES})
        nearly = eval(text, {"__builtins__": {}}, {**NUDGED, **VALUES})
    except (ArithmeticError, ValueError, TypeError):
        assume(False)
    assume(isinstance(expected, int | float) and math.isfinite(expected))
    expected = float(expected)
    tree = parse(text)
    assert evaluate(tree, VALUES, SCALAR) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    # Last bits decide sin(exp(25)), and NumPy's exp may round otherwise than Python's.
    assume(math.isclose(expected, nearly, rel_tol=1e-10, abs_tol=1e-13))
    arrays = {name: np.full(3, value) for name, value in VALUES.items()}
    with np.errstate(all="ignore"):
        vector = np.broadcast_to(np.asarray(evaluate(tree, arrays, VECTOR)), 3)
    assert vector.tolist() == pytest.approx([expected] * 3, rel=1e-9, abs=1e-12)


@settings(max_examples=300)
@given(st.text("step0123.+-*/%()<>=,\"'[]{}:_\\ \n\0eπ", max_size=30))
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    with suppress(ExpressionError):
        parse(text)


@settings(max_examples=300)
@given(
    st.sampled_from(sorted(set(SCALAR) - {"if", "min", "max", "%", "//", "tan", "sin", "cos"})),
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 1e300, -1e300, math.inf, -math.inf]),
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, -3.0, 2.0, 1e300, -1e300]),
)
def test_single_numbers_and_arrays_follow_the_same_ieee_rules(
    symbol: str, left: float, right: float
) -> None:
    unary = symbol == "negative" or ARGUMENTS.get(symbol) == (1, 1)
    operands = (left,) if unary else (left, right)
    with np.errstate(all="ignore"):
        vector = float(VECTOR[symbol](*map(np.float64, operands)))
    scalar = SCALAR[symbol](*operands)
    assert scalar == pytest.approx(vector, rel=1e-12, nan_ok=True)


def test_both_tables_do_every_operation_of_the_grammar() -> None:
    assert set(SCALAR) == set(VECTOR)
    assert set(ARGUMENTS) < set(SCALAR)


@pytest.mark.parametrize(
    ("text", "step", "value"),
    [
        ("-2 ** 2", 0, -4.0),
        ("2 ** 3 ** 2", 0, 512.0),
        ("2 ** -1", 0, 0.5),
        ("7 // 2 + 7 % 4", 0, 6.0),
        ("1 if step < 5 else 0.1", 5, 0.1),
        ("1 if step < 5 else 0.5 if step < 9 else 0.1", 7, 0.5),
        ("(step >= 5) * 0.25 + (step < 5)", 4, 1.0),
        ("min(1, 10 / step)", 0, 1.0),
        ("exp(-1 / step)", 0, 0.0),
        ("min((step) ** -0.5, step * 4 ** -1.5)", 0, 0.0),
        ("1 / step if step > 0 else 2", 0, 2.0),
        ("max(1, 2, 3, step)", 0, 3.0),
        ("0.5 * (1 + cos(pi * step / total_steps))", 40, 0.5),
        ("\n step\t", 3, 3.0),
    ],
)
def test_examples(text: str, step: float, value: float) -> None:
    names = {**VALUES, "step": float(step)}
    assert evaluate(parse(text), names, SCALAR) == pytest.approx(value, abs=1e-15)
    with np.errstate(all="ignore"):
        vector = evaluate(parse(text), {**names, "step": np.array([step, step], float)}, VECTOR)
    assert np.asarray(vector, float).max() == pytest.approx(value, abs=1e-15)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "ends too early: ``; complete it"),
        ("1 +", "ends too early: `1 +`; complete it"),
        ("(1", "ends too early: `(1`; complete it"),
        ("1)", "must be arithmetic; `)` cannot stand at character 2"),
        ("2 epoch", "may use step, epoch, total_steps, total_epochs, pi, e; got `epoch` at"),
        ("epochs * 2", "may use step, epoch, total_steps, total_epochs, pi, e; got `epochs` at"),
        ("__import__('os')", 'must be arithmetic; "\'" cannot stand at character 12'),
        ("__import__(step)", "may call exp, log,"),
        ("eval(step)", "got `eval` at character 1"),
        ("round(step)", "got `round` at character 1"),
        ("step.real", "must be arithmetic; '.' cannot stand at character 5"),
        ("step[0]", "must be arithmetic; '[' cannot stand at character 5"),
        ("(lambda: 1)()", "':' cannot stand at character 8"),
        ("[x for x in step]", "'[' cannot stand at character 1"),
        ("step := 1", "':' cannot stand at character 6"),
        ("step and 1", "got `and` at character 6"),
        ("not step", "got `not` at character 1"),
        ("True", "got `True` at character 1"),
        ("1j", "got `j` at character 2"),
        ("0x10", "got `x10` at character 2"),
        ("1 if step", "ends too early"),
        ("if", "`if` cannot stand at character 1"),
        ("0 < step < 5", "must compare two values at a time"),
        ("exp(1, 2)", "`exp` takes 1 value(s), got 2"),
        ("pow(1)", "`pow` takes 2 value(s), got 1"),
        ("min(1)", "`min` takes at least 2 value(s), got 1"),
        ("exp()", "`)` cannot stand at character 5"),
        ("exp", "may use step"),
        ("1e999", "must hold numbers below 1.8e308, got 1e999"),
        ("5 \u00d7 2", "'\u00d7' cannot stand at character 3"),
        ("\uff11", "'\uff11' cannot stand at character 1"),
        ("1" * (MAX_LENGTH + 1), f"must have at most {MAX_LENGTH} characters, got"),
        ("(" * (MAX_DEPTH + 1) + "1" + ")" * (MAX_DEPTH + 1), "must not nest deeper than"),
        ("-" * (MAX_DEPTH + 1) + "1", "must not nest deeper than"),
        ("**".join(["1"] * (MAX_DEPTH + 2)), "must not nest deeper than"),
        ("1 if 1 else " * 16 + "1", "ok"),
    ],
)
def test_what_is_no_arithmetic_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    if sentence == "ok":
        parse(text)
        return
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert sentence in str(caught.value)


def test_towers_of_powers_cost_nothing() -> None:
    tree = parse("9**9**9**9**9")
    assert evaluate(tree, VALUES, SCALAR) == math.inf
    with np.errstate(all="ignore"):
        assert np.asarray(evaluate(tree, VALUES, VECTOR)) == np.inf


def test_the_longest_chain_is_evaluated() -> None:
    text = "+".join(["1"] * (MAX_LENGTH // 2))
    assert evaluate(parse(text), VALUES, SCALAR) == MAX_LENGTH // 2


def test_reading_never_compiles_or_runs_python(monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    def refuse(*arguments: object) -> None:
        raise AssertionError("Python was run")

    parse.cache_clear()
    for name in ("eval", "exec", "compile", "__import__"):
        monkeypatch.setattr(builtins, name, refuse)
    value = first_value(parse("0.65 ** epoch + min(step, 2)"))
    monkeypatch.undo()
    assert value == 1.0
