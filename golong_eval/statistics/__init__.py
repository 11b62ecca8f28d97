"""Intervals for means of scores: pure functions on arrays."""

from golong_eval.statistics.intervals import Interval, bootstrap_interval, mean_interval, wilson_interval

__all__ = ["Interval", "bootstrap_interval", "mean_interval", "wilson_interval"]
