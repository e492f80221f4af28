"""Families by name."""

from __future__ import annotations

from mixedmodels import families
from mixedmodels.errors import MixedModelsError, did_you_mean
from mixedmodels.families.base import Family

FAMILIES: dict[str, type[Family]] = {
    family.name: family
    for family in (
        families.Binomial,
        families.Poisson,
        families.NegativeBinomial,
        families.Nb1,
        families.TruncatedPoisson,
        families.TruncatedNegativeBinomial,
        families.Gamma,
        families.InverseGaussian,
        families.Beta,
        families.Gaussian,
        families.Ordinal,
    )
}
"""The classes by the names that `family=` takes."""

_OTHER_NAMES = {
    "bernoulli": "binomial",
    "nb2": "negative_binomial",
    "nbinom2": "negative_binomial",
    "negativebinomial": "negative_binomial",
    "nbinom1": "nb1",
    "truncatednbinom2": "truncated_negative_binomial",
    "inverse.gaussian": "inverse_gaussian",
    "inversegaussian": "inverse_gaussian",
    "normal": "gaussian",
    "cumulative": "ordinal",
    "clm": "ordinal",
    "clmm": "ordinal",
}


def family_of(family: object, link: str | None = None) -> Family:
    """The family that a user asks for.

    Args:
        family: A name, a class or an object of `mixedmodels.families`.
        link: Name of a link, or None for the usual one; beside an object it must be None.

    Raises:
        MixedModelsError: There is no such family or link.
    """
    if isinstance(family, Family):
        if link is not None and link != family.link.name:
            raise MixedModelsError(
                f"link is {link!r:.40} and the family is {family!r}; name the link in one place."
            )
        return family
    if isinstance(family, type) and issubclass(family, Family):
        return family(link)
    name = family.lower().replace(" ", "_") if isinstance(family, str) else ""
    name = _OTHER_NAMES.get(name.replace("_", ""), _OTHER_NAMES.get(name, name))
    if name not in FAMILIES:
        known = ", ".join(repr(known) for known in FAMILIES)
        if name.startswith("quasi"):
            raise MixedModelsError(
                f"family is {family!r:.60}; a quasi-likelihood has no random effects to integrate "
                'over. Overdispersed counts are family="negative_binomial" or "nb1"; overdispersed '
                "successes of trials get a random effect for every row, as in (1 | row)."
            )
        raise MixedModelsError(
            f"family is {family!r:.60}; it must be one of {known}, or an object of "
            f"mixedmodels.families.{did_you_mean(str(family), FAMILIES)}"
        )
    return FAMILIES[name](link)
