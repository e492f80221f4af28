"""Random formulas, tables, saved files and command lines, and what must hold for each.

`python -m fuzz KIND` runs many under a watchdog; `tests/fuzz` runs a few with hypothesis. An
example is a function of a `random.Random`, so a number names it. Nothing here is installed.
"""
