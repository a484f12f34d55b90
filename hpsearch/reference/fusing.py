"""The page of what may differ between trials of a group.

`python -m hpsearch.reference.fusing > docs/fusing.md` writes it.

Every row is found by asking the engine: two studies are made that differ in one field, and their
trials' group keys are compared.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from hpsearch.errors import InvalidInput
from hpsearch.spec.optimizer import OPTIMIZERS
from hpsearch.spec.study import parse_study
from hpsearch.training.group.group_size import GAIN, NEAR, SECONDS, SIZES
from hpsearch.training.tasks.plan import Plan, group_key

SCHEDULES: Mapping[str, dict[str, Any]] = {
    "constant": {},
    "piecewise_constant": {"boundaries": [1], "factors": [1.0, 0.5]},
    "step": {"step_size": 1},
    "multi_step": {"milestones": [1]},
    "exponential": {"decay_rate": 0.9},
    "natural_exponential": {"decay_rate": 0.1},
    "inverse_time": {"decay_rate": 0.5},
    "polynomial": {"power": 2.0},
    "linear": {},
    "cosine": {"warmup": {"epochs": 0.5}},
    "linear_cosine": {},
    "noisy_linear_cosine": {},
    "cosine_restarts": {"first_period": 1},
    "cyclic": {"half_period": 1},
    "one_cycle": {},
    "reduce_on_plateau": {"patience": 0},
    "inverse_sqrt": {"reference": 1},
    "warmup_stable_decay": {},
    "lambda": {"expression": "1 / (1 + epoch)"},
    "sequence": {
        "parts": [
            {"schedule": {"kind": "linear"}, "length": 1},
            {"schedule": {"kind": "constant"}, "length": 1},
        ]
    },
}
"""One schedule of each kind."""

MODELS = ("linear", "mlp", "cnn", "resnet")

_VALUES: Mapping[str, tuple[Any, Any]] = {
    "optimizer.param_groups": ([], [{"match": "output.*", "lr_scale": 0.5}]),
    "optimizer.no_decay": ([], ["bias"]),
    "optimizer.momentum_schedule": (None, {"kind": "linear"}),
    "training.clip": (None, {"norm": 1.0}),
    "training.clip.norm": ({"norm": 1.0}, {"norm": 2.0}),
    "training.clip.value": ({"value": 1.0}, {"value": 2.0}),
    "training.ema": (None, {}),
    "training.ema.decay": ({"decay": 0.9}, {"decay": 0.5}),
    "training.swa": (None, {}),
    "training.swa.start, every": ({"start": 0.5}, {"every": 2}),
    "training.max_norm": (None, 1.0),
    "training.max_norm (a number)": (1.0, 2.0),
    "training.early_stopping": (None, {"patience": 2}),
    "training.early_stopping.patience, min_delta": ({"patience": 2}, {"patience": 3}),
    "training.augment": ([], ["noise"]),
    "training.augment (strengths)": (
        [{"kind": "noise", "std": 0.1}],
        [{"kind": "noise", "std": 0.2}],
    ),
    "task.split": ({"validation": 0.2}, {"validation": 0.3}),
    "task.class_weights": ("none", "balanced"),
    "task.loss": ("cross_entropy", "hinge"),
    "task.dataset": ("digits", "wine"),
    "task.model.hidden": ([8], [9]),
    "task.model.layers": (1, 2),
    "training.folds": (0, 3),
}
"""Two values of fields that hold no plain number or word."""

_TRIED: tuple[Any, ...] = (
    0.5, 0.25, 1, 2, 3, 8, 14, True, False, "zeros", "orthogonal", "none", "batch", "relu", "tanh",
    "same", "valid", "per_trial", "shared", "fp32", "bf16", "zscore", "minmax", "original",
    "match_rms_adamw", "strong_wolfe",
)  # fmt: skip


def fuses(path: str, values: tuple[Any, Any], base: Mapping[str, Any]) -> bool:
    """Whether trials that differ in this field alone may share a group."""
    one, other = (_plan(base, path.partition(" ")[0], value) for value in values)
    return group_key(one) == group_key(other)


def optimizer_fields() -> Iterator[tuple[str, str, bool]]:
    """(kind, field, whether it may differ) of every optimizer."""
    for kind in OPTIMIZERS.members:
        base = _base(optimizer={"kind": kind, "lr": 0.1})
        for field in type(parse_study(base).optimizer).model_fields:
            values = None if field == "kind" else _two(f"optimizer.{field}", base)
            if values is not None:
                yield kind, field, fuses(f"optimizer.{field}", values, base)


def model_fields() -> Iterator[tuple[str, str, bool]]:
    """(kind, field, whether it may differ) of every model."""
    for kind in MODELS:
        base = _base(model={"kind": kind})
        model: Any = parse_study(base).supervised.model
        for field in type(model).model_fields:
            if field == "units" and kind == "mlp":
                continue  # goes with layers
            values = None if field == "kind" else _two(f"task.model.{field}", base)
            if values is not None:
                yield kind, field, fuses(f"task.model.{field}", values, base)


def loop_fields() -> Iterator[tuple[str, bool]]:
    """(path, whether it may differ) of the loop, the task and the schedule."""
    base = _base()
    names = [f"training.{name}" for name in type(parse_study(base).training).model_fields]
    names += ["task.dataset", "task.split", "task.standardize", "task.loss", "task.class_weights"]
    names += [name for name in _VALUES if name not in names and name.startswith("training.")]
    for path in names:
        field = path
        for whole in ("clip", "ema", "swa", "early_stopping"):
            if path.startswith(f"training.{whole}."):
                field = f"training.{whole}"
        if (values := _two(path, base)) is not None:
            yield path, fuses(field, values, base)
    schedules = [_plan(base, "schedule", {"kind": k, **more}) for k, more in SCHEDULES.items()]
    yield "schedule (kind and fields)", len({group_key(plan) for plan in schedules}) == 1


def page() -> str:
    """The whole page as Markdown."""
    lines = [HEAD]
    lines += ["## Task, loop and schedule", "", "| differs | one group |", "|---|---|"]
    lines += [f"| `{path}` | {_word(can)} |" for path, can in loop_fields()]
    for title, found in (("Optimizers", optimizer_fields()), ("Models", model_fields())):
        lines += ["", f"## {title}", "", "| kind | may differ | must be equal |", "|---|---|---|"]
        by_kind: dict[str, dict[bool, list[str]]] = {}
        for kind, field, can in found:
            by_kind.setdefault(kind, {True: [], False: []})[can].append(f"`{field}`")
        lines += [
            f"| {kind} | {', '.join(fields[True])} | {', '.join(fields[False]) or '—'} |"
            for kind, fields in by_kind.items()
        ]
    return "\n".join([*lines, "", TAIL])


def _base(model: Mapping[str, Any] | None = None, **sections: Any) -> dict[str, Any]:
    return {
        "name": "fusing",
        "task": {"dataset": "digits", **({"model": model} if model else {})},
        "optimizer": {"kind": "momentum", "lr": 0.1},
        **sections,
    }


def _plan(base: Mapping[str, Any], path: str, value: Any) -> Plan:
    document = copy.deepcopy(dict(base))
    *sections, field = path.split(".")
    place = document
    for section in sections:
        place = place.setdefault(section, {})
    place[field] = value
    if path == "task.model.layers" and not _is_cnn(base):
        place["units"] = 8
    return Plan(0, parse_study(document), 3)


def _two(path: str, base: Mapping[str, Any]) -> tuple[Any, Any] | None:
    """Two values of a field that make two studies; none where there is but one."""
    tried = _VALUES.get(path, _TRIED)
    if path == "task.model.layers" and _is_cnn(base):
        tried = _TRIED
    found: dict[str, Any] = {}
    for value in tried:
        # Sections that are objects are tried under their own name, their fields under the field's.
        field = path.partition(" ")[0]
        for whole in ("clip", "ema", "swa", "early_stopping"):
            if field.startswith(f"training.{whole}."):
                field = f"training.{whole}"
        try:
            found.setdefault(_plan(base, field, value).spec.model_dump_json(), value)
        except InvalidInput:
            continue
    values = list(found.values())
    return (values[0], values[1]) if len(values) > 1 else None


def _is_cnn(base: Mapping[str, Any]) -> bool:
    return bool(base["task"].get("model", {}).get("kind") == "cnn")


def _word(can: bool) -> str:
    return "yes" if can else "no: a group of its own"


HEAD = f"""# What trains together

Generated by `python -m hpsearch.reference.fusing`; a test holds it to the code.

Trials of a worker that share data, structure, batch size and update rule are rows of the same
tensors: one pass trains them all. How many at once is measured, once per shape and worker process,
by a few steps of groups of {", ".join(map(str, SIZES))} trials (at most about {SECONDS} s): the
smallest size within {NEAR - 1:.0%} of the best is taken, one by one unless a group gains
{GAIN - 1:.0%}, within half of the free memory. The choice and its reason are in the worker's log
and in the trial (`attributes.training`). Where memory runs out nevertheless, the group is halved
and goes on from its last finished epoch.

On a CPU with one thread (a worker's default) a trial's curve is the same **to the last bit** in
every group and alone, under fp32, for every built-in model: so a trial may be resumed in any group.
On other devices, with more threads or under bf16, groups of another size round otherwise in the
last digits; at fp64 both agree to 1e-9 over the first 20 steps.
"""

TAIL = """## How each model trains

| model | gradients | on CPUs | elsewhere |
|---|---|---|---|
| linear, mlp without norm | by hand, batched products | batched products | batched products |
| mlp with norm | autograd | batched products | batched products |
| cnn, resnet | autograd | grouped convolutions for whole blocks of 16 channels, else one \
after another inside the group | grouped convolutions |
| plug-in | autograd | `torch.vmap` where the module allows it and agrees with itself, else one \
after another | the same |

`python -m benchmarks.fused` measures what that gains.

## Tried, and left out

- `torch.compile` of Adam's update (two CPU cores, MLP 64-64): 11 → 5 µs a step and trial of 70,
  after 15 s of compiling; a study of 64 trials × 5 epochs takes 2 s. It would pay after hours.
- im2col in place of convolutions: two to four times slower for inner layers of 16 and more
  channels, twice as fast for a first layer of one channel on 8 × 8 pixels alone.
- One convolution of 64 trials' filters over shared images: its weights' gradient takes four times
  as long as one after another on 32 × 32 pixels, so first layers go one by one on CPUs."""


if __name__ == "__main__":
    sys.stdout.write(page() + "\n")
