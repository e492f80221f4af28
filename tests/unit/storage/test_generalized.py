"""Generalized fits to files and back, as pickles and copies; refusals of what cannot be one."""

from __future__ import annotations

import base64
import copy
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fuzz import files

import mixedmodels as mm
from mixedmodels.errors import FileError
from mixedmodels.storage import container

CBPP = mm.load_dataset("cbpp")
SLEEP = mm.load_dataset("sleepstudy")
TICKS = mm.load_dataset("grouseticks")
GAPS = TICKS.assign(TICKS=TICKS["TICKS"].astype(float).mask(TICKS.index.isin([3, 50])))
HERDS = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
FLAT = pd.DataFrame(
    {"y": np.random.default_rng(0).poisson(2, 200), "g": np.tile(np.arange(20), 10)}
)
CASES: dict[str, tuple[str, pd.DataFrame, dict[str, Any]]] = {
    "trials": (HERDS, CBPP, {}),
    "shares, probit": (
        "incidence / size ~ period + (1 | herd)",
        CBPP,
        {"weights": "size", "link": "probit"},
    ),
    "quadrature": (HERDS, CBPP, {"n_agq": 9}),
    "crossed, missing": (
        "TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION)",
        GAPS,
        {"family": "poisson"},
    ),
    "own parameter": (
        "TICKS ~ YEAR + cHEIGHT + (1 | BROOD)",
        TICKS,
        {"family": "negative_binomial"},
    ),
    "slopes, gamma": (
        "Reaction ~ Days + I(2 * Days) + (Days | Subject)",
        SLEEP,
        {"family": "gamma", "offset": "Days / 100"},
    ),
    "singular": ("y ~ 1 + (1 | g)", FLAT, {"family": "poisson"}),
}


@pytest.fixture(params=CASES, scope="module")
def fit(request: pytest.FixtureRequest) -> mm.GeneralizedLinearMixedFit:
    formula, data, arguments = CASES[request.param]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mm.glmer(formula, data, threads=1, **arguments)


def by_file(fit: Any, folder: Path) -> Any:
    fit.save(folder / "fit.mm")
    return mm.load(folder / "fit.mm", threads=1)


WAYS = {
    "file": by_file,
    "pickle": lambda fit, _: pickle.loads(pickle.dumps(fit)),
    "copy": lambda fit, _: copy.copy(fit),
    "deepcopy": lambda fit, _: copy.deepcopy(fit),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_values_are_the_same_to_the_bit(fit: Any, way: Any, tmp_path: Path) -> None:
    again = way(fit, tmp_path)
    assert type(again) is mm.GeneralizedLinearMixedFit
    assert str(again.summary()) == str(fit.summary())
    assert again.messages == fit.messages
    assert str(again.optsum) == str(fit.optsum)
    for name in ("objective", "dispersion", "aic", "nobs", "npar", "theta_names", "family"):
        assert getattr(again, name) == getattr(fit, name), name
    for name in ("theta", "beta", "fitted", "residuals", "vcov", "vcov_conditional"):
        np.testing.assert_array_equal(getattr(again, name), getattr(fit, name), err_msg=name)
    for group, table in fit.ranef().items():
        pd.testing.assert_frame_equal(again.ranef()[group], table, check_exact=True)
        np.testing.assert_allclose(again.ranef_cov()[group], fit.ranef_cov()[group], rtol=1e-8)
    own = [] if fit.dispersion is None else [fit.dispersion]
    beta = fit.beta[np.isfinite(fit.beta)]
    value, gradient = (
        (one.model.objective(fit.theta, beta, *own), one.model.gradient(fit.theta, beta, *own))
        for one in (fit, again)
    )
    assert value[0] == pytest.approx(gradient[0], abs=1e-9)
    y = fit.simulate(seed=1)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert again.refit(y).objective == pytest.approx(fit.refit(y).objective, abs=1e-7)


def test_a_loaded_fit_saves_the_same_bytes(fit: Any, tmp_path: Path) -> None:
    by_file(fit, tmp_path).save(tmp_path / "again.mm")
    assert (tmp_path / "again.mm").read_bytes() == (tmp_path / "fit.mm").read_bytes()


def test_models_travel(fit: Any) -> None:
    for again in (
        pickle.loads(pickle.dumps(fit.model)),
        copy.deepcopy(fit.model),
        copy.copy(fit.model),
        pickle.loads(pickle.dumps(fit._fitted)).model,
    ):
        assert (again.family, again.design.n) == (fit.family, fit.nobs)
    assert copy.deepcopy(fit).data is not None


def test_rows_that_are_new(fit: Any, tmp_path: Path) -> None:
    again = by_file(fit, tmp_path)
    data = fit.data
    np.testing.assert_array_equal(again.predict(data), fit.predict(data))


def set_field(kind: str, field: str, value: Any) -> Any:
    def change(by_class: Any) -> None:
        by_class[kind][0][field] = value

    return change


CHANGES: dict[str, tuple[Any, str]] = {
    "family": (set_field("Responses", "family", "magic"), "family is 'magic'"),
    "link": (set_field("Responses", "link", "log2"), "link is 'log2'"),
    "another family": (set_field("Responses", "family", "beta"), "not those of its family"),
    "with a parameter": (
        set_field("Responses", "family", "negative_binomial"),
        "link is|another model",
    ),
    "no nodes": (set_field("Responses", "nodes", 0), "nodes of quadrature"),
    "nodes": (set_field("Responses", "nodes", 10**6), "n_agq is"),
    "text for nodes": (set_field("Responses", "nodes", "1"), "its Responses has '1' as nodes"),
    "rank": (set_field("GeneralizedSolution", "p", 1), "another model"),
    "rows": (set_field("GeneralizedSolution", "n", 3), "another model"),
    "dispersion": (
        set_field("GeneralizedSolution", "dispersion", {"float": "0x1p+0"}),
        "not that of its family",
    ),
    "objective": (
        set_field("GeneralizedSolution", "objective", {"float": "nan"}),
        "not finite",
    ),
    "covariances": (
        set_field("GeneralizedSolution", "covariance_of", None),
        "has None as covariance_of",
    ),
    "hessian": (set_field("KnownCovariances", "hessian", 1), "has 1 as hessian"),
    "status": (set_field("OptSummary", "status", "perfect"), "has 'perfect'"),
}


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("fits") / "fit.mm"
    mm.glmer(HERDS, CBPP).save(path)
    return path.read_bytes()


@pytest.mark.parametrize("name", CHANGES)
def test_parts_that_do_not_belong_together(name: str, content: bytes, tmp_path: Path) -> None:
    change, message = CHANGES[name]
    header, arrays = files.unpacked(content)
    by_class: dict[str, list[Any]] = {}
    for written in header["objects"]:
        if "class" in written:
            by_class.setdefault(written["class"], []).append(written["fields"])
    change(by_class)
    (tmp_path / "fit.mm").write_bytes(container.pack(header, arrays))
    with pytest.raises(FileError, match=f"cannot be understood: .*({message})"):
        mm.load(tmp_path / "fit.mm")


@pytest.mark.parametrize("kind", ["linear mixed model", "generalized linear mixed model"])
def test_a_file_of_the_other_kind(kind: str, content: bytes, tmp_path: Path) -> None:
    if kind == "generalized linear mixed model":
        mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff")).save(tmp_path / "fit.mm")
        content = (tmp_path / "fit.mm").read_bytes()
    header, arrays = files.unpacked(content)
    header["kind"] = kind
    (tmp_path / "fit.mm").write_bytes(container.pack(header, arrays))
    with pytest.raises(FileError, match="cannot be understood"):
        mm.load(tmp_path / "fit.mm")


def test_every_part_of_a_solution_is_checked(content: bytes, tmp_path: Path) -> None:
    """One number more in any array of the solution: refused."""
    header, _ = files.unpacked(content)
    (solution,) = (
        o["fields"] for o in header["objects"] if o.get("class") == "GeneralizedSolution"
    )
    for field, value in solution.items():
        if not (isinstance(value, dict) and "object" in value) or field == "covariance_of":
            continue
        header, arrays = files.unpacked(content)
        written = header["objects"][value["object"]]
        if "array" in written:
            dtype, (size,), order, text = written["array"]
            more = np.append(np.frombuffer(base64.b64decode(text), dtype), np.ones(1, dtype))
            text = base64.b64encode(more.tobytes()).decode()
            header["objects"][value["object"]] = {"array": [dtype, [size + 1], order, text]}
        else:
            arrays[written["member"]] = np.append(arrays[written["member"]], 1.0)
        (tmp_path / "fit.mm").write_bytes(container.pack(header, arrays))
        with pytest.raises(FileError, match="cannot be understood"):
            mm.load(tmp_path / "fit.mm")
