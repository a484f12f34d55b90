"""One model from the weights of several trials."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from hpsearch.errors import FieldError
from hpsearch.spec.ensembles.base import EnsembleBase
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.training import Training


class SoupEnsemble(EnsembleBase):
    """What ensembles take that average the weights of several trials."""

    makes_one_model = True
    ignored_fields = ("combine",)

    def errors(self, training: Training, *, has_several_models: bool) -> Iterator[FieldError]:
        """Errors where the weights of two trials cannot be averaged."""
        if training.init_seed != "shared":
            yield FieldError(
                "kind",
                f"{self.kind} averages weights of several trials, which must start from one "
                f"initialisation, got training.init_seed: {format_value(training.init_seed)}; set "
                "it to shared, or use top_k",
            )
        if has_several_models:
            yield FieldError(
                "kind", f"{self.kind} needs one model for all trials, got a choice; use top_k"
            )


class UniformSoup(SoupEnsemble):
    """One model: the mean of the weights of the `size` best trials (Wortsman et al. 2022).

    They must share an initialisation (`training.init_seed: shared`).
    """

    implementation = "hpsearch.ensemble_builder.kinds.soups:uniform_soup"

    kind: Literal["soup_uniform"]


class GreedySoup(SoupEnsemble):
    """One model: from the best trial on, the mean of those weights that make it no worse.

    Wortsman et al. 2022; they must share an initialisation (`training.init_seed: shared`).
    """

    implementation = "hpsearch.ensemble_builder.kinds.soups:greedy_soup"

    kind: Literal["soup_greedy"]
