"""Requests that no client of ours would send."""

from __future__ import annotations

from httpx2 import Response
from hypothesis import strategies as st

JUNK_IDS = [
    "0",
    "-1",
    "x",
    "1.5",
    "1e3",
    "%00",
    "%ff",
    "%20",
    "2147483648",
    "9" * 30,
    "1" * 5000,
    "१",
]
JUNK_PATHS = [
    *(f"/studies/{junk}" for junk in JUNK_IDS),
    *(f"/studies/1/trials/{junk}" for junk in JUNK_IDS if junk != "0"),
    *(f"/checkpoints/{junk}/artifact" for junk in JUNK_IDS),
    *(f"/jobs/{junk}:complete" for junk in ("x", "-1", "1" * 5000)),
    "/nothing", "/studies/1/nothing", "/../../etc/passwd", "/studies/1:explode", "/" + "x" * 5000,
]  # fmt: skip

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**30, -(10**30), 2**63, 2**31, 1e308, -1e308, 5e-324])
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=5)
    | st.sampled_from(["adam", "random", "cosine", "mlp", "cnn", "digits", "wine", "none"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["kind", "choice", "uniform", "log_uniform", "int_uniform", "step", "lr", "model",
                 "dataset", "hidden", "epochs", "trials", "warmup", "momentum", "metric"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)  # fmt: skip
"""Values that may stand anywhere in a spec, fitting now and then."""


def is_problem(answer: Response) -> bool:
    """Whether an answer lays a fault on the request, in the one form for that."""
    return (
        400 <= answer.status_code < 500
        and answer.headers["Content-Type"] == "application/problem+json"
        and bool(answer.json()["detail"])
        and answer.json()["status"] == answer.status_code
    )
