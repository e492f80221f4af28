"""Names that users bring from emmeans, lmerTest and pbkrtest to marginal means and tests.

Data only, in the form of `foreign`, which has them among its tables.
"""

from __future__ import annotations

_COVARIATES = "Give values of the covariate: at={'x': data['x'].median()}, or several in a list."
_TESTED = "Tests against a value, to one side or within a margin are .test() of the result."

MEANS = {
    "cov_reduce": _COVARIATES,
    "cov_keep": "A number with two values has both; of others at={'x': [1, 2, 3]} gives values.",
    "submodel": "Means are those of the model fitted; fit.update('~ . - f:g') fits another.",
    "nesting": "Nests are found from the data, and from the formula where a factor is in g / f.",
    "nuisance": "All variables that specs and by do not name are averaged over.",
    "non_nuisance": "All variables that specs and by do not name are averaged over.",
    "data": "Means are those of the fit, whose table it has.",
    "df": "ddf",
    **dict.fromkeys(("null", "side", "delta"), _TESTED),
    **dict.fromkeys(
        ("pbkrtest_limit", "lmertest_limit", "disable_pbkrtest", "disable_lmertest"),
        "Degrees of freedom are those of ddf=, for any number of rows.",
    ),
}  # fmt: skip
"""Answers for arguments of `emmeans` and `emtrends`."""

TRENDS = {
    "regrid": "Slopes are those of the linear predictor.",
    "max_degree": "Slopes are first derivatives; at={'x': [1, 2]} gives those at several values.",
    "delta_var": "Slopes are exact derivatives.",
}
"""Answers for arguments of `emtrends` alone."""

_SIZES = "Effect sizes are .effect_size(sigma, edf) of the means."

COMPARISONS = {
    **dict.fromkeys(("null", "side", "delta"), _TESTED),
    "simple": "Name the other variables: the effects of f at each level of g are .pairs(by='g').",
    "exclude": "Leave levels out before: fit.emmeans('f', at={'f': ['a', 'b']}).",
    "include": "Leave levels out before: fit.emmeans('f', at={'f': ['a', 'b']}).",
    "max_degree": "Polynomials of all degrees are in the table; select its rows.",
    "scale": _SIZES,
    "sigma": _SIZES,
    "cross_adjust": "Groups of by= are adjusted apart; .pairs(by=[]) makes one family.",
}  # fmt: skip
"""Answers for arguments of `contrast` and `pairs`."""

_SEVERAL_TABLES = "Tables are joined as DataFrames: pandas.concat([a.to_frame(), b.to_frame()])."
_LIMITS = "The table has limits; level= of emmeans(), contrast() and test() is their coverage."

ESTIMATES = {
    "confint": _LIMITS,
    "conf_int": _LIMITS,
    "summary": "The table is the summary: limits are in it, tests in .test() and .pairs().",
    "infer": "The table is the summary: limits are in it, tests in .test() and .pairs().",
    "cld": "Letters are means.letters().",
    "pwpm": "Differences with their tests are means.pairs(), letters means.letters().",
    "pwpp": "Differences with their tests are means.pairs(), drawn by means.pairs().plot().",
    "eff_size": _SIZES,
    "cohens_d": _SIZES,
    "effect_sizes": _SIZES,
    "rbind": _SEVERAL_TABLES,
    "add_grouping": "Groups are compared by weights: .contrast({'a, b - c': [.5, .5, -1]}).",
    "permute_levels": "The order of levels is at={'f': [...]} of emmeans().",
    "comb_facs": "Means of several factors are fit.emmeans(['f', 'g']).",
    "mvcontrast": "A model has one response here.",
    "emmip": "A picture is .plot(), or fit.plot_effect('f', by='g').",
    "as_data_frame": "The table is .to_frame().",
    "ref_grid": "Means of all combinations are fit.emmeans(['f', 'g']).",
    "joint_tests": "All rows together are tested by .test().joint, terms by fit.joint_tests().",
    "tukey": "All pairs, by Tukey's method, are .pairs().",
    "dunnett": "Comparisons with one mean are .contrast('treatment', ref='a').",
    "glht": "Comparisons with one critical value are .pairs(adjust='mvt').",
}  # fmt: skip
"""Answers for attributes of a table of means or contrasts."""

CONTRASTS = {
    "regrid": "Means are taken to the response before they are compared: means.regrid().pairs().",
}
"""Answers for attributes of a table of contrasts."""

_KENWARD_ROGER = 'fit.test(L,ddf="kenward-roger")'
_FORMULA = "The formula as it was read is fit.model.design.formula."
_KIND = "Kinds of fits are classes: isinstance(fit, mixedmodels.LinearMixedFit)."
_SCALES = (
    "Limits transform with the parameter: those of variances are squares of those of "
    "fit.profile().confint()."
)

FIT = {
    "refitml": "fit.update(reml=False)",
    "contest1d": "fit.test(L)",
    "contestmd": "fit.test(L)",
    "calcsatterth": "fit.test(L)",
    "satmodcomp": "fit.test(L)",
    "krmodcomp": _KENWARD_ROGER,
    "get_lb_ddf": _KENWARD_ROGER,
    "lb_ddf": _KENWARD_ROGER,
    "ddf_lb": _KENWARD_ROGER,
    "pbmodcomp": "Bootstrapped ratios are mixedmodels.anova(small, large, nsim=1000).",
    "pbrefdist": "Bootstrapped ratios are mixedmodels.anova(small, large, nsim=1000).",
    "exactrlrt": "Bootstrapped ratios are mixedmodels.anova(small, large, nsim=1000).",
    "vcovadj": "fit.vcov_adjusted()",
    "getkr": "Tests by Kenward and Roger's method are fit.test(L, ddf='kenward-roger').",
    "get_sigmag": "Covariances of the random effects are fit.varcorr.cov.",
    "model2restriction_matrix": "Terms are tested without a matrix by fit.anova() and fit.drop1().",
    "getlrt": "Fits are compared by mixedmodels.anova(fit1, fit2).",
    "rand": "fit.ranova()",
    "show_tests": "Terms are tested by fit.anova(), hypotheses of your own by fit.test(L).",
    "as_lmermodlmertest": "Every fit has these tests: fit.anova(), fit.coef_table(), fit.test(L).",
    "varianceprof": _SCALES,
    "logprof": _SCALES,
    "dfbeta": "fit.influence(exact=True).dfbeta",
    "dotplot": "fit.plot_ranef()",
    "qqmath": "fit.plot_qq_ranef()",
    "qqnorm": "fit.plot_qq()",
    "islmm": _KIND,
    "isglmm": _KIND,
    "isnlmm": _KIND,
    "isnested": "Whether factors are nested need not be known: both kinds are fitted alike.",
    "extractaic": "fit.aic",
    "weights": "fit.model.design.w",
    "offset": "fit.model.design.offset",
    "terms": "fit.model.design.formula.terms",
    "findbars": _FORMULA,
    "nobars": _FORMULA,
    "subbars": _FORMULA,
    "expanddoubleverts": _FORMULA,
    "getl": "fit.model.pls(fit.theta).L",
    "devcomp": "Parts of the criterion are in fit.model.pls(fit.theta).",
    "cnms": "Names of random effects are the columns of fit.ranef()['g'].",
    "flist": "Columns of the table, grouping factors among them, are fit.model_frame().",
    "mkparstemplate": "Parameters are given by name: mixedmodels.simulate(beta=, sd=, sigma=).",
    "mkdatatemplate": "Parameters are given by name: mixedmodels.simulate(beta=, sd=, sigma=).",
    "ghrule": "Quadrature is n_agq= of mixedmodels.glmer().",
    "regrid": "fit.emmeans('f').regrid()",
    "eff_size": "fit.emmeans('f').effect_size(sigma,edf)",
    "pwpm": "fit.emmeans('f').pairs()",
    "pwpp": "fit.emmeans('f').pairs()",
    "add_grouping": "Means are compared by weights: fit.emmeans('f').contrast({'a - b': [1, -1]}).",
    "comb_facs": "fit.emmeans(['f','g'])",
    "permute_levels": "The order of levels is at={'f': [...]} of fit.emmeans().",
    "mvcontrast": "A model has one response here.",
}  # fmt: skip
"""Answers for attributes of a fit, and for functions of a fit that are asked of the package."""
