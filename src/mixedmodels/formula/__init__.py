"""Formula text to FormulaSpec: the language, without data."""

from __future__ import annotations

from mixedmodels.formula.parse import parse_formula
from mixedmodels.formula.spec import Factor, FormulaSpec, RandomTerm, Term

__all__ = ["Factor", "FormulaSpec", "RandomTerm", "Term", "parse_formula"]
