"""Update rules, a few to a file, and how a group of trials gets its rule.

rule = rule_for(spec.optimizer, layout)
state = rule.init_state(weights)
hyperparameters = hyperparameters_of(optimizers, device=weights.device)
scales = scales_of(optimizers, layout, weights.dtype, weights.device)
table = {**hyperparameters, "lr": lr_table}
for coefficients in rule.coefficients_by_step(table, counts, weights.dtype):
    ...  # fill grads
    rule.update(weights, grads, state, coefficients, scales)
"""

from __future__ import annotations

from collections.abc import Hashable

from hpsearch.spec.language.family import implementation
from hpsearch.spec.optimizers.base import OptimizerBase
from hpsearch.training.numerics.layout import Layout
from hpsearch.training.optimizers.hyperparameters import hyperparameters_of
from hpsearch.training.optimizers.rule import (
    Closure,
    Coefficients,
    Hyperparameters,
    OptimizerState,
    Rule,
)
from hpsearch.training.optimizers.scales import Scales, scales_of

__all__ = [
    "Closure", "Coefficients", "Hyperparameters", "OptimizerState", "Rule", "Scales",
    "group_key", "hyperparameters_of", "rule_class", "rule_for", "scales_of",
]  # fmt: skip


def rule_class(optimizer: OptimizerBase) -> type[Rule]:
    """The class of rule that an optimizer names."""
    rule: type[Rule] = implementation(type(optimizer))
    return rule


def rule_for(optimizer: OptimizerBase, layout: Layout) -> Rule:
    """The rule of a group, from the resolved optimizer of any of its trials."""
    return rule_class(optimizer)(optimizer, layout)


def group_key(optimizer: OptimizerBase) -> Hashable:
    """Trials whose keys are equal may share a group; their hyperparameters may differ."""
    return (optimizer.kind, *(getattr(optimizer, flag) for flag in rule_class(optimizer).flags))
