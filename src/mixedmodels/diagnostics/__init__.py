"""What a fit says of its rows, groups and terms: functions of a `Fitted` and of arrays."""
