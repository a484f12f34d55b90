"""Schedules as pure functions of the step: the same numbers in training, preview and tests.

NumPy only, so that the server can draw a schedule without torch.
"""

from hpsearch.training.schedules.clock import Horizon
from hpsearch.training.schedules.factors import lr_factors, reads_history
from hpsearch.training.schedules.momentum import momentum_values

__all__ = ["Horizon", "lr_factors", "momentum_values", "reads_history"]
