"""Functions of R, Python and NumPy that formulas do not have, and what to write instead."""

from __future__ import annotations

_ALL_ROWS = (
    "depends on all rows, so predictions for other rows would silently differ. Use center(x), "
    "scale(x), poly(x, 2) or cut(x, 4), which learn from the training data, or make a column first"
)
_ORDER = (
    "depends on the order of the rows, so it could not be repeated on new data; make a column first"
)
_TEXT = (
    "works on text; make a column first, for example data['new'] = data['old'].str.lower() with "
    "pandas"
)
_RANDOM = "gives other values in each call; draw a column first"
_MISSING = (
    "asks for missing values, but rows with a missing value in any variable of the formula are "
    "left out; make a column first, for example data['absent'] = data['x'].isna()"
)
_DATES = "works on dates; make a column of numbers first, say, days since the first"
_INPUT = "reads, writes or runs something outside the formula"

_ADVICE: dict[str, tuple[str, ...]] = {
    _ALL_ROWS: (
        *("mean", "median", "sd", "var", "min", "max", "range", "sum", "prod", "length", "nrow"),
        *("quantile", "mad", "IQR", "ave", "tapply", "aggregate", "rank", "rowMeans", "rowSums"),
        *("colMeans", "weighted.mean", "cor", "table", "unique", "nlevels", "levels", "any", "all"),
        *("std", "normalize", "reorder", "ecdf", "fivenum", "sample"),
    ),
    _ORDER: (
        *("cumsum", "cumprod", "cummax", "cummin", "rev", "order", "sort", "lag", "lead", "diff"),
        *("shift", "seq_along", "seq_len", "row_number", "rle", "rowid", "head", "tail", "which"),
        *("rep", "append", "embed", "filter", "stl"),
    ),
    _TEXT: (
        *("nchar", "substr", "substring", "sprintf", "format", "toupper"),
        *("tolower", "trimws", "gsub", "sub", "grepl", "grep", "regexpr", "strsplit", "startsWith"),
        *("endsWith", "chartr", "rev.default", "len", "formatC", "abbreviate"),
    ),
    _RANDOM: ("rnorm", "runif", "rbinom", "rpois", "rexp", "rgamma", "jitter", "set.seed"),
    _MISSING: ("is.na", "is.nan", "complete.cases", "na.omit", "isna", "isnull", "anyNA", "addNA"),
    _DATES: (
        *("as.Date", "as.POSIXct", "as.POSIXlt", "difftime", "months", "weekdays", "julian"),
        *("strftime", "ISOdate", "year", "month", "yday"),
    ),
    _INPUT: (
        *("eval", "exec", "open", "get", "assign", "source", "system", "file", "read.csv", "load"),
        *("save", "print", "cat", "library", "require", "compile", "input", "globals", "locals"),
        *("getattr", "setattr", "vars", "dir", "parse", "do.call", "sapply", "lapply", "function"),
        *("vapply", "Map", "Reduce", "Vectorize", "outer", "environment"),
    ),
}

REFUSED: dict[str, str] = {
    **{name: f"'{name}' {why}." for why, names in _ADVICE.items() for name in names},
    "Q": "'Q' is not a function of formulas; write an odd name between backticks: `my column`.",
    "lm": "'lm' is not a function inside formulas; fit first and make a column of the result.",
    **{
        name: f"'{name}' is a smooth term of another package; write {remedy}."
        for name, remedy in (
            ("s", "ns(x, df=5) or bs(x, df=5)"),
            ("lo", "ns(x, df=5) or bs(x, df=5)"),
            ("te", "ns(x, df=3) * ns(z, df=3)"),
            ("ti", "ns(x, df=3):ns(z, df=3)"),
        )
    },
    "rcs": "'rcs' is not a function of formulas; ns(x, df=4) gives the same kind of spline.",
    "paste": "'paste' is not a function of formulas; write interaction(a, b, sep=\" \").",
    "paste0": "'paste0' is not a function of formulas; write interaction(a, b, sep=\"\").",
    "polym": "'polym' is not a function of formulas; write x * z + I(x^2) + I(z^2).",
    "mo": "'mo' is not a function of formulas; write factor(x), or the codes by as.numeric().",
    "recode": "'recode' is not a function of formulas; write factor(x, levels=, labels=).",
    "case_when": "'case_when' is not a function of formulas; write ifelse(test, yes, no), nested.",
    "fct_relevel": "'fct_relevel' is not a function of formulas; write relevel(f, ref=\"b\").",
    "str": "'str' is not a function of formulas; write as.character(x), or factor(x).",
    "int": "'int' is not a function of formulas; write as.integer(x).",
    "float": "'float' is not a function of formulas; write as.numeric(x).",
    "bool": "'bool' is not a function of formulas; write as.logical(x).",
    "standardize": "'standardize' is not a function of formulas; write scale(x).",
    "trials": "'trials' is not a function of formulas; successes of trials are cbind(successes, "
    "failures), or a share of them with weights= as the number of trials.",
    "Surv": "'Surv' is not a function of formulas: models of survival times are not here.",
    **{
        name: f"'{name}' is not a function of formulas; write {remedy}."
        for names, remedy in (
            (("ln", "loge", "log_e"), "log(x), the natural logarithm"),
            (("lg", "log_10"), "log10(x)"),
            (("logit",), "qlogis(p)"),
            (("expit", "inv_logit", "invlogit", "sigmoid"), "plogis(x)"),
            (("probit",), "qnorm(p)"),
            (("sqr", "square"), "I(x^2)"),
            (("zscore", "z_score"), "scale(x)"),
            (("demean", "centre"), "center(x)"),
            (("category", "categorical"), "factor(x)"),
        )
        for name in names
    },
    "pow": "'pow' is not a function of formulas; write x^2.",
}
"""Name to the whole refusal."""
