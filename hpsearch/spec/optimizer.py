"""Optimizers: one class per kind, its update rule in the docstring.

w   weights     g   gradient     m, v   running means of g and g²     t   1-based update number

Defaults are torch's, but for `momentum`, which torch leaves at 0, and for `lr`, which the kinds
sgd, momentum and nesterov have to be given and nadam and adamax share with adam. Weight decay
comes in two forms: coupled (L2: weight_decay·w is added to g) and decoupled (w shrinks by
lr·weight_decay·w beside the update).
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from hpsearch.spec.language.family import Family
from hpsearch.spec.optimizers.adam import Adam, Adamax, AdamW, AmsGrad, NAdam, RAdam
from hpsearch.spec.optimizers.adaptive import Adadelta, Adagrad, RmsProp
from hpsearch.spec.optimizers.base import OptimizerBase
from hpsearch.spec.optimizers.descent import Momentum, Nesterov, Sgd
from hpsearch.spec.optimizers.lbfgs import Lbfgs
from hpsearch.spec.optimizers.sign_and_matrix import Lion, Muon

OPTIMIZERS = Family(
    Sgd,
    Momentum,
    Nesterov,
    Adagrad,
    Adadelta,
    RmsProp,
    Adam,
    AmsGrad,
    AdamW,
    NAdam,
    RAdam,
    Adamax,
    Lion,
    Muon,
    Lbfgs,
    default="adam",
)
"""The table of optimizers: a new one is a class in hpsearch/spec/optimizers and a line here."""

Optimizer: TypeAlias = Annotated[OptimizerBase, OPTIMIZERS]
