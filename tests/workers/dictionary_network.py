"""A network whose outputs are no rows of classes: a dictionary of tensors."""

from __future__ import annotations

from torch import Tensor, nn


class Net(nn.Module):
    """Says something that is no row of classes."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"level": self.layer(x)}
