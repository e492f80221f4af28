"""Inference after the fit: the methods; the mathematics is in `inference`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mixedmodels.errors import ArgumentError
from mixedmodels.estimates.linear import SIGMA
from mixedmodels.estimates.parameters import coefficient_names
from mixedmodels.fit.values import Values
from mixedmodels.inference.coefficients import coef_table, degrees
from mixedmodels.inference.components import components_of
from mixedmodels.inference.degrees import estimates
from mixedmodels.inference.hypotheses import Spec, coefficients_of, hypothesis
from mixedmodels.inference.information import parameter_covariance
from mixedmodels.inference.source import Covariance, method_of
from mixedmodels.inference.tables import Anova, CoefTable
from mixedmodels.inference.wald import LinearTest, anova_table, linear_test
from mixedmodels.lazy import late_module
from mixedmodels.report.whole import WholeFrame
from mixedmodels.settings import AnovaTypeName, Ddf, RobustKind

if TYPE_CHECKING:
    from mixedmodels.inference import robust
    from mixedmodels.inference.robust import RobustCovariance
else:
    robust = late_module("mixedmodels.inference.robust")


class Inference(Values):
    """Tests and intervals; see `LinearMixedFit`."""

    # -- fixed effects ------------------------------------------------------------------

    def coef_table(self, ddf: Ddf = "satterthwaite", *, vcov: Covariance = None) -> CoefTable:
        """Fixed effects with standard errors and tests.

        Args:
            ddf: Method for the degrees of freedom of the tests, in any case: "satterthwaite";
                "kenward-roger" or "KR", with its adjusted standard errors, for which a fit by ML is
                refitted by REML (and a `RefitWarning` says so); "residual", n less the rank of X;
                or "none", which refers the ratio to a normal distribution. Generalized models have
                the last one only, which "satterthwaite" means there; others are refused.
            vcov: Another covariance than the model's: what `vcov_robust` gave, "CR0", "CR1" or
                "CR2" for that with the default clusters, or a matrix (p, p). "satterthwaite" then
                means the robust covariance's own degrees of freedom; a matrix has none, and goes
                with "residual" and "none".

        Returns:
            A table that is read like a DataFrame (`table["p_value"]`), one row per kept column of
            X; columns `estimate`, `std_error`, `df`, `statistic`, `p_value`. Where there is no
            test, a `ConvergenceWarning` and `notes` say why.

        Raises:
            MixedModelsError: Unknown `ddf`, or a `vcov` that cannot be used.
            ModelError: "kenward-roger" would need too much memory.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
            >>> fit.coef_table()["df"].round(2).tolist()
            [17.0, 17.0]
        """
        method = method_of(self._fitted, ddf, vcov, announce=True)
        table = coef_table(self._kept_names, method)
        return CoefTable(table, method.method, method.source)

    def anova(
        self,
        type: AnovaTypeName = 3,  # noqa: A002
        *,
        ddf: Ddf = "satterthwaite",
        vcov: Covariance = None,
    ) -> Anova:
        """F tests of the terms of the fixed part.

        Args:
            type: 1 or "I", each term after those before it; 2 or "II", each after all that do not
                contain it; 3 or "III", SAS's Type III, whatever the coding of factors.
            ddf: Method for denominator degrees of freedom, as in `coef_table`.
            vcov: Another covariance than the model's, as in `coef_table`; tests as in `test`.

        Returns:
            A table that is read like a DataFrame, one row per term in the order of the formula;
            columns `sum_sq`, `mean_sq`, `num_df`, `den_df`, `statistic` (F), `p_value`. A term of
            which nothing is estimable has `num_df` 0 and NaN; `notes` says by term why a number is
            missing. Of generalized models `sum_sq` is Wald's chi-square, and types 1 and 2 are by
            the information on the coefficients, as in R's car.

        Raises:
            MixedModelsError: Unknown `type` or `ddf`.
            ModelError: "kenward-roger" would need too much memory; type 3 with contrasts that
                leave levels out of reach.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("score ~ Machine + (1 | Worker/Machine)", mm.load_dataset("machines"))
            >>> fit.anova()[["num_df", "den_df", "statistic"]].round(2).values.tolist()
            [[2.0, 10.0, 20.58]]
        """
        if isinstance(type, Values):
            raise ArgumentError(
                "fit.anova() tests the terms of one fit. Fits are compared by "
                "mixedmodels.anova(fit1, fit2)."
            )
        method = method_of(self._fitted, ddf, vcov, announce=True)
        residual = self._solution.residual_sd is not None
        vcov_of_terms = None if residual else estimates(self._fitted)[1]
        table = anova_table(self._fitted.model, method, type, vcov_of_terms)
        return Anova(table, method.method, f"type {type}", method.source, residual)

    def test(
        self,
        L: Spec,
        rhs: npt.ArrayLike | None = None,
        *,
        ddf: Ddf = "satterthwaite",
        level: float = 0.95,
        vcov: Covariance = None,
    ) -> LinearTest:
        """Test linear hypotheses L beta = rhs, each by t and all together by F.

        Args:
            L: A coefficient's name; an equation such as `"Days = 10"` or `"a - 2*b"` (= 0); a dict
                of weights by name; a list of these; a vector or matrix (k, p) over the
                coefficients of `coef_table`; or a DataFrame with names as columns. A name may be
                written as in a formula, with backticks.
            rhs: Right-hand sides, one or (k,); 0 if None.
            ddf: Method for degrees of freedom, as in `coef_table`.
            level: Coverage of `lower` and `upper`.
            vcov: Another covariance than the model's, as in `coef_table`. With a robust one the
                joint test is Hotelling's, with the degrees of freedom of Pustejovsky and Tipton.

        Returns:
            `table` with a row per hypothesis (`estimate`, `std_error`, `rhs`, `df`, `statistic`,
            `p_value`, `lower`, `upper`), `joint` (F, num_df, den_df, p_value), and `p_value`.

        Raises:
            MixedModelsError: Not a linear hypothesis about coefficients of the model, one that is
                not estimable, or contradictory ones; unknown `ddf`; a `vcov` that cannot be used;
                `level` outside (0, 1).
            ModelError: "kenward-roger" would need too much memory.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
            >>> round(fit.test("Days = 10").p_value, 4)
            0.7661
        """
        what = hypothesis(L, rhs, coefficients_of(self._fitted.model))
        return linear_test(what, method_of(self._fitted, ddf, vcov), level)

    def vcov_robust(self, cluster: Any = None, kind: RobustKind = "CR2") -> RobustCovariance:
        """Covariance of the fixed effects that holds whatever the covariance within clusters.

        The estimates stay those of the model, whose V is the working covariance; that clusters are
        independent of each other is all that is relied on. With few clusters use "CR2", and
        Satterthwaite's degrees of freedom, which `coef_table(vcov=)` and `test(vcov=)` take.

        Args:
            cluster: The name of a grouping factor, of a factor that it is made of, or else of any
                column of the table; a label for each row used (a Series may have one for each row
                of the data); the coarsest grouping factor if None. A cluster must hold whole
                levels of every grouping factor.
            kind: "CR0", without correction; "CR1", times J / (J - 1) with J clusters; "CR2",
                bias-reduced, without bias if V is right.

        Returns:
            A matrix (p, p) that is read like a DataFrame, with attributes `stderror`, `kind`,
            `cluster`, `n_clusters`.

        Raises:
            MixedModelsError: Unknown `kind`, groups that are not clusters, a single cluster, or a
                level of a grouping factor with rows in several (crossed random effects).
            ModelError: The model has no fixed effects.
            ResourceError: "CR2" takes blocks of the size of the largest cluster, and these would
                not fit into memory.

        References:
            Bell and McCaffrey (2002), Survey Methodology 28, 169-181; Pustejovsky and Tipton
            (2018), Journal of Business & Economic Statistics 36, 672-683. Values as by R's
            clubSandwich.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
            >>> fit.vcov_robust("Subject").stderror.round(3).to_dict()
            {'(Intercept)': 6.825, 'Days': 1.546}
            >>> fit.coef_table(vcov=fit.vcov_robust("Subject"))["df"].round(2).tolist()
            [17.0, 17.0]
        """
        data = None if self._given is None else self._given.data
        if cluster is None:
            return robust.robust_by_kind(self._fitted, kind)
        return robust.robust(self._fitted, cluster, kind, data)

    def vcov_adjusted(self, ddf: Ddf = "kenward-roger") -> pd.DataFrame:
        """Covariance (p, p) of the fixed effects with which tests by `ddf` are made.

        Args:
            ddf: "kenward-roger" gives Kenward and Roger's adjusted covariance, for which a fit by
                ML is refitted by REML; the other methods of `coef_table` adjust nothing, and the
                result is `vcov`.

        Raises:
            MixedModelsError: Unknown `ddf`.
            ModelError: "kenward-roger" would need too much memory.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
            >>> fit.vcov_adjusted().round(2).values.tolist()
            [[375.72]]
        """
        names = self._kept_names
        vcov = degrees(self._fitted, ddf).vcov
        return pd.DataFrame(vcov.copy(), index=names, columns=names)

    # -- variance parameters ------------------------------------------------------------

    def vcov_full(self) -> pd.DataFrame:
        """Covariance of beta (p), theta (m) and sigma, the first not correlated with the others.

        A coefficient with the name of another parameter is called `beta(name)`.
        That of theta and sigma comes from the second derivatives of the criterion, by the exact
        gradient. What lies on its bound has NaN, and all else is conditional on that; so has what
        the data do not identify.
        """
        p, m = self._solution.p, len(self.theta)
        names = self._parameter_names
        out = np.zeros((p + m + 1, p + m + 1))
        out[:p, :p] = self._solution.vcov
        out[p:, p:] = parameter_covariance(self._fitted)
        return pd.DataFrame(out, index=names, columns=names)

    def stderror_full(self) -> pd.Series[float]:
        """Standard errors of beta (p), theta (m) and sigma: roots of the diagonal of `vcov_full()`.

        Those of the coefficients are `stderror`. NaN on a bound and for what is not identified.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
            >>> fit.stderror_full().round(3).to_dict()
            {'(Intercept)': 19.383, 'Batch.(Intercept)': 0.377, 'sigma': 7.146}
        """
        errors = np.sqrt(np.diag(self.vcov_full()))
        return pd.Series(errors, index=self._parameter_names, name="stderror")

    @property
    def _parameter_names(self) -> list[str]:
        """Names of beta (kept), theta and sigma, all distinct."""
        others = (*self.theta_names, *self._scale_names)
        coefficients = coefficient_names(self._design.x_names, others)
        return [*(coefficients[j] for j in self._solution.kept), *others]

    @property
    def _scale_names(self) -> tuple[str, ...]:
        """Names of the parameters beside theta and the coefficients."""
        return (SIGMA,)

    def varcorr_table(self) -> pd.DataFrame:
        """Variance components with standard errors by the delta method.

        Returns:
            `varcorr.to_frame()` with columns `vcov_std_error` and `sdcor_std_error` beside `vcov`
            and `sdcor`, and `df`, Satterthwaite's degrees of freedom of each variance. NaN where a
            component is on its bound (a standard deviation of 0, a correlation of 1) or not
            identified.
        """
        return WholeFrame(components_of(self._fitted, self.varcorr))
