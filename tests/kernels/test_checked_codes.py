"""Codes and rows that do not fit are refused by every entry of the core before they are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mixedmodels import LinearMixedModel, _core
from mixedmodels.estimates.linear import Model

N = 12
GOOD = np.tile(np.arange(3, dtype=np.int32), 4)


def changed(row: int, code: int) -> np.ndarray:
    codes = GOOD.copy()
    codes[row] = code
    return codes


BAD_CODES: dict[str, Any] = {
    "missing": changed(0, -1),
    "lowest": changed(5, -(2**31)),
    "one too many": changed(11, 3),
    "largest": changed(7, 2**31 - 1),
    "int64": GOOD.astype(np.int64),
    "int64 beyond": GOOD.astype(np.int64) + 2**32,
    "int8": GOOD.astype(np.int8),
    "unsigned": GOOD.astype(np.uint32),
    "float": GOOD.astype(float),
    "bool": GOOD > 0,
    "other bytes": GOOD.astype(">i4"),
    "strided": np.repeat(GOOD, 2)[::2],
    "reversed": GOOD[::-1],
    "matrix": GOOD.reshape(3, 4),
    "short": GOOD[:-1],
    "long": np.r_[GOOD, GOOD[:1]],
    "list": GOOD.tolist(),
}


@pytest.fixture(scope="module")
def model() -> Model:
    rng = np.random.default_rng(3)
    data = {"y": rng.normal(size=N), "x": rng.normal(size=N), "g": GOOD}
    model = LinearMixedModel("y ~ x + (1 | g)", data, threads=1)
    model.objective([1.0])
    return model._model


def products(codes: Any, levels: int = 3) -> Any:
    ones = np.ones((N, 1))
    return _core.Products([codes], [levels], [[ones]], ones, np.arange(float(N)))


ENTRIES: dict[str, Callable[[Any, Model], Any]] = {
    "Products": lambda codes, _: products(codes),
    "interact, first": lambda codes, _: _core.interact(codes, 3, GOOD, 3),
    "interact, second": lambda codes, _: _core.interact(GOOD, 3, codes, 3),
    "compact": lambda codes, _: _core.compact(codes, 3),
    "predict_rows": lambda codes, model: _core.predict_rows(
        model.workspace.evaluator, [codes], [np.ones((N, 1))], np.ones((N, 2))
    ),
}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("kind", BAD_CODES)
def test_bad_codes_are_refused(entry: str, kind: str, model: Model) -> None:
    if (entry == "predict_rows" and kind == "missing") or (
        entry == "compact" and kind in ("short", "long")
    ):
        ENTRIES[entry](BAD_CODES[kind], model)  # what -1 and the length mean there
        return
    with pytest.raises(ValueError, match=r"code|differ in length"):
        ENTRIES[entry](BAD_CODES[kind], model)


@pytest.mark.parametrize("entry", ENTRIES)
def test_good_codes_are_taken(entry: str, model: Model) -> None:
    ENTRIES[entry](GOOD, model)


@pytest.mark.parametrize("levels", [2, 0, -1, -(2**31)])
def test_number_of_levels_counts(levels: int) -> None:
    for call in (
        lambda: products(GOOD, levels),
        lambda: _core.compact(GOOD, levels),
        lambda: _core.interact(GOOD, levels, GOOD, 3),
        lambda: _core.interact(GOOD, 3, GOOD, levels),
    ):
        with pytest.raises(ValueError, match="levels"):
            call()


def test_as_many_codes_as_levels_and_matrices() -> None:
    ones, y = np.ones((N, 1)), np.arange(float(N))
    for codes, levels, z in ([[GOOD], [], [[ones]]], [[GOOD], [3], []], [[], [3], [[ones]]]):
        with pytest.raises(ValueError, match="grouping factors"):
            _core.Products(codes, levels, z, ones, y)


@pytest.mark.parametrize(
    ("start", "rows", "message"),
    [
        ([0, 1], [N], "not there"),
        ([0, 1], [-1], "not there"),
        ([0, 2], [4, 4], "twice"),
        ([0, 2], [4], "divide the rows"),
        ([1, 1], [4], "divide the rows"),
        ([0, 3, 2], [4, 5], "divide the rows"),
        ([], [], "divide the rows"),
    ],
)
def test_rows_to_leave_out(start: Any, rows: Any, message: str, model: Model) -> None:
    with pytest.raises(ValueError, match=message):
        _core.fit_without(
            model.workspace.evaluator,
            np.array(start, dtype=np.int64),
            np.array(rows, dtype=np.int64),
            np.ones(1),
            True,
            _core.SearchSettings(100),
            None,
            [1],
            np.ones(1),
            1,
        )


@pytest.mark.parametrize(
    ("sizes", "turns", "message"),
    [
        ([0], [], "no size"),
        ([-1], [1.0], "no size"),
        ([2], [1.0, 0.0, 0.0, 1.0], "not of one model"),
        ([1], [], "not of one model"),
        ([1, 1], [1.0, 1.0], "not of one model"),
    ],
)
def test_turns_of_terms(sizes: list[int], turns: list[float], message: str) -> None:
    theta, steps = np.ones(1), np.zeros((2, 1))
    assert np.array_equal(_core.advance(theta, steps, [1], np.ones(1)), np.ones((2, 1)))
    with pytest.raises(ValueError, match=message):
        _core.advance(theta, steps, sizes, np.array(turns))
    with pytest.raises(ValueError, match="length of theta"):
        _core.advance(theta, np.zeros((2, 3)), [1], np.ones(1))


@pytest.mark.parametrize("order", [[], [1], [-1], [0, 0], [0, 1]])
def test_orders_of_factors(order: list[int], model: Model) -> None:
    with pytest.raises(ValueError, match="every factor once"):
        _core.Analysis(model.products, order)
    with pytest.raises(ValueError, match="every factor once"):
        model.products.fill(order)
