"""Names of families elsewhere: those that mean one of ours, and what to write for the others.

Data only. Names are compared in lower case without signs, so that `nbinom2`, `NBinom2` and
`n-binom-2` are one.
"""

from __future__ import annotations

OTHER_NAMES = {
    "bernoulli": "binomial",
    "binary": "binomial",
    "nb": "negative_binomial",
    "nb2": "negative_binomial",
    "nbinom": "negative_binomial",
    "nbinom2": "negative_binomial",
    "negbin": "negative_binomial",
    "negbinom": "negative_binomial",
    "binom": "binomial",
    "pois": "poisson",
    "invgauss": "inverse_gaussian",
    "negbinomial": "negative_binomial",
    "nbinom1": "nb1",
    "negbinomial1": "nb1",
    "truncatednbinom": "truncated_negative_binomial",
    "truncatednbinom2": "truncated_negative_binomial",
    "normal": "gaussian",
    "betafamily": "beta",
    "betar": "beta",
    "cumulative": "ordinal",
    "clm": "ordinal",
    "clmm": "ordinal",
}
"""Other names of families that are here."""

_INFLATED = (
    'Counts with zeros of their own are family="poisson" or "negative_binomial" with '
    'zero_inflation="~ 1".'
)
_HURDLE = (
    'A hurdle model is two fits: family="binomial" for the response above zero, and '
    'family="truncated_poisson" or "truncated_negative_binomial" for the rows above zero.'
)
_QUASI = (
    "A quasi-likelihood has no random effects to integrate over. Overdispersed counts are "
    'family="negative_binomial" or "nb1"; overdispersed successes of trials get a random effect '
    "for every row, as in (1 | row)."
)
_BETA_BINOMIAL = (
    "This family is not here. Overdispersed successes of trials get a random effect for every "
    'row: family="binomial" and (1 | row) in the formula.'
)
_COUNTS = (
    'This family is not here. Counts are family="poisson", "negative_binomial" (variance '
    'mu + mu^2 / k) or "nb1" (variance in proportion to the mean).'
)
_CATEGORIES = (
    "Categories without an order are fitted one against the others or against one of them: "
    'family="binomial" and I(y == \'a\') as the response. Ordered ones are family="ordinal".'
)
_SEQUENTIAL = 'Of models of ordered categories the cumulative one is here: family="ordinal".'
_LOGISTIC = 'Logistic regression is family="binomial".'
_LOGNORMAL = (
    "The logarithm of such a response is normal: mixedmodels.lmer('log(y) ~ ...'). A log-linear "
    'mean with a constant coefficient of variation is family="gamma".'
)
_TAILS = (
    "This family is not here: residuals are normal, or of one of the families of "
    "mixedmodels.families."
)
_DURATIONS = (
    'This family is not here. Positive measurements are family="gamma" or "inverse_gaussian", or '
    "mixedmodels.lmer('log(y) ~ ...')."
)

ANSWERS = {
    **dict.fromkeys(("logistic", "logisticregression"), _LOGISTIC),
    **dict.fromkeys(("quasi", "quasipoisson", "quasibinomial"), _QUASI),
    **dict.fromkeys(("betabinomial", "binomialbeta", "bb"), _BETA_BINOMIAL),
    **dict.fromkeys(
        ("zip", "zinb", "ziplss", "zeroinfl", "zeroinflation", "zipoisson", "zinegbinomial"),
        _INFLATED,
    ),
    **dict.fromkeys(
        tuple(
            f"{start}{family}"
            for start in ("zeroinflated", "zi")
            for family in ("poisson", "nbinom", "nbinom2", "negbinomial", "negativebinomial")
        ),
        _INFLATED,
    ),
    **dict.fromkeys(
        (
            "hurdle",
            "hurdlepoisson",
            "hurdlenegbinomial",
            "hurdlenegativebinomial",
            "zeroalteredpoisson",
        ),
        _HURDLE,
    ),
    **dict.fromkeys(
        ("compois", "conwaymaxwellpoisson", "genpois", "generalizedpoisson", "geometric"), _COUNTS
    ),
    **dict.fromkeys(("multinomial", "categorical", "softmax", "nominal"), _CATEGORIES),
    **dict.fromkeys(("sratio", "cratio", "acat", "sequential"), _SEQUENTIAL),
    **dict.fromkeys(("lognormal", "lnorm"), _LOGNORMAL),
    **dict.fromkeys(("t", "student", "studentt", "tfamily", "scat", "laplace"), _TAILS),
    **dict.fromkeys(("weibull", "exponential", "survival", "cox", "tweedie"), _DURATIONS),
}
"""What to write for families that are not here, as sentences."""
