"""The table of update rules, and how a group of trials gets its rule.

rule = rule_for(spec.optimizer, layout)
slots, numbers = rule.slots(weights), numbers_of(optimizers, device=weights.device)
scales = scales_of(optimizers, layout, weights.dtype, weights.device)
for coefficients in rule.schedule({**numbers, "lr": lr_table}, counts, weights.dtype):
    ...  # fill grads
    rule.update(weights, grads, slots, coefficients, scales)
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from hpsearch.spec.optimizer import OptimizerBase
from hpsearch.training.numerics.layout import Layout
from hpsearch.training.optimizers.adam import Adam, Adamax, AmsGrad, NAdam, RAdam
from hpsearch.training.optimizers.adaptive import Adadelta, Adagrad, RmsProp
from hpsearch.training.optimizers.descent import Momentum, Nesterov, Sgd
from hpsearch.training.optimizers.hyperparameters import numbers_of
from hpsearch.training.optimizers.lbfgs import Lbfgs
from hpsearch.training.optimizers.lion import Lion
from hpsearch.training.optimizers.muon import Muon
from hpsearch.training.optimizers.rule import Closure, Numbers, Rule, Slots
from hpsearch.training.optimizers.scales import Scales, scales_of

__all__ = [
    "RULES", "Closure", "Numbers", "Rule", "Scales", "Slots",
    "group_key", "numbers_of", "rule_for", "scales_of",
]  # fmt: skip

RULES: Mapping[str, type[Rule]] = {
    "sgd": Sgd,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adagrad": Adagrad,
    "adadelta": Adadelta,
    "rmsprop": RmsProp,
    "adam": Adam,
    "amsgrad": AmsGrad,
    "adamw": Adam,
    "nadam": NAdam,
    "radam": RAdam,
    "adamax": Adamax,
    "lion": Lion,
    "muon": Muon,
    "lbfgs": Lbfgs,
}


def rule_for(optimizer: OptimizerBase, layout: Layout) -> Rule:
    """The rule of a group, from the resolved optimizer of any of its trials."""
    return RULES[optimizer.kind](optimizer, layout)


def group_key(optimizer: OptimizerBase) -> Hashable:
    """Trials whose keys are equal may share a group; their numbers may differ."""
    return (optimizer.kind, *(getattr(optimizer, flag) for flag in RULES[optimizer.kind].flags))
