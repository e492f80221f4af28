"""How large a formula may be, so that each is answered quickly; all are far above real formulas."""

from __future__ import annotations

MAX_CHARACTERS = 50_000
"""Length of a formula or of an expression."""

MAX_DEPTH = 60
"""Brackets, calls and operators within one another; bounds the recursion of the parser."""

MAX_TERMS = 5_000
"""Terms of the fixed part, or of the left of a bar, after expansion."""

MAX_PRODUCTS = 1_000_000
"""Products of two terms that are formed while one formula part is expanded."""

MAX_RANDOM_TERMS = 500
"""Random-effects terms after nesting is expanded."""

MAX_GROUP_FACTORS = 100
"""Factors whose interaction is one group."""

MAX_SEQUENCE = 10_000
"""Numbers in a sequence such as ``1:3`` inside a call."""
