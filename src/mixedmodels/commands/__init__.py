"""The commands of `mixedmodels`, a module each: `run(arguments)` prints and gives the exit status.

Text and JSON go to standard output, notes and warnings to standard error (`output`). What surrounds
a command (streams, signals, the exit status of errors) is in `cli`. The arguments are declared in
`arguments`, from which `completion` makes the scripts of shells; `wording` words advice for users
of Python as options of the command.
"""
