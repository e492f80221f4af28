"""Unknown arguments, attributes and names are answered by what to write instead."""

from __future__ import annotations

import copy
import functools
import inspect
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from typing import Any

import pytest

import mixedmodels as mm
from mixedmodels import foreign, foreign_generalized
from mixedmodels.calls import Guided, guided, public_names

FORMULA = "Reaction ~ Days + (Days | Subject)"


@functools.cache
def fit() -> mm.LinearMixedFit:
    return mm.lmer(FORMULA, mm.load_dataset("sleepstudy"))


@functools.cache
def generalized() -> mm.GeneralizedLinearMixedFit:
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    return mm.glmer(formula, mm.load_dataset("cbpp"))


@functools.cache
def model() -> mm.LinearMixedModel:
    return mm.LinearMixedModel(FORMULA, mm.load_dataset("sleepstudy"))


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every function and method that users call, by the key of the table."""
    for name in (
        "lmer",
        "glmer",
        "load",
        "simulate",
        "anova",
        "table",
        "power",
        "pool",
        "average",
        "lm_list",
    ):
        yield name, getattr(mm, name)
    yield "LinearMixedModel", mm.LinearMixedModel
    yield "GeneralizedLinearMixedModel", mm.GeneralizedLinearMixedModel
    yield "Control", mm.Control
    yield "GeneralizedFit.simulate", generalized().simulate
    for held in (fit(), model(), fit().emmeans("~ 1")):
        for name in public_names(type(held)):
            if inspect.isfunction(inspect.getattr_static(type(held), name)):
                yield f".{name}", getattr(held, name)


def parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mm.lmer(FORMULA, None, REML=False), "Write reml=False."),
        (lambda: mm.lmer(FORMULA, None, **{"na.action": "na.omit"}), "Write na_action='omit'."),
        (lambda: mm.lmer(FORMULA, None, family="poisson"), "glmer"),
        (lambda: mm.lmer(FORMULA, None, groups="g"), "(1 + x | g)"),
        (lambda: mm.lmer(FORMULA, None, re_formula="~x"), "(1 + x | g)"),
        (lambda: mm.lmer(FORMULA, None, subset=[1]), "data[condition]"),
        (lambda: mm.lmer(FORMULA, None, verbos=1), "Did you mean 'verbose'?"),
        (lambda: mm.table([fit()], digits=2), "give their standard errors three digits"),
        (lambda: mm.table([fit()], digts=2), "It takes fits, names, below"),
        (lambda: fit().summary(digits=2), "Results hold all digits"),
        (lambda: fit().confint(exponentiate=True), 'fit.tidy("fixed", exponentiate=True, conf_int'),
        (lambda: fit().coef_table(exponentiate=True), "fit.tidy("),
        (lambda: fit().test("Days", exponentiate=True), "fit.tidy("),
        (lambda: fit().emmeans("Days", exponentiate=True), 'Write type="response".'),
        (lambda: mm.lmer(FORMULA, None, REML=True, n_jobs=3), "reml=True. Write threads=3."),
        (lambda: mm.lmer(FORMULA, None, control="BOBYQA", zz=1), "It takes formula, data, reml"),
        (lambda: mm.lmer(FORMULA), "missing a required argument: 'data'"),
        (lambda: mm.lmer(FORMULA, None, False), "too many positional arguments"),
        (lambda: mm.LinearMixedModel(FORMULA, None, REML=False), "Write reml=False."),
        (lambda: model().fit(reml=False), "LinearMixedModel(formula, data, reml=False)"),
        (lambda: model().objective([1.0], reml=True), "LinearMixedModel(formula, data, reml="),
        (lambda: model().fit(method="ML"), "chosen by reml="),
        (lambda: mm.Control(maxfun=100), "Write max_evaluations=100."),
        (lambda: fit().anova(refit=False), "mixedmodels.anova(fit1, fit2, refit=False)"),
        (lambda: fit().anova(fit()), "mixedmodels.anova(fit1, fit2)"),
        (lambda: fit().predict(newdata=[1]), "Write data=."),
        (lambda: fit().predict(re_form=None), 'random="all"'),
        (lambda: fit().predict(None, None), "Give data in this order or by name and type="),
        (lambda: fit().ranef(condVar=True), "fit.ranef_cov()"),
        (lambda: fit().confint(parm="Days"), "Write parameters='Days'."),
        (lambda: fit().confint("wald"), "Write confint(method='wald')."),
        (lambda: fit().simulate(nsims=3), "Did you mean 'nsim'?"),
        (lambda: fit().simulate(newdata=[1]), "drawn by mixedmodels.simulate()"),
        (lambda: mm.simulate(FORMULA, None, family="binomial"), "are fit.simulate()"),
        (lambda: generalized().simulate(newdata=[1]), "rng.binomial(1, fit.predict(data))"),
        (lambda: generalized().simulate(newparams={}), "at means of your own"),
        (lambda: generalized().simulate(n=3), "Write nsim=3."),
        (lambda: fit().summary(df="KR"), "Write ddf='KR'."),
        (lambda: fit().refit(newresp=1), "Write y=1."),
        (lambda: fit().coef_table(df="none"), "Write ddf='none'."),
        (lambda: fit().drop1("F", df="residual"), "Write ddf='residual'."),
        (lambda: fit().predict(interval="confidence"), "fit.predict_interval(data)"),
        (lambda: fit().predict(std_error=True), "fit.predict_interval(data)"),
        (lambda: fit().predict_interval(interval="prediction"), "Write kind='prediction'."),
        (lambda: fit().confint(method="bootstrap", boot_type="basic"), "Write kind='basic'."),
        (lambda: fit().simulate(random="conditional"), 'modes="kept"'),
        (lambda: fit().bootstrap(2, random="new"), 'modes="new"'),
        (lambda: fit().emmeans("~ 1", p_adjust="holm"), "Write adjust='holm'."),
        (lambda: fit().emmeans("~ 1", lmer_df="KR"), "Write ddf='KR'."),
        (lambda: fit().emmeans("~ 1", var="Days"), "fit.emtrends(specs, var)"),
        (lambda: fit().emmeans("~ 1").pairs(method="consec"), ".contrast(method)"),
        (lambda: fit().std_residuals(level="marginal"), "Write marginal=True"),
        (lambda: fit().emmeans("Days", cov_reduce=max), "at={'x': data['x'].median()}"),
        (lambda: fit().emmeans("Days", side=">"), ".test() of the result"),
        (lambda: fit().emmeans("~ 1").pairs(simple="each"), ".pairs(by='g')"),
        (lambda: fit().emmeans("~ 1").contrast(null=1), ".test() of the result"),
        (lambda: fit().emtrends("~ 1", "Days", delta_var=0.1), "exact derivatives"),
    ],
)
def test_a_call_with_a_foreign_name(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(mm.ArgumentError, match=re.escape(words)) as caught:
        call()
    assert isinstance(caught.value, TypeError)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mm.anova([fit(), fit()]), "write mixedmodels.anova(fit1, fit2), or"),
        (lambda: mm.anova(fit(), [fit()]), "mixedmodels.anova(*fits) of a list"),
        (lambda: mm.anova({"a": fit()}), "anova(*fits.values(), names=list(fits)) of a dict"),
        (lambda: mm.average([generalized()]), "takes fits of linear models; item 1 is a Gener"),
        (lambda: mm.average(fit()), "given one fit. Write mixedmodels.average([fit1, fit2])."),
        (lambda: mm.pool({"a": fit()}), "of a dict write pool(list(fits.values()))"),
    ],
)
def test_fits_given_in_another_way(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(mm.MixedModelsError, match=re.escape(words)):
        call()


def test_no_function_lets_a_bare_type_error_pass() -> None:
    tried = 0
    for key, function in functions():
        known = set(foreign.KEYWORDS.get(key, {})) | set(foreign.EVERYWHERE)
        for name in sorted(known | {name.upper() for name in parameters(function)} | {"zz"}):
            if name not in parameters(function):
                with pytest.raises(mm.ArgumentError, match="no argument"):
                    function(**{name: 1})
                tried += 1
        with pytest.raises(mm.ArgumentError, match=r"too many|no argument|anova\(\) compares"):
            function(*range(99), **({"zz": 1} if key in ("anova", "table") else {}))
    assert tried > 1000


def test_answers_about_arguments_are_arguments() -> None:
    by_key: dict[str, set[str]] = {}
    for key, function in functions():
        by_key.setdefault(key, set()).update(parameters(function))
    assert set(foreign.KEYWORDS) <= set(by_key)
    for key in ("LinearMixedModel", ".fit"):  # they share the answers of what does both
        by_key[key] |= by_key["lmer"]
    by_key["GeneralizedLinearMixedModel"] |= by_key["glmer"]
    for key, answers in foreign.KEYWORDS.items():
        for answer in answers.values():
            assert " " in answer or answer in by_key[key], (key, answer)
    every = set().union(*by_key.values())
    for answer in foreign.EVERYWHERE.values():
        assert " " in answer or answer in every, answer


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("AIC", "Write .aic."),
        ("VarCorr", "Write .varcorr."),
        ("logLik", "Write .loglik."),
        ("isSingular", "Write .is_singular."),
        ("allFit", "Write .all_fit()."),
        ("fixed_effects", "Write fit.fixef."),
        ("random_effects", "Write fit.ranef()."),
        ("vcov_kr", "Write fit.vcov_adjusted()."),
        ("stderror_theta", "Write fit.stderror_full()."),
        ("stderror_sigma", "Write fit.stderror_full()."),
        ("lsmeans", 'fit.emmeans("f")'),
        ("X", "Write fit.model.X."),
        ("refitML", "Write fit.update(reml=False)."),
        ("contestMD", "Write fit.test(L)."),
        ("dotplot", "Write fit.plot_ranef()."),
        ("varianceProf", "squares of those of fit.profile()"),
        ("confnt", "Did you mean 'confint'"),
        ("eta_squared", "F df1 / (F df1 + df2), of fit.anova()"),
        ("compare_performance", "mixedmodels.table([fit1, fit2])"),
        ("zzz", "dir()"),
    ],
)
def test_an_attribute_with_a_foreign_name(name: str, words: str) -> None:
    assert not hasattr(fit(), name)
    with pytest.raises(mm.UnknownNameError, match=re.escape(words)) as caught:
        getattr(fit(), name)
    assert isinstance(caught.value, AttributeError)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nlmer", "are not here"),
        ("emmeans", "Write fit.emmeans()."),
        ("ls_means", 'fit.emmeans("f")'),
        ("lme", "mixedmodels.lmer("),
        ("mixedlm", "mixedmodels.lmer("),
        ("Lmer", "Write mixedmodels.lmer."),
        ("VarCorr", "Write fit.varcorr."),
        ("getME", "fit.model.X"),
        ("KRmodcomp", 'Write fit.test(L,ddf="kenward-roger").'),
        ("PBmodcomp", "mixedmodels.anova(small, large, nsim=1000)"),
        ("eff_size", "effect_size(sigma,edf)"),
        ("findbars", "fit.model.design.formula"),
        ("predict", "Write fit.predict()."),
        ("confint", "Write fit.confint()."),
        ("ConfInt", "Write fit.confint()."),
        ("conf_int", "Write fit.conf_int()."),
        ("component_table", "Write fit.component_table()."),
        ("sleepstudy", 'mixedmodels.load_dataset("sleepstudy")'),
        ("simulat", "Did you mean 'simulate'?"),
        ("check_overdispersion", "compared with simulated data by fit.check()"),
        ("check_singularity", "Write fit.is_singular."),
        ("thresholds", "thresholds of ordered responses, are fit.component_table()"),
        ("residual", "Did you mean fit.residuals"),
    ],
)
def test_a_name_that_the_package_does_not_have(name: str, words: str) -> None:
    assert not hasattr(mm, name)
    with pytest.raises(mm.UnknownNameError, match=re.escape(words)):
        getattr(mm, name)


@pytest.mark.parametrize("held", [fit, generalized])
def test_names_of_other_packages_are_known_as_such(held: Callable[[], Any]) -> None:
    """Those whose documentation says so, so that answers prefer ours."""
    cls = type(held())
    others = {
        name
        for name in public_names(cls)
        if str(inspect.getattr_static(cls, name).__doc__).startswith("statsmodels' name of")
    }
    assert others == cls._other_names
    assert set(public_names(cls)[-len(others) :]) == others


def test_the_package_answers_what_fits_have() -> None:
    """As R's functions of a fit: `mm.ranef(fit)`."""
    for cls in (mm.LinearMixedFit, mm.GeneralizedLinearMixedFit):
        for name in set(public_names(cls)) - set(foreign.PACKAGE) - set(dir(mm)):
            if not find_spec(f"mixedmodels.{name}"):
                with pytest.raises(mm.UnknownNameError, match=rf"Write fit\.{name}\b"):
                    getattr(mm, name)


def names_in(tables: Iterable[foreign.Answers], owners: dict[str, Any]) -> int:
    """How many different names the answers have, of what is there."""
    found = set()
    for text in (text for table in tables for text in table.values()):
        for owner, path in re.findall(r"\b(fit|model|mixedmodels)((?:\.[A-Za-z_]\w*)+)", text):
            if (owner, path) != ("fit", ".plot_"):
                found.add((owner, path))
                functools.reduce(getattr, path[1:].split("."), owners[owner])
    return len(found)


def test_what_answers_name_exists() -> None:
    """`fit.a.b`, `model.a` and `mixedmodels.a` in every sentence and expression."""
    tables = [*foreign.KEYWORDS.values(), foreign.EVERYWHERE, foreign.FIT, foreign.MODEL]
    owners = {"fit": fit(), "model": model(), "mixedmodels": mm}
    assert names_in([*tables, foreign.PACKAGE], owners) > 50
    own = [foreign_generalized.FIT, foreign_generalized.ARGUMENTS]
    assert names_in(own, {"fit": generalized(), "mixedmodels": mm}) > 8


def test_no_answer_is_about_a_name_that_exists() -> None:
    """An entry whose name has been added to the interface is to be deleted."""
    for answers, held in (
        (foreign.FIT, fit()),
        (foreign_generalized.FIT, generalized()),
        (foreign.MODEL, model()),
        (foreign.PACKAGE, mm),
        (foreign.ATTRIBUTES["Estimates"], fit().emmeans("Days")),
        (foreign.ATTRIBUTES["Contrasts"], fit().emmeans("~ 1").contrast([[1.0]])),
    ):
        assert not set(answers) & set(dir(held))
    for key, function in functions():
        assert not set(foreign.KEYWORDS.get(key, {})) & set(parameters(function)), key


def test_errors_inside_a_function_pass_as_they_are() -> None:
    @guided
    def fails(value: Any) -> Any:
        """Fails."""
        return value + "text"

    with pytest.raises(TypeError) as caught:
        fails(1)
    assert type(caught.value) is TypeError
    assert list(inspect.signature(fails).parameters) == ["value"]
    assert fails.__doc__ == "Fails."


def test_a_property_that_fails_keeps_its_error() -> None:
    class Held(Guided):
        @property
        def broken(self) -> int:
            raise AttributeError("of the property")

    with pytest.raises(AttributeError, match="of the property"):
        _ = Held().broken


def test_python_itself_finds_what_it_expects() -> None:
    again = pickle.loads(pickle.dumps(fit()))
    assert again.objective == fit().objective
    assert copy.deepcopy(model()).nobs == model().nobs
    assert pickle.loads(pickle.dumps(mm.lmer)) is mm.lmer
    assert pickle.loads(pickle.dumps(fit().predict))().equals(fit().predict())
    assert pickle.loads(pickle.dumps(mm.Control(gtol=1e-7))).gtol == 1e-7
    with pytest.raises(AttributeError, match="_hidden"):
        _ = fit()._hidden


def test_modules_of_the_package_cost_no_answer() -> None:
    code = (
        "import sys, mixedmodels\nfrom mixedmodels import errors\n"
        "print(hasattr(mixedmodels, '__path__'), 'mixedmodels.linear' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["True", "False"]


def test_results_answer_too() -> None:
    results = (
        fit().varcorr,
        fit().test("Days"),
        fit().profile("sigma"),
        fit().bootstrap(2, seed=1),
        fit().influence("Subject", only=["308"]),
        fit().coef_table(),
        fit().emmeans("Days"),
    )
    for result in results:
        assert not hasattr(result, "zzz")
        with pytest.raises(mm.UnknownNameError, match=type(result).__name__):
            _ = result.zzz  # type: ignore[union-attr]
        assert repr(pickle.loads(pickle.dumps(result))) == repr(result)
    with pytest.raises(mm.UnknownNameError, match=r"level= of emmeans\(\)"):
        _ = results[-1].confint  # type: ignore[union-attr]
    assert "confint" not in dir(fit().emmeans("Days"))
    with pytest.raises(mm.ArgumentError, match="Write level="):
        results[2].confint(alpha=0.05)
