"""Arguments of functions: what each takes, what is refused with what to write, and limits."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from mixedmodels import LinearMixedFit, lmer, load_dataset
from mixedmodels.design import Design
from mixedmodels.design.functions import FUNCTIONS
from mixedmodels.errors import DataError, FormulaError

UFUNC_KEYWORDS = ("out", "where", "dtype", "casting", "order", "subok", "initial", "axis", "sig")


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_no_keyword_but_those_listed(name: str, design: Callable[..., Design]) -> None:
    for keyword in UFUNC_KEYWORDS:
        with pytest.raises(FormulaError, match=f"does not take '{keyword}='; it takes"):
            design(f"y ~ {name}(x, {keyword}=z) + (1|g)")


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("np.load('x')", "np.load"),
        ("np.fromfile('x')", "np.fromfile"),
        ("np.save('x', x)", "np.save"),
        ("np.random.normal(x)", "np.random.normal"),
        ("np.full(1000000000000)", "np.full"),
        ("np.arange(1000000000000)", "np.arange"),
        ("np.linalg.inv(x)", "np.linalg.inv"),
        ("np.cumsum(x)", "np.cumsum"),
        ("np.sort(x)", "np.sort"),
        ("np.frompyfunc(x, 1, 1)", "np.frompyfunc"),
        ("np.left_shift(k, 3)", "np.left_shift"),
        ("numpy.memmap('x')", "numpy.memmap"),
    ],
)
def test_numpy_functions_that_are_not_row_wise(
    name: str, function: str, design: Callable[..., Design]
) -> None:
    with pytest.raises(FormulaError, match=f"'{function}' is not among NumPy's.*make a column"):
        design(f"y ~ {name} + (1|g)")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("cumsum(x)", "order of the rows.*make a column first"),
        ("rev(x)", "order of the rows"),
        ("mean(x)", r"depends on all rows.*center\(x\)"),
        ("rnorm(x)", "draw a column first"),
        ("is.na(x)", r"\.isna\(\)"),
        ("nchar(s)", "make a column first"),
        ("paste(s, f)", r"write interaction\(a, b"),
        ("te(x, z)", r"write ns\(x, df=3\) \* ns\(z, df=3\)"),
        ("Q('my var')", "between backticks"),
        ("str(k)", r"as\.character\(x\)"),
        ("eval('1')", "outside the formula"),
        ("as.Date(x)", "make a column of numbers first"),
    ],
)
def test_functions_of_r_that_are_not_here(
    call: str, message: str, design: Callable[..., Design]
) -> None:
    with pytest.raises(FormulaError, match=message):
        design(f"y ~ {call} + (1|g)")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("ns(x, df=100000000)", "ns.. takes 1 to 1000 as 'df', not 100000000"),
        ("ns(x, df=1e300)", "from 1 to 1000"),
        ("ns(x, df=2.5)", "whole number from 1 to 1000"),
        ("ns(x, df=Inf)", "one number as 'df'"),
        ("ns(x, knots=1:5000)", "at most 1000 values as 'knots'"),
        ("bs(x, df=100000000)", "takes 3 to 1000 as 'df'"),
        ("bs(x, degree=1000000)", "takes 0 to 25 as 'degree'"),
        ("bs(x, df=2)", "takes 3 to 1000 as 'df'"),
        ("cr(x, df=100000000)", "takes 3 to 1000 as 'df'"),
        ("cc(x, df=100000000)", "takes 1 to 1000 as 'df'"),
        ("poly(x, 100000)", "takes 1 to 100 as 'degree'"),
        ("poly(x, 1e15, raw=TRUE)", "takes 1 to 100 as 'degree'"),
        ("cut(x, 1000000000)", "takes 2 to 10000 as 'breaks'"),
        ("cut(x, seq(0, 1, 1e-12))", "at most 10000 values"),
        ("round(x, 1000000000)", "takes -300 to 300 as 'digits'"),
        ("C(f, contr.treatment(1000000000))", "takes 2 to 10000 as 'n'"),
        ("factor(k, levels=1:10001)", "limit is 10,000|at most 10000"),
    ],
)
def test_limits_are_named_before_anything_large_is_made(
    call: str, message: str, design: Callable[..., Design]
) -> None:
    start = time.process_time()
    with pytest.raises(FormulaError, match=message):
        design(f"y ~ {call} + (1|g)")
    assert time.process_time() - start < 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("log(f)", r"'f' is categorical, not numeric: log\(\) needs numbers.*as\.character\(f\)"),
        ("ns(s, 3)", "'s' is categorical, not numeric: ns"),
        ("scale(u)", "'u' is categorical"),
        ("pmin(x, f)", "'f' is categorical"),
        ("np.maximum(f, 1)", "'f' is categorical"),
        ("log(factor(k))", "needs numbers, not a factor"),
        ("exp('a')", "not the text 'a'"),
        ("log(c(1, 2))", "not a list of 2 values"),
        ("scale(3)", "needs a column of the data"),
        ("ns(3, 2)", "not the constant 3"),
        ("ns(poly(x, 2), 2)", "needs one column, not the 2"),
        ("cut(poly(x, 2), 2)", "needs one column, not the 2"),
        ("factor(poly(x, 2))", "needs one column, not the 2"),
        ("pmax(poly(x, 2), poly(x, 3))", "2 and 3 columns"),
        ("ns(x, df=z)", "one number as 'df', not a column"),
        ("ns(x, knots=z)", r"constants as 'knots', such as c\(1, 2\), not a column"),
        ("ns(x, df=4, knots=1)", "'df' or 'knots', not both"),
        ("ns(x, Boundary.knots=c(1, 1))", "two different numbers as 'Boundary.knots'"),
        ("bs(x, df=4, extrapolation='on')", "'raise', 'clip'"),
        ("cr(x)", "'df' or 'knots'"),
        ("cr(x, df=4, constraints=z)", "'center' as 'constraints'"),
        ("poly(x, z)", "polynomials of several are products"),
        ("poly(x, 2, coefs=1)", "does not take 'coefs='; it takes x, degree, raw and simple"),
        ("scale(x, center='a')", "one number as 'center'"),
        ("scale(x, TRUE, 0)", "must not be 0"),
        ("cut(x, z)", "constants as 'breaks'"),
        ("cut(x, 3, labels=c('a', 'b'))", "each of the 3 intervals"),
        ("relevel(x, ref=1)", r"write factor\(x\)"),
        ("relevel(u, ref='hi')", "not ordered"),
        ("relevel(f)", "needs 'ref'"),
        ("as.numeric(f)", r"as\.numeric\(factor\(f\)\).*as\.numeric\(as\.character\(f\)\)"),
        ("as.numeric(s)", r"as\.numeric\(as\.character\(f\)\)"),
        ("ifelse(x > 1, f, 'other')", r"as\.character\(f\)"),
        ("factor(f, contr.sum)", r"C\(x, contrast\)"),
        ("interaction()", "at least one argument"),
        ("c(x, z)", "constants as 'values'"),
        ("log(x, z, k)", "is given 3 arguments; it takes x and base"),
        ("np.log(x, z)", "is given 2 arguments; it takes x"),
        ("round(x, x=z)", "is given 'x' twice"),
        ("C(f, contr.sum, base=2)", "takes base= for contr.treatment only"),
        ("C(f, base=2)", "takes base= for contr.treatment only"),
    ],
)
def test_wrong_arguments(call: str, message: str, design: Callable[..., Design]) -> None:
    with pytest.raises(FormulaError, match=message):
        design(f"y ~ {call} + (1|g)")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("scale(constant)", "needs a column that varies"),
        *(
            (f"{call}", "cannot learn from a value that is -inf")
            for call in ("scale(log(k))", "center(log(k))", "poly(log(k), 2)", "ns(log(k), 2)")
        ),
        ("cut(1 / k, 3)", "cannot learn from a value that is inf"),
        ("ns(constant, 2)", "needs a column that varies; all its values are 1.5"),
        ("bs(constant)", "needs a column that varies"),
        ("cr(constant, df=3)", "needs a column that varies"),
        ("cr(b, df=4)", "at least 4 distinct values.*there are 2"),
        ("poly(b, 3)", "more than 3 distinct values; there are 2"),
        ("poly(x, 47)", "loses all digits"),
        ("bs(x, knots=99)", "knot 99 outside the boundary knots"),
        ("ns(x, df=3, Boundary.knots=c(50, 60))", "no value between the boundary knots"),
        ("cut(x, c(0, 1, 1, 9))", "breaks that differ"),
        ("relevel(f, ref='pp')", "has no level 'pp'; it has q, p, r.*Did you mean 'p'"),
        ("dummy(f, 'zz')", "has no level 'zz'"),
        ("factor(k, levels=0:3)", "factor.. has values that are not among its levels: 4"),
        ("factor(k, labels=c('a', 'b'))", "each of the 5 levels"),
        ("as.numeric(as.character(f))", "written as text, not 'p'"),
        ("as.logical(f)", "write f == "),
        ("C(f, contr.treatment(4))", "3 levels in use.*not the 4"),
        ("C(f, contr.treatment(base=9))", "number 9 cannot be the reference"),
        ("C(f, contr.treatment, base=9)", "number 9 cannot be the reference"),
    ],
)
def test_wrong_values(call: str, message: str, design: Callable[..., Design]) -> None:
    with pytest.raises(DataError, match=message):
        design(f"y ~ {call} + (1|g)")


@pytest.mark.parametrize(
    ("call", "same"),
    [
        ("numpy.log(x)", "np.log(x)"),
        ("C(f, Treatment(reference='p'))", "C(f, Treatment('p'))"),
        ("C(f, contr.treatment(base=2))", "C(f, Treatment('p'))"),
        ("C(f, contr.treatment, base=2)", "C(f, Treatment('p'))"),
        ("C(f, contr.treatment(3, base=2))", "C(f, Treatment('p'))"),
        ("C(f, contr.SAS)", "C(f, Treatment('r'))"),
        ("C(f, contr.sum(3))", "C(f, Sum)"),
        ("relevel(f, ref='p')", "C(f, Treatment('p'))"),
        ("relevel(f, ref=2)", "C(f, Treatment('p'))"),
        ("interaction(f, s)", "factor(interaction(f, s))"),
        ("cut(x, breaks=c(0, 1, 9))", "I(x > 1)"),
        ("as.numeric(b)", "0 + as.numeric(b) + 1"),
        ("exp(b)", "exp(1 * b)"),
        ("scale(b)", "scale(1 * b)"),
        ("ns(x, df=3)", "ns(x, 3)"),
        ("bs(x, df=4)", "bs(x, 4, NULL, 3)"),
        ("bs(x, df=5, intercept=TRUE)", "bs(x, df=5, include_intercept=True)"),
        ("dummy(f)", "f"),
        ("dummy(f, 'p')", "I(1 * (f == 'p'))"),
        ("factor(k, levels=4:0)", "C(k, levels=[4, 3, 2, 1, 0])"),
        ("ifelse(f == 'p', x, 0)", "I(x * (f == 'p'))"),
        ("as.numeric(u)", "as.integer(factor(u))"),
        ("round(x, digits=1)", "round(x, 1)"),
    ],
)
def test_spellings(call: str, same: str, design: Callable[..., Design]) -> None:
    np.testing.assert_allclose(
        design(f"y ~ {call} + (1|g)").X, design(f"y ~ {same} + (1|g)").X, rtol=1e-14, atol=1e-14
    )


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "int16", "uint8", "uint64", "float16", "float32"]
)
@pytest.mark.parametrize(
    "call",
    [
        *("exp(v)", "log1p(v)", "sqrt(v)", "scale(v)", "center(v)", "poly(v, 1)", "bs(v, df=4)"),
        *("np.exp(v)", "pmin(v, 0.3)", "ns(v, df=2)", "round(v / 3, 2)", "np.hypot(v, v)"),
    ],
)
def test_short_numbers_are_computed_in_double_precision(
    call: str, dtype: str, table: pd.DataFrame, design: Callable[..., Design]
) -> None:
    narrow = table.assign(v=(table["k"] % 2).astype(dtype))
    wide = table.assign(v=(table["k"] % 2).astype(np.float64))
    formula = f"y ~ {call} + (1|g)"
    np.testing.assert_array_equal(design(formula, narrow).X, design(formula, wide).X)


REPLAYED = (
    "scale(log(x))",
    "poly(scale(x), 2)",
    "log(scale(x) + 9)",
    "ns(center(x), 3)",
    "bs(log(x), df=4)",
    "cut(scale(x), 3)",
    "relevel(cut(x, 3), ref=2)",
    "dummy(cut(x, 3))",
    "as.numeric(cut(x, 4))",
    "as.numeric(factor(s))",
    "factor(s, labels=c('first', 'second'))",
    "interaction(s, cut(x, 2))",
    "poly(as.numeric(factor(f)), 2)",
    "ifelse(scale(x) > 0, 'above', 'below')",
    "scale(poly(x, 2))",
    "cr(x, df=4, constraints='center')",
    "cc(x, df=4)",
    "as.logical(cut(x, 2, labels=FALSE) - 1)",
)


NUMERIC = [call for call in REPLAYED if call.startswith(("scale(log", "log", "as.num"))]
CASES = [
    *((call, role) for call in REPLAYED for role in ("{} + (1|g)", "1 + ({}|g)")),
    *((call, "offset({}) + (1|g)") for call in NUMERIC),
]


def same_predictions(fit: LinearMixedFit, data: pd.DataFrame) -> None:
    """Predictions for two rows alone are those that the fit has for them."""
    some = np.asarray(fit.predict(data.iloc[[7, 40]]))
    np.testing.assert_allclose(some, np.asarray(fit.fitted)[[7, 40]], rtol=1e-9)


@pytest.mark.parametrize(("call", "role"), CASES)
@pytest.mark.filterwarnings("ignore::mixedmodels.SingularFitWarning")
@pytest.mark.filterwarnings("ignore::mixedmodels.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::mixedmodels.NotIdentifiedWarning")  # cc adds up to 1
def test_predictions_for_some_rows_are_those_of_training(
    call: str, role: str, table: pd.DataFrame
) -> None:
    data = pd.concat([table] * 3, ignore_index=True)
    data["y"] += np.random.default_rng(3).normal(size=len(data))
    same_predictions(lmer(f"y ~ {role.format(call)}", data), data)


@pytest.mark.filterwarnings("ignore::mixedmodels.SingularFitWarning")
def test_groups_are_cut_where_training_cut_them(table: pd.DataFrame) -> None:
    formula = "y ~ z + (1|cut(x, 4)) + (1|interaction(s, cut(x, 2)))"
    fit = lmer(formula, table, weights="scale(x) + 9", offset="log(scale(z) + 9)")
    same_predictions(fit, table)


def test_natural_splines_of_sleepstudy() -> None:
    """Deviances of lme4 1.1-31 with R's splines."""
    sleep = load_dataset("sleepstudy")
    for df, deviance in ((3, 1793.029692), (4, 1791.854174)):
        fit = lmer(f"Reaction ~ ns(Days, df={df}) + (1|Subject)", sleep, reml=False)
        assert fit.deviance == pytest.approx(deviance, abs=1e-6)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("ln(x)", "write log(x), the natural logarithm."),
        ("logit(x)", "write qlogis(p)."),
        ("inv_logit(x)", "write plogis(x)."),
        ("zscore(x)", "write scale(x)."),
        ("categorical(x)", "write factor(x)."),
    ],
)
def test_names_of_other_packages_are_answered(call: str, says: str) -> None:
    with pytest.raises(FormulaError) as caught:
        lmer(f"y ~ {call} + (1 | g)", {"y": [1.0, 2, 3], "x": [1.0, 2, 2], "g": [1, 1, 2]})
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("cbind(a=x, b=z)", "cbind() does not take 'a='; it takes columns without names."),
        ("cbind(1, 1)", "cbind() needs a column of the data"),
        ("cbind(f, x)", "Write as.numeric(as.character(f)) for numbers"),
        ("cbind(`my var`, s)", "Write as.numeric(as.character(s)) for numbers"),
        ("log(s)", "Write as.numeric(as.character(s)) for numbers"),
    ],
)
def test_columns_side_by_side_that_are_refused(
    call: str, message: str, design: Callable[..., Design]
) -> None:
    with pytest.raises(FormulaError) as error:
        design(f"y ~ {call} + (1 | g)")
    assert message in str(error.value)


def test_a_constant_beside_a_column_takes_its_rows() -> None:
    data = load_dataset("sleepstudy")
    fit = lmer("Reaction ~ cbind(Days, 1) + (1 | Subject)", data)
    plain = lmer("Reaction ~ Days + (1 | Subject)", data)
    for rows in (data.iloc[:0], data.iloc[:1], data.iloc[:7]):
        np.testing.assert_allclose(fit.predict(rows), plain.predict(rows), rtol=1e-7)
