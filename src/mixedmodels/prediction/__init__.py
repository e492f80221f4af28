"""Prediction and simulation: functions of a `Fitted`, which they never change."""
