"""Fits to files and back: the same numbers, the same abilities; refusals of other files."""

from __future__ import annotations

import io
import json
import os
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels.design.rebuild import (
    new_rows,
    rebuild_fixed,
    rebuild_group,
    rebuild_offset,
    rebuild_term,
)
from mixedmodels.storage import container

SLEEP = mm.load_dataset("sleepstudy")
GAPS = SLEEP.assign(
    Reaction=SLEEP["Reaction"].mask(SLEEP.index.isin([3, 50])), w=1.0 + SLEEP["Days"] / 10
)
SHIFTED = SLEEP.assign(copy=2 * SLEEP["Days"], half=SLEEP["Days"] < 5)
CAKE = mm.load_dataset("cake")
SPLINE = "bs(Days, df=4) + (scale(Days) | Subject) + (1 | factor(floor(center(Days) / 3)))"
CASES: dict[str, tuple[str, pd.DataFrame, dict[str, Any]]] = {
    "slopes": ("Reaction ~ Days + (Days | Subject)", SLEEP, {}),
    "apart, ML": ("Reaction ~ Days + (Days || Subject)", SLEEP, {"reml": False}),
    "singular": ("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff2"), {}),
    "nested": ("strength ~ 1 + (1 | batch/cask)", mm.load_dataset("pastes"), {}),
    "no fixed": ("Reaction ~ 0 + (1 | Subject)", SLEEP, {}),
    "learnt": (f"Reaction ~ poly(Days, 2) + {SPLINE}", SLEEP, {}),
    "missing, weights, offset": (
        "Reaction ~ Days + offset(2 * Days) + (Days | Subject)",
        GAPS,
        {"weights": "1 / w", "offset": "log(w)"},
    ),
    "dependent": ("Reaction ~ Days + copy + half + (1 | Subject)", SHIFTED, {"reml": False}),
    "contrasts": (
        "angle ~ recipe * temperature + C(recipe, Treatment('B')):temp + (1 | recipe:replicate)",
        CAKE,
        {"contrasts": {"temperature": "poly", "recipe": "sum"}},
    ),
    "other search": (
        "Reaction ~ Days + (Days | Subject)",
        SLEEP.set_axis(pd.Index([f"row {i}" for i in range(180)]), axis=0),
        {"optimizer": "Nelder-Mead", "control": mm.Control(max_evaluations=400)},
    ),
}


@pytest.fixture(params=CASES, scope="module")
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[mm.LinearMixedFit, mm.LinearMixedFit, pd.DataFrame]:
    formula, data, arguments = CASES[request.param]
    path = tmp_path_factory.mktemp("fits") / "fit.mm"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mm.lmer(formula, data, threads=1, **arguments)
    fit.save(path)
    return fit, mm.load(path, threads=1), data


def test_values_are_the_same_to_the_bit(pair: Any) -> None:
    fit, loaded, _ = pair
    assert str(loaded.summary()) == str(fit.summary())
    assert loaded.messages == fit.messages
    assert loaded.is_singular == fit.is_singular
    for name in ("objective", "deviance", "sigma", "aic", "bic", "nobs", "npar", "theta_names"):
        assert getattr(loaded, name) == getattr(fit, name), name
    for name in ("fitted", "residuals"):
        pd.testing.assert_series_equal(
            getattr(loaded, name), getattr(fit, name), check_exact=True, check_freq=False
        )
    for name in ("theta", "beta"):
        assert getattr(loaded, name).tobytes() == getattr(fit, name).tobytes(), name
        assert not getattr(loaded, name).flags.writeable
    pd.testing.assert_frame_equal(loaded.vcov, fit.vcov, check_exact=True)
    modes, covariances = loaded.ranef(), loaded.ranef_cov()
    for group, table in fit.ranef().items():
        pd.testing.assert_frame_equal(modes[group], table, check_exact=True)
        np.testing.assert_array_equal(covariances[group], fit.ranef_cov()[group])


def test_the_search_is_kept(pair: Any) -> None:
    fit, loaded, _ = pair
    assert str(loaded.optsum) == str(fit.optsum)
    assert loaded.optsum.control == fit.optsum.control
    assert len(loaded.optsum.trace) == len(fit.optsum.trace)
    for (value, theta), (value0, theta0) in zip(loaded.optsum.trace, fit.optsum.trace, strict=True):
        assert value == value0
        np.testing.assert_array_equal(theta, theta0)


def test_new_rows_become_the_same_columns(pair: Any) -> None:
    fit, loaded, data = pair
    rows = data.iloc[[5, 17, 2]]
    new, new0 = new_rows(rows), new_rows(rows)
    design, design0 = loaded.model.design, fit.model.design
    np.testing.assert_array_equal(rebuild_fixed(design, new), rebuild_fixed(design0, new0))
    np.testing.assert_array_equal(rebuild_offset(design, new), rebuild_offset(design0, new0))
    for term, term0 in zip(design.terms, design0.terms, strict=True):
        np.testing.assert_array_equal(rebuild_term(term, new), rebuild_term(term0, new0))
    for group, group0 in zip(design.groups, design0.groups, strict=True):
        np.testing.assert_array_equal(rebuild_group(group, new)[0], rebuild_group(group0, new0)[0])
        pd.testing.assert_index_equal(group.levels, group0.levels, exact=True)
    if design0.index is not None:
        pd.testing.assert_index_equal(design.index, design0.index, exact=True)


def test_criterion_and_refit_are_the_same(pair: Any) -> None:
    fit, loaded, _ = pair
    model, model0 = loaded.model, fit.model
    theta = np.full(len(fit.theta), 0.7)
    assert model.objective(theta) == model0.objective(theta)
    y = fit.fitted + np.sin(np.arange(fit.nobs))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert loaded.refit(y).objective == fit.refit(y).objective


def test_a_loaded_fit_saves_the_same_bytes(pair: Any, tmp_path: Path) -> None:
    fit, loaded, _ = pair
    fit.save(tmp_path / "a")
    loaded.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_views_of_X_take_no_room(tmp_path: Path) -> None:
    fit = mm.lmer("Reaction ~ Days + (Days | Subject)", SLEEP)
    fit.save(tmp_path / "fit.mm")
    design = mm.load(tmp_path / "fit.mm").model.design
    assert np.shares_memory(design.terms[0].z, design.X)
    assert design.groups[0].levels is design.groups[0].spec.levels[0]


def test_labels_without_a_kind_are_kept_as_text(tmp_path: Path) -> None:
    labels = pd.Index([("row", i) for i in range(180)], tupleize_cols=False)
    fit = mm.lmer("Reaction ~ Days + (1 | Subject)", SLEEP.set_axis(labels, axis=0))
    fit.save(tmp_path / "fit.mm")
    loaded = mm.load(tmp_path / "fit.mm")
    assert loaded.model.design.index[3] == "('row', 3)"
    expected = "Labels of type tuple were saved as text, such as \"('row', 0)\"."
    assert loaded.messages == (expected,)


# -- files that are not to be had ------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("saved") / "fit.mm"
    mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff")).save(path)
    return path.read_bytes()


def refused(path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    with pytest.raises(mm.FileError, match=message) as caught:
        mm.load(path)
    assert str(path) in str(caught.value)


def test_every_changed_byte_is_found(saved: bytes, tmp_path: Path) -> None:
    for position in range(0, len(saved), 5):
        changed = bytearray(saved)
        changed[position] ^= 0x10
        refused(tmp_path / "fit.mm", bytes(changed), "damaged|not a fit saved")


@pytest.mark.parametrize("kept", [0, 1, 40, 200, 1000, -1])
def test_a_file_cut_short(saved: bytes, kept: int, tmp_path: Path) -> None:
    refused(tmp_path / "fit.mm", saved[:kept], "empty|not a fit saved|its end is missing")


def test_a_file_with_something_behind(saved: bytes, tmp_path: Path) -> None:
    refused(tmp_path / "fit.mm", saved + b"\n", "damaged")


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(mm.FileError, match=r"none\.mm does not exist"):
        mm.load(tmp_path / "none.mm")
    with pytest.raises(mm.FileError, match="cannot be read: Is a directory"):
        mm.load(tmp_path)


def other_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("readme.txt", "hello")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content", [b"Reaction,Days\n1,2\n" * 9, b"\x80\x04}\x94.", other_zip()],
    ids=["csv", "pickle", "zip"],
)  # fmt: skip
def test_other_files(content: bytes, tmp_path: Path) -> None:
    refused(tmp_path / "x", content, "is not a fit saved by mixedmodels; give a file written by")


def altered(saved: bytes, path: Path, change: Any) -> bytes:
    """A well-sealed file with another header or other arrays."""
    file = container.unpack(str(path), io.BytesIO(saved))
    change(file.header, file.arrays)
    return container.pack(file.header, file.arrays)


def newer(header: Any, _arrays: Any) -> None:
    header["version"], header["written_by"] = 2, "mixedmodels 9.9"


def of_another_kind(header: Any, _arrays: Any) -> None:
    header["kind"] = "nonlinear mixed model"


def of_another_format(header: Any, _arrays: Any) -> None:
    header["format"] = "recipe"


def without_solution(header: Any, _arrays: Any) -> None:
    del header["content"]["solution"]


def with_strange_class(header: Any, _arrays: Any) -> None:
    header["objects"].append({"class": "os.system", "fields": {}})


def with_codes_out_of_range(header: Any, arrays: Any) -> None:
    for written in header["objects"]:
        if written.get("class") == "GroupingFactor":
            at = written["fields"]["codes"]["object"]
            codes = np.full(30, 77, dtype="<i4")
            header["objects"][at] = {"member": "codes.npy"}
            arrays["codes.npy"] = codes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (newer, r"format version 2 \(written by mixedmodels 9\.9\); .* reads version 1"),
        (of_another_kind, "holds a nonlinear mixed model, which this version cannot load"),
        (of_another_format, "is not a fit saved"),
        (without_solution, "cannot be understood"),
        (with_strange_class, r"holds a os\.system, which this version does not have"),
        (with_codes_out_of_range, "codes of 'Batch' are not those of its levels"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_sealed_files_that_cannot_be_understood(
    saved: bytes, tmp_path: Path, change: Any, message: str
) -> None:
    path = tmp_path / "fit.mm"
    refused(path, altered(saved, path, change), message)


def test_nothing_is_left_where_saving_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
    with pytest.raises(mm.FileError, match=r"none/fit\.mm cannot be written: No such file"):
        fit.save(tmp_path / "none" / "fit.mm")
    path = tmp_path / "fit.mm"
    path.write_text("precious")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(mm.FileError, match="No space left"):
        fit.save(path)
    assert path.read_text() == "precious"
    assert [entry.name for entry in tmp_path.iterdir()] == ["fit.mm"]


def test_what_cannot_be_saved_is_named(tmp_path: Path) -> None:
    fit = mm.lmer("Reaction ~ poly(Days, 2) + (1 | Subject)", SLEEP)
    recipe = next(iter(fit.model.design.fixed_spec.recipes.values()))
    recipe.states["_state0"]["odd"] = object()
    with pytest.raises(mm.FileError, match=r"holds a builtins\.object"):
        fit.save(tmp_path / "fit.mm")


def test_the_header_is_readable_json(saved: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(saved)) as archive:
        header = json.loads(archive.read("mixedmodels.json"))
    assert header["format"] == "mixedmodels fit"
    assert header["formula"] == "Yield ~ 1 + (1 | Batch)"
