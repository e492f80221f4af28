"""Names that collide: every result is that of the same model with harmless names, row by row."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from mixedmodels import MixedModelsError, lmer, simulate
from mixedmodels.covariance import Templates
from mixedmodels.estimates.parameters import parameter_names
from mixedmodels.linear import LinearMixedFit

# Which variances are zero is not the point here.
pytestmark = pytest.mark.filterwarnings("ignore::mixedmodels.SingularFitWarning")


class Names(NamedTuple):
    """What the columns u, v (numbers), f (levels a, b, c), g and h (groups) are called."""

    u: str = "u"
    v: str = "v"
    f: str = "f"
    g: str = "g"
    h: str = "h"
    b: str = "b"
    c: str = "c"


# Two covariates, a factor and two groups; written with the names in backticks.
CROSSED = "y ~ {u} + {v} + {f} + {u}:{v} + (1 | {g}) + (0 + {u} | {h})"
SLOPES = "y ~ {u} + {f} + ({u} | {g}) + (1 | {h})"
TWICE = "y ~ {u} + (1 | {g}) + (0 + {v} | {g}) + (1 | {h})"
GROUPS = "y ~ {u} + (1 | {g}:{h}) + (1 | {g})"

COLLIDING: list[tuple[str, Names]] = [
    *((CROSSED, Names(u=name)) for name in (
        "sigma", "fb", "f[b]", "(Intercept)", "sd(g.(Intercept))", "cor(g.x.y)", "beta(sigma)",
        "zeta", "parameter", "g.(Intercept)", "h.u", "nobs", "cooks_distance", "converged", "notes",
        "all", "Residual", "<none>", "v:w", "a - b", "2", "odd name", "log(v)", ".fitted", ".sigma",
    )),
    *((CROSSED, Names(v=name)) for name in ("u:w", "f", "sigma") if name != "f"),
    *((CROSSED, Names(g=name)) for name in (
        "all", "Residual", "sigma", "fixed", "h.u", "Observation", "h.1", "fb", "<none>",
    )),
    *((SLOPES, Names(g=name, u=other)) for name, other in (
        ("g", "(Intercept)x"), ("a.b", "c"), ("Residual", "sigma"), ("all", "fb"), ("g", "h.x"),
    )),
    *((TWICE, Names(g=name, h=other)) for name, other in (
        ("g", "g.1"), ("Residual", "Residual.1"), ("all", "sigma"), ("a", "a.v"),
    )),
    *((GROUPS, Names(g=name, h=other)) for name, other in (
        ("a:b", "c"), ("a", "b:c"), ("all", "Residual"), ("sigma", "sigma:x"),
    )),
    (CROSSED, Names(u="fb", v="fc")),
    (CROSSED, Names(u="fb:x", b="b:x")),
    (CROSSED, Names(u="sigma", v="beta(sigma)")),
    (CROSSED, Names(u="w", f="u", v="ub")),
]  # fmt: skip


@cache
def table() -> pd.DataFrame:
    rng = np.random.default_rng(19)
    n = 96
    frame = pd.DataFrame({"u": rng.normal(size=n), "v": rng.normal(size=n)})
    frame["f"] = np.array(list("abc"))[np.arange(n) % 3]
    frame["g"] = [f"p{k}" for k in np.arange(n) // 8]
    frame["h"] = [f"q{k}" for k in rng.permutation(n) % 8]
    frame["y"] = (
        frame["u"] - 0.5 * frame["v"] + rng.normal(0, 0.7, 12)[np.arange(n) // 8]
        + rng.normal(0, 0.7, 8)[[int(k[1:]) for k in frame["h"]]] * (1 + frame["u"])
        + rng.normal(size=n)
    )  # fmt: skip
    return frame


@cache
def fitted(formula: str, names: Names) -> LinearMixedFit:
    renamed = table().rename(columns={old: getattr(names, old) for old in "uvfgh"})
    renamed[names.f] = renamed[names.f].replace({"b": names.b, "c": names.c})
    quoted = {old: f"`{new}`" for old, new in names._asdict().items()}
    return lmer(formula.format(**quoted), renamed)


CHEAP: dict[str, Callable[[LinearMixedFit], Any]] = {
    "fixef": lambda fit: fit.fixef,
    "vcov": lambda fit: fit.vcov,
    "coef_table": lambda fit: fit.coef_table(),
    "anova": lambda fit: [fit.anova(t) for t in (1, 2, 3)],
    "drop1 F": lambda fit: fit.drop1("F"),
    "vcov_full": lambda fit: fit.vcov_full(),
    "varcorr": lambda fit: fit.varcorr.to_frame(),
    "varcorr, sd": lambda fit: [fit.varcorr.sd, *fit.varcorr.corr.values()],
    "varcorr_table": lambda fit: fit.varcorr_table(),
    "ranef": lambda fit: list(fit.ranef().values()),
    "coef": lambda fit: list(fit.coef().values()),
    "icc": lambda fit: fit.icc(),
    "r2": lambda fit: fit.r2(),
    "vif": lambda fit: fit.vif(),
    "repca": lambda fit: fit.repca().to_frame(),
    "tidy": lambda fit: fit.tidy(
        ["fixed", "ran_pars", "ran_vals", "ran_coefs"], conf_int=True, conf_method="wald"
    ),
    "augment": lambda fit: fit.augment(),
    "confint, Wald": lambda fit: fit.confint(method="wald"),
}
COSTLY: dict[str, Callable[[LinearMixedFit], Any]] = {
    "drop1": lambda fit: fit.drop1(),
    "ranova": lambda fit: fit.ranova(),
    "confint": lambda fit: fit.confint(),
    "profile": lambda fit: fit.profile("beta_").confint(),
    "profile, points": lambda fit: fit.profile("theta_", level=0.5).to_frame(),
    "confint, bootstrap": lambda fit: fit.confint(method="bootstrap", nsim=5, seed=1),
    "bootstrap": lambda fit: fit.bootstrap(5, seed=1).replicates,
    "influence": lambda fit: fit.influence(fit.model.design.groups[0].name).to_frame(),
}


def frames(result: Any) -> Iterator[Any]:
    yield from result if isinstance(result, list) else [result]


def numbers(frame: Any) -> Any:
    """The numbers of a table in the order of its rows; those of text left out."""
    if isinstance(frame, pd.Series):
        return frame.to_numpy(dtype=np.float64)[:, None]
    return frame.select_dtypes("number").to_numpy(dtype=np.float64)


def check(method: Callable[[LinearMixedFit], Any], formula: str, names: Names) -> None:
    found = list(frames(method(fitted(formula, names))))
    wanted = list(frames(method(fitted(formula, Names()))))
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(numbers(one), numbers(other), rtol=1e-6, atol=1e-9)
        assert one.index.is_unique
        assert not isinstance(one, pd.DataFrame) or one.columns.is_unique


def test_forty_models_collide() -> None:
    assert len(set(COLLIDING)) == len(COLLIDING) >= 40


@pytest.mark.parametrize(("formula", "names"), COLLIDING, ids=lambda value: str(value)[:60])
def test_tables(formula: str, names: Names) -> None:
    for method in CHEAP.values():
        check(method, formula, names)


@pytest.mark.parametrize(("formula", "names"), COLLIDING[::4], ids=lambda value: str(value)[:60])
def test_tables_of_refits(formula: str, names: Names) -> None:
    for method in COSTLY.values():
        check(method, formula, names)


@pytest.mark.parametrize(("formula", "names"), COLLIDING, ids=lambda value: str(value)[:60])
def test_every_printed_name_selects_its_row(formula: str, names: Names) -> None:
    fit = fitted(formula, names)
    intervals = fit.confint(method="wald")
    for name in intervals.index:
        assert fit.confint(method="wald", parameters=name).index.tolist() == [name]
    for name, estimate in fit.fixef.items():
        assert fit.test({str(name): 1.0}).table["estimate"].iloc[0] == pytest.approx(estimate)
        assert fit.test(f"{name} = 0" if name != "2" else "`2` = 0").table["estimate"].iloc[
            0
        ] == pytest.approx(estimate)


def test_names_are_plain_without_a_collision() -> None:
    fit = fitted(CROSSED, Names())
    assert fit.fixef.index.tolist() == ["(Intercept)", "u", "v", "fb", "fc", "u:v"]
    assert fit.confint(method="wald").index.tolist()[:3] == [
        "sd(g.(Intercept))",
        "sd(h.u)",
        "sigma",
    ]
    assert fit.icc().index.tolist() == ["g", "h", "all"]


def test_a_column_and_a_level_of_one_name() -> None:
    fit = fitted(CROSSED, Names(u="fb"))
    assert fit.fixef.index.tolist()[1:4] == ["`fb`", "v", "f[b]"]
    for ask in (lambda: fit.test("fb = 0"), lambda: fit.confint(method="wald", parameters="fb")):
        with pytest.raises(
            MixedModelsError, match=r"'fb' can mean more than one.*'`fb`'.*'f\[b\]'"
        ):
            ask()


def test_names_of_parameters_stay_with_them() -> None:
    fit = fitted(CROSSED, Names(u="sigma"))
    bounds = fit.confint(method="wald")
    assert np.isnan(bounds.loc["sigma", "lower"])
    assert bounds.loc["beta(sigma)"].mean() == pytest.approx(fit.fixef["sigma"])
    assert fit.test("sigma = 0").table["estimate"].iloc[0] == fit.fixef["sigma"]
    group = fitted(CROSSED, Names(g="all")).icc()
    assert group.index.tolist() == ["group(all)", "h", "all"]


def test_an_interaction_beside_a_column_with_its_name() -> None:
    data = table().assign(**{"g:h": np.arange(96) % 6})
    fit = lmer("y ~ u + (1 | g:h) + (1 | `g:h`)", data)
    same = lmer("y ~ u + (1 | g:h) + (1 | k)", data.rename(columns={"g:h": "k"}))
    assert fit.objective == same.objective
    assert list(fit.ranef()) == ["`g:h`" if name == "k" else name for name in same.ranef()]
    for spelled, other in (("(1 | `g:h`)", "k"), ("`g:h`", "k"), ("g:h", "g:h"), ("h : g", "g:h")):
        np.testing.assert_array_equal(fit.predict(random=[spelled]), same.predict(random=[other]))


def test_levels_that_make_labels_alike() -> None:
    data = table().assign(
        a=np.array(["x", "x:y"])[np.arange(96) % 2],
        b=np.array(["y:z", "z"])[np.arange(96) // 2 % 2],
    )
    fit = lmer("y ~ u + (1 | a:b) + (1 | g)", data)
    labels = fit.ranef()["a:b"].index
    assert sorted(labels) == ["`x:y`:`y:z`", "`x:y`:z", "x:`y:z`", "x:z"] or labels.is_unique
    crossed = lmer("y ~ a*b + (1 | g)", data)
    assert crossed.fixef.index.is_unique


def test_one_effect_of_one_group_twice() -> None:
    one = "(Intercept)"
    twice = Templates.from_terms([1, 2], [0, 0], ["g"], [[one], [one, "u"]], [9])
    assert twice.effects == (("(Intercept) [term 1]", "(Intercept) [term 2]", "u"),)
    assert twice.names[:2] == ("g.(Intercept) [term 1]", "g.(Intercept) [term 2]")
    assert parameter_names(twice)[0] == "sd(g.(Intercept) [term 1])"
    dots = Templates.from_terms([1, 1], [0, 1], ["g", "g.x"], [["x.u"], ["u"]], [9, 9])
    assert dots.names == ("g.`x.u`", "`g.x`.u")


ODD = Names(u="odd name", f="odd f", b="x:y", g="site.no", h="my group")


@pytest.mark.parametrize(
    ("equation", "position", "value"),
    [
        ("`odd name` = 0", "odd name", 1.0),
        ("odd name = 0", "odd name", 1.0),
        ("`odd f`x:y = 0", "odd fx:y", 1.0),
        ("`odd fx:y` = 0", "odd fx:y", 1.0),
        ("odd f[x:y]", None, 1.0),
        ("`odd f`[x:y]", "odd fx:y", 1.0),
        ("2 * `odd name`:v", "odd name:v", 2.0),
        ("`odd name`:`v` / 4", "odd name:v", 0.25),
        ("2 * (Intercept)", "(Intercept)", 2.0),
    ],
)
def test_backticks_in_hypotheses(equation: str, position: str | None, value: float) -> None:
    fit = fitted(CROSSED, ODD)
    if position is None:
        with pytest.raises(MixedModelsError, match="Coefficients are"):
            fit.test(equation)
        return
    found = fit.test(equation).table["estimate"].iloc[0]
    assert found == pytest.approx(value * fit.fixef[position])


def test_near_names_are_offered() -> None:
    with pytest.raises(MixedModelsError, match="Did you mean 'odd name'"):
        fitted(CROSSED, ODD).test("`od name` = 0")
    data = table().assign(**{"a - b": table()["u"] ** 2}).rename(columns={"u": "a", "v": "b"})
    fit = lmer("y ~ a + b + `a - b` + (1 | g)", data)
    with pytest.raises(MixedModelsError, match="`a - b`"):
        fit.test("a - b = 0")
    assert fit.test("`a - b` = 0").table["estimate"].iloc[0] == fit.fixef["a - b"]


@pytest.mark.parametrize(
    "spelled", ["g:h", "h:g", "h : g", "(1|h:g)", "(1 | g:h)", "~(1|g:h)", "~ (1 | `g`:h)", "1|h:g"]
)
def test_spellings_of_a_term(spelled: str) -> None:
    fit = fitted(GROUPS, Names())
    wanted = fit.predict(random=["g:h"])
    np.testing.assert_array_equal(fit.predict(random=[spelled]), wanted)
    if "|" not in spelled:
        np.testing.assert_array_equal(fit.ranef()[spelled], fit.ranef()["g:h"])
        np.testing.assert_array_equal(fit.coef()[spelled], fit.coef()["g:h"])
        name = f"sd({spelled.replace(' ', '')}.(Intercept))"
        assert fit.confint(method="wald", parameters=name).index.tolist() == ["sd(g:h.(Intercept))"]
        assert fit.influence(spelled, "one-step", only=[fit.ranef()["g:h"].index[0]]).by == "g:h"


@pytest.mark.parametrize("wrong", ["k", "g:k", "(1 | k)", "(u | g)", "(1 | g", "", "`g", 3])
def test_unknown_terms_are_refused_with_the_choices(wrong: Any) -> None:
    with pytest.raises(MixedModelsError, match="random"):
        fitted(GROUPS, Names()).predict(random=[wrong])


PLAIN = {"(Intercept)": 1, "u": 2, "fb": 3, "fc": 4}


def test_values_for_simulation_by_any_spelling() -> None:
    data = table()
    wanted = simulate("~ u + f + (1 | g:h)", data, beta=[1, 2, 3, 4], sd=[0.5], sigma=1.0, seed=1)
    for beta, sd in itertools.product(
        ({"(Intercept)": 1, "`u`": 2, "f[b]": 3, "fc": 4}, PLAIN),
        ({"h:g.(Intercept)": 0.5}, {"sd(g:h.(Intercept))": 0.5}, {"sd(h:g.(Intercept))": 0.5}),
    ):  # fmt: skip
        found = simulate("~ u + f + (1 | g:h)", data, beta=beta, sd=sd, sigma=1.0, seed=1)
        np.testing.assert_array_equal(found, wanted)
