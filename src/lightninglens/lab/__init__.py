"""Experiments: comparisons with paired seeds, backtests, calibration, sweeps.

Depends on operate and below.
"""
