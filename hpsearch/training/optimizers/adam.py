"""Adam and its kin: running means of the gradient (m, by beta1) and its square (v, by beta2).

Both start at 0, so after t updates they hold c1 = 1 − beta1^t and c2 = 1 − beta2^t of what they
would in the long run; m̂ = m / c1 and v̂ = v / c2 make up for it. Where torch divides by
√(v / c2) + eps, these rules divide by √v + eps·√c2 and put √c2 into the rate: the same number
with the corrections on [K, 1] instead of [K, P].
"""

from __future__ import annotations

import torch
from torch import Tensor

from hpsearch.training.optimizers.rule import Coefficients, Hyperparameters, OptimizerState, Rule


class Adam(Rule):
    """w ← w − lr·m̂ / (√v̂ + eps). AdamW differs by decoupled weight decay.

    Source: Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019.
    """

    def init_state(self, weights: Tensor) -> OptimizerState:
        """The running means m and v, 0."""
        return {"mean": torch.zeros_like(weights), "square": torch.zeros_like(weights)}

    def base_coefficients(self, hyperparameters: Hyperparameters, count: Tensor) -> Coefficients:
        """Weights of the running means, eps·√c2, and −lr·√c2 / c1."""
        beta1, beta2 = hyperparameters["beta1"], hyperparameters["beta2"]
        root = (1 - beta2**count).sqrt()
        return {
            "mean_weight": 1 - beta1,
            "square_weight": 1 - beta2,
            "eps": hyperparameters["eps"] * root,
            "rate": -hyperparameters["lr"] * root / (1 - beta1**count),
        }

    def update_direction(
        self, grads: Tensor, state: OptimizerState, coefficients: Coefficients
    ) -> Tensor:
        """The quotient m / (√v + eps·√c2)."""
        mean = state["mean"].lerp_(grads, coefficients["mean_weight"])
        size = self.size(grads, state, coefficients).add_(coefficients["eps"])
        return torch.div(mean, size, out=size)

    def size(self, grads: Tensor, state: OptimizerState, coefficients: Coefficients) -> Tensor:
        """√v [K, P], a new matrix; advances v."""
        return state["square"].lerp_(grads.square(), coefficients["square_weight"]).sqrt()


class AmsGrad(Adam):
    """Adam with the largest v so far in place of v, corrected by the present c2 as torch does.

    Source: Reddi, Kale & Kumar 2018 (who leave bias correction out).
    """

    def init_state(self, weights: Tensor) -> OptimizerState:
        """The running means m and v, and the largest v, 0."""
        return {**super().init_state(weights), "largest": torch.zeros_like(weights)}

    def size(self, grads: Tensor, state: OptimizerState, coefficients: Coefficients) -> Tensor:
        """√ of the largest v so far [K, P], a new matrix; advances v."""
        square = state["square"].lerp_(grads.square(), coefficients["square_weight"])
        largest = state["largest"]
        return torch.maximum(largest, square, out=largest).sqrt()


class Adamax(Rule):
    """u ← max(beta2·u, |g| + eps); w ← w − lr·m̂ / u.

    Source: Kingma & Ba 2015, algorithm 2; eps where torch has it.
    """

    def init_state(self, weights: Tensor) -> OptimizerState:
        """The running mean m and the largest gradient u, 0."""
        return {"mean": torch.zeros_like(weights), "largest": torch.zeros_like(weights)}

    def base_coefficients(self, hyperparameters: Hyperparameters, count: Tensor) -> Coefficients:
        """Weight of the running mean, beta2, eps, and −lr / c1."""
        return {
            "mean_weight": 1 - hyperparameters["beta1"],
            "beta2": hyperparameters["beta2"],
            "eps": hyperparameters["eps"],
            "rate": -hyperparameters["lr"] / (1 - hyperparameters["beta1"] ** count),
        }

    def update_direction(
        self, grads: Tensor, state: OptimizerState, coefficients: Coefficients
    ) -> Tensor:
        """The quotient m / u; `rate` holds the bias correction c1."""
        mean = state["mean"].lerp_(grads, coefficients["mean_weight"])
        largest = state["largest"].mul_(coefficients["beta2"])
        torch.maximum(largest, grads.abs().add_(coefficients["eps"]), out=largest)
        return mean / largest


class NAdam(Adam):
    """Adam whose step looks ahead: g and m mixed by a momentum μ that warms up.

    μ_t = beta1·(1 − ½·0.96^(t·momentum_decay)), Π_t = μ_1·…·μ_t, and
    w ← w − lr·(g·(1 − μ_t)/(1 − Π_t) + m·μ_{t+1}/(1 − Π_{t+1})) / (√v̂ + eps).

    Source: Dozat 2016.
    """

    def init_state(self, weights: Tensor) -> OptimizerState:
        """The running means m and v, 0, and Π, 1."""
        return {**super().init_state(weights), "product": torch.ones_like(weights[:, :1])}

    def base_coefficients(self, hyperparameters: Hyperparameters, count: Tensor) -> Coefficients:
        """Adam's without c1, which Π replaces, and μ of this update and the next."""
        beta1, beta2 = hyperparameters["beta1"], hyperparameters["beta2"]
        root = (1 - beta2**count).sqrt()
        decay = hyperparameters["momentum_decay"]
        return {
            "mean_weight": 1 - beta1,
            "square_weight": 1 - beta2,
            "eps": hyperparameters["eps"] * root,
            "rate": -hyperparameters["lr"] * root,
            "momentum": beta1 * (1 - 0.5 * 0.96 ** (count * decay)),
            "next_momentum": beta1 * (1 - 0.5 * 0.96 ** ((count + 1) * decay)),
        }

    def update_direction(
        self, grads: Tensor, state: OptimizerState, coefficients: Coefficients
    ) -> Tensor:
        """The mixture over √v + eps·√c2."""
        momentum, ahead = coefficients["momentum"], coefficients["next_momentum"]
        product = state["product"].mul_(momentum)
        mean = state["mean"].lerp_(grads, coefficients["mean_weight"])
        size = self.size(grads, state, coefficients).add_(coefficients["eps"])
        mixture = grads * ((1 - momentum) / (1 - product))
        return mixture.addcmul_(mean, ahead / (1 - product * ahead)).div_(size)


class RAdam(Adam):
    """Adam where the variance of v̂ is known to be small, else momentum: w ← w − lr·m̂.

    ρ∞ = 2/(1 − beta2) − 1 and ρ_t = ρ∞ − 2t·beta2^t / c2; where ρ_t > 5, the step is
    lr·r_t·m̂ / ((√v + eps) / √c2) with
    r_t = √((ρ_t − 4)(ρ_t − 2)ρ∞ / ((ρ∞ − 4)(ρ∞ − 2)ρ_t)). eps stands inside, as in torch.

    Source: Liu et al. 2020.
    """

    def base_coefficients(self, hyperparameters: Hyperparameters, count: Tensor) -> Coefficients:
        """Adam's, the rate times r_t where the step is rectified."""
        beta1, beta2 = hyperparameters["beta1"], hyperparameters["beta2"]
        correction = 1 - beta2**count
        limit = 2 / (1 - beta2) - 1
        length = limit - 2 * count * beta2**count / correction
        rectified = length > 5
        known = (length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)
        factor = torch.where(rectified, (known * correction).sqrt(), torch.ones_like(known))
        return {
            "mean_weight": 1 - beta1,
            "square_weight": 1 - beta2,
            "eps": hyperparameters["eps"],
            "rate": -hyperparameters["lr"] * factor / (1 - beta1**count),
            "rectified": rectified,
        }

    def update_direction(
        self, grads: Tensor, state: OptimizerState, coefficients: Coefficients
    ) -> Tensor:
        """The mean m, over √v + eps in rows that are rectified."""
        mean = state["mean"].lerp_(grads, coefficients["mean_weight"])
        size = self.size(grads, state, coefficients).add_(coefficients["eps"])
        return torch.where(coefficients["rectified"], torch.div(mean, size, out=size), mean)
