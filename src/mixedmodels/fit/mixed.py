"""The roles of a fit put together, and what takes all of them: files and the page.

Every role is a class in a file of its own and derives from `Values` alone; the mathematics is in
the packages of the same names below. The format of files is `storage`'s, the page's layout
`report.page`'s.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

from mixedmodels.errors import MixedModelsError
from mixedmodels.fit.diagnostics import Diagnostics
from mixedmodels.fit.inference import Inference
from mixedmodels.fit.likelihood import Likelihood
from mixedmodels.fit.marginal import Marginal
from mixedmodels.fit.pictures import Pictures
from mixedmodels.fit.prediction import Prediction
from mixedmodels.fit.reports import Reports
from mixedmodels.fit.tidying import Tidying
from mixedmodels.lazy import late_module
from mixedmodels.plots.backend import as_svg, can_draw, on_white
from mixedmodels.report.page import Chapter, Picture, render_page
from mixedmodels.report.sections import Paragraph, Table, fit_sections
from mixedmodels.storage.files import check_target, write_whole
from mixedmodels.storage.fits import save_fit

_metadata = late_module("importlib.metadata")

_CAPTIONS = {
    "plot_coefficients": "Fixed effects with 95 % Wald intervals.",
    "plot_ranef": "Conditional modes of the random effects with conditional 95 % intervals; those "
    "that leave out zero are blue.",
    "plot_shrinkage": "From the least-squares estimates of each level by itself to its conditional "
    "modes.",
    "plot_residuals": "Residuals against fitted values. The smooth line is level where the mean is "
    "right.",
    "plot_scale_location": "Spread against fitted values. The smooth line is level where the "
    "residual variance is constant.",
    "plot_qq": "Residuals against normal quantiles, with a pointwise 95 % band.",
    "plot_qq_ranef": "Conditional modes against normal quantiles.",
}


class MixedFit(
    Inference, Marginal, Likelihood, Prediction, Diagnostics, Tidying, Reports, Pictures
):
    """A fit with all its roles, of whichever kind of model; see `LinearMixedFit`."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fit to one file, replacing one that is there; `mixedmodels.load` reads it.

        The file is a zip archive of a JSON header and .npy arrays, without pickled objects. It
        holds the model matrices, so it is about as large as the columns of the data that the
        formula uses, and everything that predictions, profiles and refits need.

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
        save_fit(self._fitted, path)

    def report(self, path: str | os.PathLike[str], *, pictures: bool = True) -> None:
        """Write the fit as one HTML file that needs no other: summary, search and pictures.

        Args:
            path: Where to write, in one step; a file that is there is replaced.
            pictures: Whether to draw; without matplotlib nothing is drawn and the page says so.

        Raises:
            FileError: The file cannot be written there.

        Examples:
            >>> import tempfile, pathlib
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
            >>> path = pathlib.Path(tempfile.mkdtemp()) / "dyestuff.html"
            >>> fit.report(path, pictures=False)
            >>> "1527.5" in path.read_text(encoding="utf-8")
            True
        """
        check_target(path)
        values = self._values(full=True)
        notes = list(values.messages)
        if pictures and not can_draw():
            notes.append("Pictures are left out: matplotlib is not installed.")
        page = render_page(
            values.formula,
            notes,
            [
                Chapter("Summary", fit_sections(replace(values, messages=()))),
                Chapter("Search", [self._search(), Paragraph((self._optsum.message,))]),
            ],
            list(self._drawn()) if pictures and can_draw() else [],
            f"mixedmodels {_metadata.version('mixedmodels')}",
        )
        write_whole(path, page.encode("utf-8", "backslashreplace"))

    def _search(self) -> Table:
        found = self._optsum
        hessian = "positive definite" if found.hessian_ok else "not positive definite"
        rows = (
            ("Optimizer", found.optimizer),
            ("Status", found.status),
            ("Evaluations", f"{found.n_objective} of the criterion, {found.n_gradient} gradients"),
            ("Largest gradient", f"{found.max_gradient:.3g}"),
            ("Hessian", hessian),
            ("theta", ", ".join(f"{name} {at:.5g}" for name, at in self._theta_items())),
        )
        return Table("", ("", ""), rows, "<<")

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
            yield Picture(caption, as_svg(figure))
