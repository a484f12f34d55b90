"""What a careful person would want to know of a study before it trains: a sentence each."""

from __future__ import annotations

from collections.abc import Iterator

from hpsearch.spec.checks.positive import positive_of
from hpsearch.spec.checks.split import rare_classes
from hpsearch.spec.language.messages import pluralize, printable
from hpsearch.spec.metrics import OF_POSITIVE
from hpsearch.spec.study import StudySpec
from hpsearch.spec.wire.datasets import DatasetInfo

NAMED = 5
"""So many classes of a kind are named; the others are counted."""


def study_warnings(spec: StudySpec, info: DatasetInfo) -> list[str]:
    """What of a supervised study was guessed, or cannot be measured.

    Args:
        spec: as a person wrote it.
        info: of its data.
    """
    return [*_rare(spec, info), *_positive(spec, info)]


def _rare(spec: StudySpec, info: DatasetInfo) -> Iterator[str]:
    split, folds = spec.supervised.split, spec.training.folds
    rare = rare_classes(split, info, folds)
    if not rare:
        return
    names = [f"{printable(name)} ({pluralize(rows, 'row')})" for name, rows in rare[:NAMED]]
    more = f" and {len(rare) - NAMED} more" if len(rare) > NAMED else ""
    what = "none of them tests" if folds else "all of them train"
    yield (
        f"{'A class' if len(rare) == 1 else f'{len(rare)} classes'} of {info.name} with too few "
        f"rows for every part of the split: {', '.join(names)}{more}; {what}, so that no "
        f"{'test score' if folds else 'score on validation or test rows'} says how well "
        f"{'it is' if len(rare) == 1 else 'they are'} learned"
    )


def _positive(spec: StudySpec, info: DatasetInfo) -> Iterator[str]:
    positive = positive_of(spec.supervised.positive, info)
    if positive is None or spec.supervised.positive is not None:
        return
    metrics = [o.metric for o in spec.objectives if o.metric.removeprefix("val_") in OF_POSITIVE]
    if metrics:
        is_rarer = len(set(info.class_rows)) > 1
        yield (
            f"{' and '.join(metrics)} {'are' if len(metrics) > 1 else 'is'} of class "
            f"{printable(positive)}, {'the rarer' if is_rarer else 'the later'} of two; "
            "task.positive names another"
        )
