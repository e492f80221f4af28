"""No formula leaves the tree of errors or takes long, and what is laid out for one is finite."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Iterator
from random import Random

import numpy as np
import pandas as pd
import pytest
from fuzz import formulas
from hypothesis import given, settings
from hypothesis import strategies as st

from mixedmodels import LinearMixedModel, MixedModelsError
from mixedmodels.formula import parse_formula
from mixedmodels.formula.tokens import quote_name

COUNT = 600
CHUNKS = 20
# CPU seconds for one formula; the machine may be under load.
SECONDS = 5.0


def outcome(text: str, data: pd.DataFrame | None) -> str:
    """The design's shape, or the message of the refusal."""
    try:
        spec = parse_formula(text)
        assert spec.text == text
        if data is None:
            return spec.fixed
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            design = LinearMixedModel(text, data).design
    except MixedModelsError as error:
        return str(error)
    for part in (design.y, design.X, *(term.z for term in design.terms)):
        assert np.isfinite(part).all()
    return f"{design.X.shape}"


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_random_formulas_end_in_a_design_or_in_our_errors(chunk: int) -> None:
    """Every second one is laid out for a small table; what is made is finite."""
    data = formulas.table()
    for seed in range(chunk, COUNT, CHUNKS):
        text = formulas.draw(Random(f"formula {seed}"))
        begin = time.process_time()
        with blame(f"formula {seed}: {text[:300]!r}"):
            assert outcome(text, data if seed // CHUNKS % 2 else None).encode()
            assert time.process_time() - begin < SECONDS


@contextlib.contextmanager
def blame(what: str) -> Iterator[None]:
    """Name the formula in any failure."""
    try:
        yield
    except Exception as error:
        raise AssertionError(f"{type(error).__name__} from {what}") from error


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for formula in (text, f"y ~ {text} + (1|g)", f"y ~ I({text}) + (1|g)", f"y ~ x + (1|{text})"):
        assert outcome(formula, None).encode()


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
@settings(max_examples=300, deadline=None)
def test_any_name_can_be_quoted(name: str) -> None:
    written = quote_name(name)
    spec = parse_formula(f"{written} ~ {written} + log({written}) + ({written} | {written})")
    assert spec.response == name
    assert spec.terms[1].factors[0].name == name
    assert spec.random[0].group == name
    assert parse_formula(f"y ~ {spec.fixed} + (1|g)").fixed == spec.fixed
