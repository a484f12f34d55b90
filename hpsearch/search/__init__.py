"""Proposes configurations and judges curves: samplers and pruners, one a file."""
