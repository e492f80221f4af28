"""FormulaSpec and table to Design: model matrices, groups, response, on the rows used."""

from __future__ import annotations

from mixedmodels.design.build import build_design
from mixedmodels.design.design import AllRows, Design, TermDesign
from mixedmodels.design.groups import GroupingFactor
from mixedmodels.design.matrix import PartPlan

__all__ = ["AllRows", "Design", "GroupingFactor", "PartPlan", "TermDesign", "build_design"]
