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
from hpsearch.reference.samples import is_number, object_type, samples
from hpsearch.spec.augment import AUGMENTATIONS
from hpsearch.spec.language.base import SpecModel
from hpsearch.spec.language.family import Family
from hpsearch.spec.model import MODELS
from hpsearch.spec.optimizer import OPTIMIZERS
from hpsearch.spec.schedule import SCHEDULES
from hpsearch.spec.study import parse_study
from hpsearch.spec.task import SupervisedTask
from hpsearch.spec.training import Training
from hpsearch.training.group.group_size import GAIN, NEAR, SECONDS, SIZES
from hpsearch.training.tasks.plan import Plan, group_key

DATASETS = ("digits", "wine")
"""Two data sets, whose names no type tells."""


def fuses(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether trials of two studies may share a group."""
    return group_key(_plan(one)) == group_key(_plan(other))


def family_fields(path: str, family: Family[Any]) -> Iterator[tuple[str, str, bool]]:
    """(kind, field, whether trials of one group may differ in it) of a family's members."""
    for kind, member in family.members.items():
        for field in member.model_fields:
            pair = None if field == "kind" else _differing(path, member, field, kind)
            if pair is not None:
                yield kind, field, fuses(*pair)


def loop_fields() -> Iterator[tuple[str, bool]]:
    """(path, whether trials of one group may differ in it) of the loop, task and schedule."""
    for section, model in (("training", Training), ("task", SupervisedTask)):
        for field in model.model_fields:
            pair = _differing(section, model, field)
            if field not in ("kind", "model") and pair is not None:
                yield f"{section}.{field}", fuses(*pair)
    for field, info in Training.model_fields.items():
        path, section_type = f"training.{field}", object_type(info.annotation)
        if section_type is not None:
            for inner in section_type.model_fields:
                if (pair := _differing(path, section_type, inner)) is not None:
                    yield f"{path}.{inner}", fuses(*pair)
        elif info.default is None and is_number(info.annotation, info.metadata):
            _, one, other, *_ = samples(Training, field)
            yield f"{path} (a number)", fuses(_study(path, one), _study(path, other))
    plans = [
        _plan(_study("schedule", {"kind": kind, **member.example}))
        for kind, member in SCHEDULES.members.items()
    ]
    yield "schedule (kind and fields)", len({group_key(plan) for plan in plans}) == 1


def page() -> str:
    """The whole page as Markdown."""
    lines = [HEAD]
    lines += ["## Task, loop and schedule", "", "| differs | one group |", "|---|---|"]
    lines += [f"| `{path}` | {_word(can)} |" for path, can in loop_fields()]
    for title, path, family in (
        ("Optimizers", "optimizer", OPTIMIZERS),
        ("Models", "task.model", MODELS),
        ("Augmentations (one of each kind)", "training.augment", AUGMENTATIONS),
    ):
        lines += ["", f"## {title}", "", "| kind | may differ | must be equal |", "|---|---|---|"]
        by_kind: dict[str, dict[bool, list[str]]] = {}
        for kind, field, can in family_fields(path, family):
            by_kind.setdefault(kind, {True: [], False: []})[can].append(f"`{field}`")
        lines += [
            f"| {kind} | {', '.join(fields[True]) or '—'} | {', '.join(fields[False]) or '—'} |"
            for kind, fields in by_kind.items()
        ]
    return "\n".join([*lines, "", TAIL])


def _study(path: str, value: Any) -> dict[str, Any]:
    """A study in which one field has a value; a section that is a list has it as its one entry."""
    document: dict[str, Any] = {
        "name": "fusing",
        "task": {"dataset": DATASETS[0]},
        "optimizer": {"kind": "momentum", "lr": 0.1},
    }
    *sections, field = path.split(".")
    inner = document
    for section in sections:
        inner = inner.setdefault(section, {})
    inner[field] = copy.deepcopy(value)
    return document


def _plan(document: Mapping[str, Any]) -> Plan:
    return Plan(0, parse_study(document), 3)


def _differing(
    path: str, model: type[SpecModel], field: str, kind: str | None = None
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Two studies that differ in one field of an object; None where no two values are valid.

    Args:
        path: of the object in a study.
        model: its class.
        field: the one that differs.
        kind: of the object, if it is a member of a family.
    """
    values = DATASETS if (path, field) == ("task", "dataset") else samples(model, field)
    named = {} if kind is None else {"kind": kind}
    for others in ({}, model.example):
        studies: dict[str, dict[str, Any]] = {}
        for value in values:
            section = {**named, **others, field: value}
            if path == "task":
                section = {"dataset": DATASETS[0], **section}
            study = _study(path, [section] if path == "training.augment" else section)
            try:
                studies.setdefault(_plan(study).spec.model_dump_json(), study)
            except InvalidInput:  # a rule for several fields together
                continue
        if len(studies) > 1:
            one, other, *_ = studies.values()
            return one, other
    return None


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
