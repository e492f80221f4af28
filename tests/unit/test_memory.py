"""What is predicted to be too large is refused before it is made, with the bytes of its parts."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mixedmodels import (
    GeneralizedLinearMixedModel,
    LinearMixedModel,
    LongCalculationWarning,
    MixedModelsError,
    ResourceError,
    lmer,
    load_dataset,
    memory,
    simulate,
)
from mixedmodels.linear import LinearMixedFit
from mixedmodels.memory import limited

GB = 1e9


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Pretends that so many bytes are available."""

    def pretend(size: float) -> None:
        monkeypatch.setattr(memory, "available", lambda: size)

    return pretend


def test_what_fits_is_not_refused(little: Callable[[float], None]) -> None:
    little(GB)
    memory.require({"one": 0.3 * GB, "another": 0.4 * GB}, "A test")
    with pytest.raises(
        ResourceError,
        match=r"^A test would need 900 MB of memory \(another 600 MB, one 300 MB\); 1 GB are "
        r"available, of which at most 80% are taken\. One evaluation takes 7\.2e\+13 flops, about "
        r"2 hours on one processor\. Sell something\.$",
    ):
        memory.require(
            {"one": 0.3 * GB, "another": 0.6 * GB}, "A test", 7.2e13, remedy="Sell something."
        )


def test_small_needs_do_not_ask_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: pytest.fail("asked"))
    memory.require({"one": 6e7}, "A test")
    assert memory.fits(6e7)
    assert memory.threads_that_fit(8, 1e6) == 8
    lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy")).summary()


def test_the_error_is_ours_and_a_memory_error() -> None:
    assert issubclass(ResourceError, MixedModelsError)
    assert issubclass(ResourceError, MemoryError)


def test_an_allocation_that_fails_is_ours() -> None:
    with pytest.raises(ResourceError, match="more memory than there is"), memory.guarded("A test"):
        np.empty(1 << 50)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1234, "1.23 kB"),
        (11.7e9, "11.7 GB"),
        (3e12, "3 TB"),
        (2e15, "2 PB"),
    ],
)
def test_bytes(size: float, text: str) -> None:
    assert memory.format_bytes(size) == text


@pytest.mark.parametrize(
    ("flops", "text"),
    [
        (1e9, "1 second"),
        (3e11, "30 seconds"),
        (5.2e13, "1 hour"),
        (1e16, "12 days"),
        (1e19, "32 years"),
    ],
)
def test_time(flops: float, text: str) -> None:
    assert memory.duration(flops / 1e10) == f"about {text}"


def test_a_long_calculation_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    g, h = np.repeat(np.arange(40), 8), np.tile(np.arange(30), 11)[:320]
    x = rng.normal(size=320)
    y = x + rng.normal(size=40)[g] + rng.normal(size=30)[h] + rng.normal(size=320)
    fit = lmer("y ~ x + (1 | g) + (1 | h)", {"y": y, "x": x, "g": g, "h": h})
    flops = 30 * 30 * (70 + 30)
    monkeypatch.setattr(memory, "_SPEED", flops / 120.0)
    said = r"^Kenward-Roger takes 9e\+04 flops, about 2 minutes on one processor\. Use ddf='satter"
    with pytest.warns(LongCalculationWarning, match=said):
        fit.coef_table(ddf="kenward-roger")
    monkeypatch.setattr(memory, "_SPEED", flops / 15.0)
    copy.deepcopy(fit).coef_table(ddf="kenward-roger")  # a warning would be an error


def test_an_allocation_that_fails_anywhere_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise MemoryError("Unable to allocate 8 TiB")

    fit = lmer("Reaction ~ Days + (1 | Subject)", load_dataset("sleepstudy"))
    monkeypatch.setattr(np, "ascontiguousarray", fails)
    with pytest.raises(ResourceError, match=r"^predict_interval\(\) needs more memory than"):
        fit.predict_interval()


def test_threads_that_have_room(little: Callable[[float], None]) -> None:
    little(GB)
    assert memory.threads_that_fit(8, 0.3 * GB) == 2
    assert memory.threads_that_fit(8, 3 * GB) == 1


def test_limits_of_control_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The least of what the groups from the process's own up to the root leave."""
    own = tmp_path / "slice" / "own"
    own.mkdir(parents=True)
    for place, limit, used in ((own, "max", 5), (own.parent, 1000, 400), (tmp_path, 5000, 4900)):
        (place / "memory.max").write_text(f"{limit}\n")
        (place / "memory.current").write_text(f"{used}\n")
        (place / "memory.stat").write_text("anon 3\ninactive_file 20\n")
    monkeypatch.setattr(memory, "_CGROUPS", ((str(tmp_path), "memory.max", "memory.current"),))
    read = memory._read
    monkeypatch.setattr(
        memory,
        "_read",
        lambda path: "0::/slice/own\n" if path == "/proc/self/cgroup" else read(path),
    )
    assert min(memory._cgroups()) == 120


def test_a_system_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_read", lambda _: "")
    monkeypatch.setattr(memory, "resource", None)
    assert memory.available() > 0
    monkeypatch.delattr(os, "sysconf", raising=False)
    assert memory.available() == float("inf")


# -- what is predicted --------------------------------------------------------------------------


def crossed(rows: int, levels: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    data = pd.DataFrame({name: rng.integers(levels, size=rows) for name in "ab"})
    return data.assign(y=rng.normal(size=rows), x=rng.normal(size=rows))


def test_a_factor_that_cannot_fit(little: Callable[[float], None]) -> None:
    model = LinearMixedModel("y ~ x + (1 | a) + (1 | b)", crossed(40_000, 6_000))
    stored = model._model.analysis.stored
    assert stored > 8e6  # 64 MB
    little(1.5 * 8 * stored)
    size = memory.format_bytes(8 * stored)
    with pytest.raises(ResourceError, match=rf"the factor {size}.*One evaluation takes .* flops"):
        model.fit()


LARGE: dict[str, Callable[[], Any]] = {
    "columns of a factor": lambda: LinearMixedModel(
        "y ~ factor(a) + (1 | b)", crossed(40_000, 2_000)
    ),
    "interaction": lambda: LinearMixedModel(
        "y ~ factor(a):factor(b) + (1 | a)", crossed(5_000, 1_000)
    ),
    "contrast": lambda: LinearMixedModel(
        "y ~ C(a, Sum) + (1 | b)", crossed(9_000, 4_000).assign(b=lambda d: d["b"] % 50)
    ),
    "slopes of a factor": lambda: LinearMixedModel(
        "y ~ x + (factor(a) | b)", crossed(40_000, 2_000)
    ),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_design_that_cannot_fit(name: str, little: Callable[[float], None]) -> None:
    little(5e7)
    with pytest.raises(ResourceError, match=r"(model matrix|contrast).* would need .*B of memory"):
        LARGE[name]()


@pytest.fixture(scope="module")
def fit() -> LinearMixedFit:
    return lmer("y ~ x + (1 | a)", crossed(20_000, 50), threads=1)


AFTER: dict[str, Callable[[LinearMixedFit], Any]] = {
    "simulate": lambda fit: fit.simulate(1_000),
    "bootstrap": lambda fit: fit.bootstrap(10_000_000),
    "simulate without a fit": lambda _: simulate(
        "y ~ x + (1 | a)", crossed(20_000, 50), nsim=1_000, beta=[0, 1], theta=[1.0], sigma=1.0
    ),
}


@pytest.mark.parametrize("name", AFTER)
def test_a_result_that_cannot_fit(
    name: str, fit: LinearMixedFit, little: Callable[[float], None]
) -> None:
    little(1e8)
    with pytest.raises(ResourceError, match=r"would need .*B of memory"):
        AFTER[name](fit)


def test_draws_do_not_depend_on_how_many_are_made_at_a_time(
    fit: LinearMixedFit, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit.simulate(7, seed=1)
    monkeypatch.setattr("mixedmodels.prediction.simulate.MOST_NUMBERS", 45_000)
    pd.testing.assert_frame_equal(fit.simulate(7, seed=1), whole)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of the address space are Linux's")
def test_under_a_limit_of_the_system() -> None:
    """Refused at once, and the process goes on fitting."""
    script = textwrap.dedent(
        """
        import resource, numpy as np, mixedmodels as mm
        from pathlib import Path
        rng = np.random.default_rng(0)
        columns = {name: rng.integers(9000, size=50_000) for name in "ab"}
        data = {"y": rng.normal(size=50_000), **columns}
        model = mm.LinearMixedModel("y ~ 1 + (1 | a) + (1 | b)", data, threads=1)
        assert model._model.analysis.stored > 1.5e7
        mapped = 4096 * int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (mapped + 150_000_000,) * 2)
        try:
            model.fit()
        except mm.ResourceError as error:
            print(error)
        print(mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff")).objective > 0)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "This model would need" in done.stdout
    assert done.stdout.endswith("True\n")


def test_a_factor_of_a_generalized_model_is_predicted_in_its_parts() -> None:
    rng = np.random.default_rng(0)
    data = {"y": rng.poisson(2.0, 60_000), "a": rng.integers(4000, size=60_000)}
    data["b"] = rng.integers(4000, size=60_000)
    model = GeneralizedLinearMixedModel("y ~ 1 + (1 | a) + (1 | b)", data, family="poisson")
    with (
        limited("100MB"),
        pytest.raises(ResourceError, match=r"This model would need .* MB .*the factor .* MB"),
    ):
        model.fit()
