"""Update rules, a few to a file, and how a group of trials gets its rule.

rule = rule_for(spec.optimizer, layout)
slots, numbers = rule.slots(weights), numbers_of(optimizers, device=weights.device)
scales = scales_of(optimizers, layout, weights.dtype, weights.device)
for coefficients in rule.schedule({**numbers, "lr": lr_table}, counts, weights.dtype):
    ...  # fill grads
    rule.update(weights, grads, slots, coefficients, scales)
"""

from __future__ import annotations

from collections.abc import Hashable

from hpsearch.spec.language.family import implementation
from hpsearch.spec.optimizer import OptimizerBase
from hpsearch.training.numerics.layout import Layout
from hpsearch.training.optimizers.hyperparameters import numbers_of
from hpsearch.training.optimizers.rule import Closure, Numbers, Rule, Slots
from hpsearch.training.optimizers.scales import Scales, scales_of

__all__ = [
    "Closure", "Numbers", "Rule", "Scales", "Slots",
    "group_key", "numbers_of", "rule_class", "rule_for", "scales_of",
]  # fmt: skip


def rule_class(optimizer: OptimizerBase) -> type[Rule]:
    """The class of rule that an optimizer names."""
    rule: type[Rule] = implementation(type(optimizer))
    return rule


def rule_for(optimizer: OptimizerBase, layout: Layout) -> Rule:
    """The rule of a group, from the resolved optimizer of any of its trials."""
    return rule_class(optimizer)(optimizer, layout)


def group_key(optimizer: OptimizerBase) -> Hashable:
    """Trials whose keys are equal may share a group; their numbers may differ."""
    return (optimizer.kind, *(getattr(optimizer, flag) for flag in rule_class(optimizer).flags))
