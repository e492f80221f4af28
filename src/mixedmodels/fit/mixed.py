"""The roles of a fit put together, and what takes all of them: files and the page.

Every role is a class in a file of its own and derives from `Values` alone; the mathematics is in
the packages of the same names below.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mixedmodels.errors import FileError, MixedModelsError, ModelError
from mixedmodels.estimates.linear import by_ml
from mixedmodels.estimates.parameters import random_names
from mixedmodels.estimates.tails import wald_limits
from mixedmodels.fit.again import Again
from mixedmodels.fit.aliases import Aliases
from mixedmodels.fit.diagnostics import Diagnostics
from mixedmodels.fit.exchange import Exchange
from mixedmodels.fit.frames import Frames
from mixedmodels.fit.inference import Inference
from mixedmodels.fit.likelihood import Likelihood
from mixedmodels.fit.marginal import Marginal
from mixedmodels.fit.pictures import Pictures
from mixedmodels.fit.prediction import Prediction
from mixedmodels.fit.reports import Reports
from mixedmodels.fit.tidying import Tidying
from mixedmodels.inference.coefficients import coef_table, degrees
from mixedmodels.inference.components import table_order
from mixedmodels.inference.degrees import Degrees
from mixedmodels.inference.information import unknown_message, variance_information
from mixedmodels.inference.wald import anova_table
from mixedmodels.lazy import late_function, late_module
from mixedmodels.plots.backend import as_svg, can_draw, on_white
from mixedmodels.plots.palette import dark_variables, following_page
from mixedmodels.report.chapters import (
    Chapter,
    PageValues,
    RandomPart,
    chapters,
    component_section,
)
from mixedmodels.report.distributions import DistributionWords
from mixedmodels.report.page import DARK_PAPER, Picture, render_page
from mixedmodels.report.sections import Paragraph, Section, Table
from mixedmodels.settings import Ddf, MarginalType
from mixedmodels.storage.files import check_target, write_whole

if TYPE_CHECKING:
    from mixedmodels.inference.confint import profile_intervals
    from mixedmodels.marginal import means as _means
    from mixedmodels.marginal import ratios as _coefficients
    from mixedmodels.marginal import source as _source
    from mixedmodels.storage.fits import save_fit
else:
    save_fit = late_function("mixedmodels.storage.fits", "save_fit")
    profile_intervals = late_function("mixedmodels.inference.confint", "profile_intervals")
    _means = late_module("mixedmodels.marginal.means")
    _source = late_module("mixedmodels.marginal.source")
    _coefficients = late_module("mixedmodels.marginal.ratios")

_metadata = late_module("importlib.metadata")

_CAPTIONS = {
    "plot_coefficients": "Fixed effects with 95 % Wald intervals.",
    "plot_ranef": "Conditional modes of the random effects with conditional 95 % intervals; those "
    "that leave out zero are blue.",
    "plot_shrinkage": "From the least-squares estimates of each level by itself to its conditional "
    "modes.",
    "plot_residuals": "Residuals against fitted values. The smooth line is level where the mean is "
    "right.",
    "plot_scale_location": "Spread of residuals against fitted values. The smooth line is level "
    "where the model has the variance right.",
    "plot_qq": "Residuals against normal quantiles, with a pointwise 95 % band.",
    "plot_qq_ranef": "Conditional modes against normal quantiles.",
}


# Factors, and levels of a factor, whose means a report has.
_MOST_FACTORS, _MOST_LEVELS = 6, 30
# Fits that the checks of a report take, and up to how many seconds and rows they are made unasked.
_REFITS, _PATIENCE, _MOST_ROWS = 200, 10.0, 20_000


# Endings of formats that a report is not written in.
_OTHER_FORMATS = (".pdf", ".doc", ".docx", ".odt", ".rtf", ".md", ".tex", ".txt", ".qmd", ".ipynb")


def _check_page(path: Path) -> None:
    """Refuse a page that would be called a document of another format.

    Raises:
        FileError: Its ending is such a format's.
    """
    if path.suffix.lower() in _OTHER_FORMATS:
        raise FileError(
            f"report writes an HTML page, which {path.name!r} is not called. Name it "
            f"'{path.stem}.html'; a browser prints it to PDF, and tables have to_latex() and "
            "to_markdown()."
        )


class MixedFit(
    Again,
    Inference,
    Marginal,
    Likelihood,
    Prediction,
    Diagnostics,
    Tidying,
    Frames,
    Aliases,
    Exchange,
    Reports,
    Pictures,
):
    """A fit with all its roles, of whichever kind of model; see `LinearMixedFit`."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fit to one file, replacing one that is there; `mixedmodels.load` reads it.

        The file is a zip archive of a JSON header and .npy arrays, without pickled objects. It
        holds the model matrices, so it is about as large as the columns of the data that the
        formula uses, and everything that predictions, profiles and refits need. That of a fit of
        sums over rows holds the sums.

        Args:
            path: Where to write; by custom it ends in .mm.

        Raises:
            FileError: The file cannot be written there.

        Examples:
            >>> import tempfile, pathlib
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
            >>> path = pathlib.Path(tempfile.mkdtemp()) / "dyestuff.mm"
            >>> fit.save(path)
            >>> bool((mm.load(path).residuals == fit.residuals).all())
            True
        """
        if self._sums is not None:
            self._sums.save_fit(self._solution, self._optsum, path)
        else:
            save_fit(self._fitted, path)

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        pictures: bool = True,
        checks: bool | None = None,
        ddf: Ddf = "satterthwaite",
    ) -> None:
        """Write the fit as one HTML file that needs no other, for any screen and for print.

        The model in words and as an equation, coefficients with limits and tests, ratios where the
        link of a generalized model makes them such, all other parameters of its distribution
        (dispersion, zero inflation, thresholds), variance components with limits, R squared and
        intraclass correlations, marginal means of factors (of ordered responses the probabilities
        of the categories, of counts with an exposure the rates), the checks of `check`, pictures,
        and how the optimum was found.

        Args:
            path: Where to write, in one step; a file that is there is replaced.
            pictures: Whether to draw; without matplotlib nothing is drawn and the page says so.
            checks: Whether to check the model's assumptions, for which it is fitted to simulated
                data; if None, where that takes seconds only.
            ddf: Method of the denominator degrees of freedom, as in `coef_table`.

        Raises:
            FileError: The file cannot be written there, or its name is that of another format.
            MixedModelsError: Unknown `ddf`.

        Examples:
            >>> import tempfile, pathlib
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
            >>> path = pathlib.Path(tempfile.mkdtemp()) / "dyestuff.html"
            >>> fit.report(path, pictures=False)
            >>> "1527.5" in path.read_text(encoding="utf-8")
            True
        """
        _check_page(check_target(path).path)
        method = degrees(self._fitted, ddf)
        values = self._values(full=True)
        unknown = unknown_message(
            self._fitted.model.templates, self._fitted.once(variance_information)
        )
        notes = [*values.messages, *([unknown] if unknown else [])]
        if pictures and not can_draw():
            notes.append("Pictures are left out: matplotlib is not installed.")
        drawn = list(self._drawn()) if pictures and can_draw() else []
        page = render_page(
            values.formula,
            notes,
            chapters(self._page_values(checks, method)),
            drawn,
            f"mixedmodels {_metadata.version('mixedmodels')}",
            dark_variables(DARK_PAPER) if drawn else "",
        )
        write_whole(path, page.encode("utf-8", "backslashreplace"))

    def _page_values(self, checks: bool | None, method: Degrees) -> PageValues:
        design = self._design
        fixed = coef_table(self._kept_names, method)
        estimate, error, df = (fixed[k].to_numpy() for k in ("estimate", "std_error", "df"))
        fixed["lower"], fixed["upper"] = wald_limits(estimate, error, df, 0.95)
        order = ["estimate", "std_error", "lower", "upper", "df", "statistic", "p_value"]
        made = dt.date.today()  # noqa: DTZ011 (the day where the user is)
        return PageValues(
            response=design.response_name,
            reml=self.reml,
            n=self.nobs,
            n_dropped=design.n_dropped,
            weighted=design.is_weighted,
            shifted=design.is_shifted,
            beside=self._beside,
            random=tuple(
                RandomPart(
                    design.groups[term.group].name,
                    term.columns,
                    design.groups[term.group].n_levels,
                )
                for term in design.terms
            ),
            fixed=fixed[order],
            tests=self._term_tests(method),
            components=component_section(self._components()),
            shares=tuple(self._shares()),
            criteria=self._criteria(),
            search=self._search(),
            made=f"Reported on {made.isoformat()}",
            others=(
                Chapter("Marginal means", list(self._factor_means(method))),
                Chapter("Checks", list(self._checked(checks))),
            ),
            family=self._distribution_words,
            parameters=tuple(self._parameter_sections()),
            ratios=self._as_ratios(fixed[["estimate", "lower", "upper"]]),
        )

    def _as_ratios(self, fixed: pd.DataFrame) -> tuple[str, pd.DataFrame] | None:
        """Coefficients of a generalized model as ratios, where its link makes them such."""
        if self._family_words is None:
            return None
        try:
            scale = self._ratios()
        except MixedModelsError:
            return None
        return _coefficients.name_of_ratios(scale), _coefficients.as_ratios(fixed, scale)

    @property
    def _distribution_words(self) -> DistributionWords | None:
        """What is said of the distribution of a generalized model."""
        return None

    def _parameter_sections(self) -> Iterator[Section]:
        """Parameters of the distribution of a generalized model beside its mean."""
        yield from ()

    def _factor_means(self, method: Degrees) -> Iterator[Section]:
        """Means of the levels of each factor of the fixed part, and of cells that interact.

        On the scale of the response where that was transformed; of an ordered response the
        probabilities of its categories, of counts with an exposure the rates.
        """
        scale, meaning = self._scale, self._meaning
        categories = self._categories
        type_: MarginalType = "link" if scale is None else "response"
        wanted = _means.Wanted(
            type=type_ if categories is None else "prob", offset=self._offset_reported
        )
        source = _source.source_of(self._fitted, method)
        for names in (*self._factors()[:_MOST_FACTORS], *self._cells()[:_MOST_FACTORS]):
            try:
                found = _means.marginal_means(
                    self._design, source, scale, list(names), None, None, wanted, categories,
                    meaning,
                )  # fmt: skip
            except MixedModelsError as error:
                yield Paragraph((f"Means of {' and '.join(names)}: {error}",))
                continue
            yield from found._sections()  # noqa: SLF001

    @property
    def _offset_reported(self) -> float | None:
        """The offset of means in a report; None for its mean over the rows."""
        return None

    def _factors(self) -> list[tuple[str, ...]]:
        return [
            (name,)
            for name, variable in self._design.variables.items()
            if variable.levels is not None and len(variable.levels) <= _MOST_LEVELS
        ]

    def _cells(self) -> list[tuple[str, ...]]:
        """Pairs of factors that interact, with few cells."""
        variables = self._design.variables
        found: list[tuple[str, ...]] = []
        for term in self._design.formula.terms:
            names = tuple(factor.name for factor in term.factors)
            known = [variables[name].levels for name in names if name in variables]
            sizes = [0 if levels is None else len(levels) for levels in known]
            if len(names) == len(sizes) == 2 and 0 < sizes[0] * sizes[1] <= _MOST_LEVELS:
                found.append(names)
        return found

    def _checked(self, asked: bool | None) -> Iterator[Section]:
        """The page of checks, where it is asked for or takes seconds only."""
        long = _REFITS * self._optsum.seconds > _PATIENCE or self.nobs > _MOST_ROWS
        long = long or self._solution.accuracy is not None
        if asked is False or (asked is None and long) or not self.sigma > 0.0:
            return
        if asked is None and not self._design.has_rows:
            yield Paragraph(("Checks need the rows of the data, and this fit was made from sums.",))
            return
        yield from self.check(progress=False)._sections()  # noqa: SLF001

    def _term_tests(self, method: Degrees) -> pd.DataFrame | None:
        """F tests, where there is a term beside the intercept."""
        try:
            tests = anova_table(self._fitted.model, method, 3)
        except ModelError:  # contrasts that leave levels out of reach
            return None
        columns = ["num_df", "den_df", "statistic", "p_value"]
        return None if tests.empty else tests[columns]

    def _components(self) -> pd.DataFrame:
        """The variance components, with limits by profile where these take seconds only."""
        table = self.varcorr.to_frame()
        limits = np.full((len(table), 2), np.nan)
        if _REFITS * self._optsum.seconds <= _PATIENCE and self.sigma > 0.0:
            with warnings.catch_warnings(), contextlib.suppress(MixedModelsError):
                warnings.simplefilter("ignore")  # a limit that is missing is blank
                found = profile_intervals(by_ml(self._fitted), "theta_", 0.95, None)
                order = table_order(self._fitted.model.templates)[: len(table)]
                limits = found.reindex(list(random_names(self._fitted))).to_numpy()[order]
        return table.assign(lower=limits[:, 0], upper=limits[:, 1])

    def _shares(self) -> Iterator[str]:
        r2, icc = self.r2(), self.icc()
        yield (
            f"R squared: {r2['marginal']:.3f} by the fixed effects (marginal), "
            f"{r2['conditional']:.3f} with the random effects (conditional)."
        )
        groups = [f"{name} {value:.3f}" for name, value in icc["adjusted"].items()]
        yield f"Intraclass correlations (adjusted): {', '.join(groups)}."

    def _criteria(self) -> Table:
        criterion = "REML criterion" if self.reml else "Deviance"
        numbers = {
            criterion: self.objective,
            "logLik": self.loglik,
            "AIC": self.aic,
            "BIC": self.bic,
        }
        rows = [(name, f"{value:.3f}") for name, value in numbers.items()]
        rows.append(("Parameters", str(self.npar)))
        return Table("Criteria", ("", ""), tuple(rows), "<>")

    def _search(self) -> Table:
        found = self._optsum
        hessian = "positive definite" if found.hessian_ok else "not positive definite"
        rows = (
            ("Optimizer", found.optimizer),
            ("Status", f"{found.status} ({found.message})"),
            ("Evaluations", f"{found.n_objective} of the criterion, {found.n_gradient} gradients"),
            ("Largest gradient", f"{found.max_gradient:.3g}"),
            ("Hessian", hessian),
            ("theta", ", ".join(f"{name} {at:.5g}" for name, at in self._theta_items())),
        )
        return Table("Search", ("", ""), rows, "<<")

    def _theta_items(self) -> Iterator[tuple[str, float]]:
        return zip(self.theta_names, self.theta.tolist(), strict=True)

    def _drawn(self) -> Iterator[Picture]:
        """The pictures that this fit has: one without fixed effects, say, has fewer."""
        for name, caption in _CAPTIONS.items():
            try:
                with on_white():
                    figure = getattr(self, name)()
            except MixedModelsError:
                continue
            yield Picture(caption, following_page(as_svg(figure, name.replace("_", "-"))))
