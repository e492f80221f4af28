"""statsmodels' names of a fit's values."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kinds_of_fits import fit_case

from mixedmodels import MixedModelsError
from mixedmodels.fit.aliases import Aliases

SAME = {
    "params": lambda fit: fit.fixef,
    "bse": lambda fit: fit.stderror,
    "tvalues": lambda fit: fit.coef_table()["statistic"],
    "pvalues": lambda fit: fit.coef_table()["p_value"],
    "resid": lambda fit: fit.residuals,
    "fittedvalues": lambda fit: fit.fitted,
    "llf": lambda fit: fit.loglik,
    "endog_names": lambda fit: fit.model.design.response_name,
    "df_resid": lambda fit: fit.df_residual,
    "cov_params": lambda fit: fit.vcov,
    "conf_int": lambda fit: fit.confint("beta_", method="wald").set_axis([0, 1], axis=1),
}
KINDS = [
    "slopes",
    "slopes, ML",
    "weights, offset",
    "rank-deficient",
    "no fixed part",
    "missing rows",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SAME)
def test_the_same_values(kind: str, name: str) -> None:
    fit: Any = fit_case(kind)
    found, expected = getattr(fit, name), SAME[name](fit)
    found = found() if callable(found) else found
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(found, expected, check_names=False)
    elif isinstance(expected, pd.Series):
        pd.testing.assert_series_equal(found, expected)
    else:
        assert found == expected


def test_each_is_listed_once_and_says_what_it_is() -> None:
    fit = fit_case("slopes")
    for name in SAME:
        assert dir(fit).count(name) == 1
        doc = vars(Aliases)[name].__doc__
        assert doc.startswith("statsmodels' name of `")
    assert {name for name in vars(Aliases) if not name.startswith("_")} == set(SAME)


def test_alpha_is_one_less_the_coverage() -> None:
    fit = fit_case("slopes")
    narrow = fit.conf_int(0.5)
    np.testing.assert_allclose(narrow, fit.confint("beta_", 0.5, method="wald"))
    for alpha in (0, 1, -0.1, "0.05", True):
        with pytest.raises(MixedModelsError, match="alpha is"):
            fit.conf_int(alpha)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["ranef", "ranef_cov", "coef"])
def test_results_by_group_are_mappings_that_print(name: str) -> None:
    for kind in ("slopes", "crossed", "nested"):
        fit = fit_case(kind)
        found = getattr(fit, name)()
        assert isinstance(found, Mapping)
        assert not isinstance(found, dict)
        assert list(found) == list(fit.ngroups)
        assert len(found.to_frame()) >= sum(fit.ngroups.values())
        for text in (str(found), found._repr_html_(), found.to_markdown(), found.to_latex()):
            assert all(group.split(":")[0] in text for group in found)
        assert np.asarray(found).size == sum(np.size(part) for part in found.values())
        again = pickle.loads(pickle.dumps(found))
        for group in found:
            np.testing.assert_array_equal(again[group], found[group])
        with pytest.raises(KeyError, match="not a grouping factor"):
            found["nothing"]
    assert "batch:cask" in found
