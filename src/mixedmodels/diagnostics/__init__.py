"""Diagnostics of the rows, groups and terms of a fit: functions of a `Fitted` and of arrays."""
