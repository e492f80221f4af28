"""Inference: functions of a `Fitted`, which they never change."""
