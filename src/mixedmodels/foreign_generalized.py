"""Names that users bring from glmer, glmmTMB, DHARMa and others to generalized models.

Data only, in the form of `foreign`, which has them among its tables.
"""

from __future__ import annotations

_TRIALS = (
    "Write cbind(successes, trials - successes) ~ ... in the formula, or the share of successes "
    "with weights= as the number of trials."
)
_EXPOSURE = (
    "An exposure enters by its logarithm: offset='log(exposure)', or offset(log(exposure)) in the "
    "formula."
)
_REFERENCE = (
    "Of two categories the first is failure; relevel(y, ref='b') in the formula makes 'b' the "
    "first."
)
_ESTIMATED = "It is estimated with all other parameters, by maximum likelihood."

ARGUMENTS = {
    "nagq": "n_agq",
    "agq": "n_agq",
    "nodes": "n_agq",
    "quad_points": "n_agq",
    "ziformula": "zero_inflation",
    "zi_formula": "zero_inflation",
    "zero_inflated": "zero_inflation",
    "zi": "zero_inflation",
    "zi_fixed": "zero_inflation",
    "exog_infl": "zero_inflation",
    "zi_random": "Zero inflation has fixed effects only: zero_inflation='~ x'.",
    "dispformula": "dispersion",
    "disp_formula": "dispersion",
    "disp": "Write dispersion='~ x' for the family's own parameter, verbose=True for the search.",
    **dict.fromkeys(("theta", "init_theta", "k", "alpha", "phi", "shape"), _ESTIMATED),
    **dict.fromkeys(("exposure", "log_exposure"), _EXPOSURE),
    **dict.fromkeys(("trials", "n", "n_trials", "ntrials", "size", "denominator"), _TRIALS),
    **dict.fromkeys(("success", "ref", "reference", "reference_level", "event"), _REFERENCE),
    "method": "The criterion is chosen by n_agq= and reml=, the method of search by optimizer=.",
    "threshold": "Thresholds of family='ordinal' are free.",
    "hessian": "Second derivatives are exact and always used.",
    "se": "Standard errors are always there.",
}  # fmt: skip
"""Answers for the arguments of `glmer`, beside those of `lmer`."""

_OTHER_ROWS = (
    "Generalized fits draw responses of their own rows. For other rows draw from the family at the "
    "predicted means, such as rng.binomial(1, fit.predict(data)) or rng.poisson(fit.predict(data)) "
    "with rng = numpy.random.default_rng(1); random effects are then at their modes."
)

SIMULATE = {
    **dict.fromkeys(("newdata", "data", "new_data", "allow_new_levels"), _OTHER_ROWS),
    "newparams": "Generalized fits draw responses at their estimates. At other parameters draw "
    "from the family at means of your own, such as numpy.random.default_rng(1).poisson(means).",
}
"""Answers for arguments of `simulate` of generalized fits, before those of any fit."""

_SIMULATED = (
    'Simulated residuals are fit.std_residuals("quantile"); fit.check() compares dispersion, zeros '
    "and their distribution with simulated data."
)
_ODDS = (
    "Odds ratios, or ratios of means with a log link, are "
    'fit.tidy("fixed", conf_int=True, exponentiate=True); those of marginal means are '
    'fit.emmeans("f", type="response").pairs().'
)
_CLASSES = (
    "Predicted probabilities are fit.predict(); what is made of them and the response "
    "is in sklearn.metrics."
)
_PARTS = (
    "Coefficients of dispersion and zero inflation, and thresholds of ordered responses, are "
    "fit.component_table()."
)

FIT = {
    **dict.fromkeys(
        ("overdisp", "overdisp_fun", "overdispersion", "check_overdispersion", "testdispersion",
         "test_dispersion", "check_zeroinflation", "testzeroinflation", "test_zero_inflation",
         "testuniformity", "testoutliers", "testresiduals", "pearson_chi2", "dispersion_glmer",
         "check_residuals"),
        "Dispersion, zeros and quantile residuals are compared with simulated data by fit.check().",
    ),
    **dict.fromkeys(
        ("dharma", "simulateresiduals", "simulate_residuals", "quantile_residuals", "randquant"),
        _SIMULATED,
    ),
    **dict.fromkeys(
        ("odds_ratio", "odds_ratios", "or", "exp_coef", "rate_ratios", "irr", "eform"), _ODDS
    ),
    **dict.fromkeys(
        ("auc", "roc", "confusion_matrix", "accuracy", "classification_report", "predict_classes"),
        _CLASSES,
    ),
    "predict_proba": "Probabilities are fit.predict(data).",
    "predict_prob": "Probabilities are fit.predict(data).",
    "scale": "The family's own parameter is fit.dispersion.",
    "phi": "fit.dispersion",
    "k": "fit.dispersion",
    "alpha": "fit.dispersion",
    "shape": "fit.dispersion",
    "getme_theta": "fit.dispersion",
    **dict.fromkeys(("zi", "zi_fixef", "disp_fixef", "zero_inflation", "thresholds"), _PARTS),
    "resid_deviance": "fit.residuals",
    "resid_pearson": 'fit.std_residuals("pearson")',
    "resid_response": 'fit.std_residuals("response")',
    "resid_working": 'fit.std_residuals("working")',
    "mu": "fit.fitted",
    "linear_predictors": 'Linear predictors are fit.predict(type="link").',
    "null_deviance": "Compare with a fit of the intercept alone: mixedmodels.anova(null, fit).",
    "pseudo_rsquared": "fit.r2()",
    "prsquared": "fit.r2()",
}  # fmt: skip
"""Answers for attributes of a fit of a generalized model, before those of any fit."""

_GEE = (
    "Population-averaged models are not here; of a fit, mean responses over the random effects are "
    'fit.predict(data, random="average").'
)

PACKAGE = {
    "glmmpql": 'mixedmodels.glmer("y~x+(1|g)",data,family="binomial")',
    "mixed_model": 'mixedmodels.glmer("y~x+(1|g)",data,family="binomial",n_agq=11)',
    "binomialbayesmixedglm": 'mixedmodels.glmer("y~x+(1|g)",data,family="binomial")',
    "poissonbayesmixedglm": 'mixedmodels.glmer("y~x+(1|g)",data,family="poisson")',
    "clmm": 'mixedmodels.glmer("y~x+(1|g)",data,family="ordinal")',
    "clm": "A model needs a random-effects term; cumulative ones are family='ordinal' of glmer().",
    "logit": "A model needs a random-effects term: glmer('y ~ x + (1 | g)', data).",
    "gee": _GEE,
    "geeglm": _GEE,
    "zeroinfl": "Zeros of their own are zero_inflation='~ 1' of mixedmodels.glmer().",
    "hurdle": "A hurdle model is two fits by mixedmodels.glmer(): binomial and truncated.",
    **{
        name: f"mixedmodels.families.{owner}"
        for name, owner in (
            ("binomial", "Binomial"), ("poisson", "Poisson"), ("gamma", "Gamma"),
            ("beta", "Beta"), ("gaussian", "Gaussian"), ("negativebinomial", "NegativeBinomial"),
            ("negative_binomial", "NegativeBinomial"), ("nbinom2", "NegativeBinomial"),
            ("nbinom1", "Nb1"), ("ordinal", "Ordinal"), ("inverse_gaussian", "InverseGaussian"),
            ("inversegaussian", "InverseGaussian"),
        )
    },
}  # fmt: skip
"""Answers for attributes of the package."""
