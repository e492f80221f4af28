"""Models, fits and results in other processes: pickles, copies, pools, forks."""

from __future__ import annotations

import copy
import inspect
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels.report.results import Result

SLEEP = mm.load_dataset("sleepstudy")
FORMULA = "Reaction ~ poly(Days, 2) + (Days | Subject)"


@pytest.fixture(scope="module")
def fit() -> mm.LinearMixedFit:
    return mm.lmer(FORMULA, SLEEP, threads=2)


def by_joblib(value: Any, folder: Path) -> Any:
    joblib.dump(value, folder / "value.joblib")
    return joblib.load(folder / "value.joblib")


def kept_type(value: Any) -> type:
    """What comes back: tables that print all their columns travel as ordinary ones."""
    return pd.DataFrame if isinstance(value, pd.DataFrame) else type(value)


WAYS: dict[str, Callable[[Any, Path], Any]] = {
    **{
        f"pickle {protocol}": lambda value, _folder, p=protocol: pickle.loads(
            pickle.dumps(value, p)
        )
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    },
    "copy": lambda value, _folder: copy.copy(value),
    "deepcopy": lambda value, _folder: copy.deepcopy(value),
    "cloudpickle": lambda value, _folder: pickle.loads(cloudpickle.dumps(value)),
    "joblib": by_joblib,
    "twice": lambda value, _folder: copy.deepcopy(pickle.loads(pickle.dumps(value))),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_fits_are_the_same_to_the_bit(
    fit: mm.LinearMixedFit, way: Callable[[Any, Path], Any], tmp_path: Path
) -> None:
    again = way(fit, tmp_path)
    assert type(again) is mm.LinearMixedFit
    assert str(again.summary()) == str(fit.summary())
    for name in ("theta", "beta", "fitted", "residuals"):
        np.testing.assert_array_equal(getattr(again, name), getattr(fit, name))
    assert again.objective == fit.objective
    np.testing.assert_array_equal(again.predict(SLEEP[:7]), fit.predict(SLEEP[:7]))
    np.testing.assert_array_equal(again.leverage(), fit.leverage())
    assert again.refit(fit.model.y + 1.0).objective == fit.refit(fit.model.y + 1.0).objective


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_models_are_the_same_to_the_bit(
    fit: mm.LinearMixedFit, way: Callable[[Any, Path], Any], tmp_path: Path
) -> None:
    model = mm.LinearMixedModel(FORMULA, SLEEP, threads=2)
    again = way(model, tmp_path)
    assert type(again) is mm.LinearMixedModel
    theta = [0.9, 0.1, 0.3]
    assert again.objective(theta) == model.objective(theta)
    assert again.gradient(theta).tobytes() == model.gradient(theta).tobytes()
    assert again.fit().objective == fit.objective


def results(fit: mm.LinearMixedFit) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        small = mm.lmer("Reaction ~ Days + (1 | Subject)", SLEEP)
        return {
            "profile": fit.profile("beta_"),
            "bootstrap": fit.bootstrap(3, seed=1),
            "comparison": mm.anova(small, fit),
            "influence": fit.influence("Subject"),
            "test": fit.test("poly(Days, 2)1 = 0"),
            "singularity": fit.singularity(),
            "repca": fit.repca(),
            "all_fit": fit.all_fit(["quasi-newton", "Nelder-Mead"]),
            "anova": fit.anova(),
            "drop1": fit.drop1(),
            "ranova": fit.ranova(),
            "pls": fit.model.pls(fit.theta),
            "block_plan": fit.model.block_plan(),
            "design": fit.model.design,
            "templates": fit.model._model.templates,
            "solution": fit.solution,
            "optsum": fit.optsum,
            "varcorr": fit.varcorr,
            "summary": fit.summary(),
            "icc": fit.icc(),
            "r2": fit.r2(),
            "control": fit.optsum.control,
            "inner model": fit._fitted.model,
            "fitted": fit._fitted,
        }


def test_results_are_the_same(fit: mm.LinearMixedFit, tmp_path: Path) -> None:
    for name, value in results(fit).items():
        for kind in ("pickle 5", "deepcopy", "cloudpickle"):
            again = WAYS[kind](value, tmp_path)
            assert type(again) is kept_type(value), name
            if name not in ("inner model", "fitted", "design", "templates", "pls", "solution"):
                plain = pd.DataFrame(value) if isinstance(value, pd.DataFrame) else value
                assert str(again) == str(plain), (name, kind)


def every_result(fit: mm.LinearMixedFit) -> dict[str, Any]:
    """A value of every class of results, and of what else the methods of a fit give."""
    more = {
        "coef_table": fit.coef_table(),
        "ranef": fit.ranef(),
        "ranef_cov": fit.ranef_cov(),
        "coef": fit.coef(),
        "repca of a group": fit.repca()["Subject"],
        "drop1 F": fit.drop1("F"),
        "predictions": fit.predict_interval(),
        "matrix": fit.model_matrix(),
        "frame": fit.model_frame(),
        "residuals": fit.residuals,
        "influence of rows": fit.influence(),
        "checks": fit.check(nsim=99, progress=False),
        "joint tests": fit.joint_tests(),
        "means": fit.emmeans("Days", at={"Days": [0, 5, 9]}),
        "contrasts": fit.emmeans("Days", at={"Days": [0, 5, 9]}).pairs(),
        "letters": fit.emmeans("Days", at={"Days": [0, 5, 9]}).letters(),
        "tested means": fit.emmeans("Days", at={"Days": [0, 5, 9]}).test(250),
        "effect sizes": fit.emmeans("Days", at={"Days": [0, 9]}).effect_size(30, 99),
        "robust": fit.vcov_robust("Subject"),
        "table": mm.table([fit]),
        "pooled": mm.pool([fit, fit]),
        "plan": mm.plan("Reaction ~ scale(Days) + (1 | Subject)", SLEEP),
        "sums": mm.cross_products(mm.plan("Reaction ~ Days + (1 | Subject)", SLEEP), SLEEP),
        "average": mm.average([fit, fit.update(". ~ . - poly(Days, 2)")]),
        "error of the approximation": mm.glmer(
            "cbind(incidence, size - incidence) ~ 1 + (1 | herd)", mm.load_dataset("cbpp")
        ).laplace_error,
        "regressions": mm.lm_list("Reaction ~ Days | Subject", SLEEP),
        "power": mm.power(
            "y ~ Days + (1 | Subject)",
            SLEEP,
            beta={"(Intercept)": 250, "Days": 5},
            sd=30,
            sigma=30,
            test="Days",
            nsim=10,
            seed=1,
            progress=False,
        ),
    }
    return {**results(fit), **more}


def classes_below(cls: type) -> set[type]:
    return {cls}.union(*map(classes_below, cls.__subclasses__()))


def test_every_class_of_results_is_tried(fit: mm.LinearMixedFit) -> None:
    tried = {type(value) for value in every_result(fit).values()}
    there = {
        cls
        for cls in classes_below(Result)
        if not inspect.isabstract(cls) and cls.__module__.startswith("mixedmodels")
    }
    assert {cls.__name__ for cls in there} - {cls.__name__ for cls in tried} <= {
        "TableResult",
        "Estimates",
    }


def test_every_result_travels_in_every_way(fit: mm.LinearMixedFit, tmp_path: Path) -> None:
    for name, value in every_result(fit).items():
        for kind in ("pickle 2", "pickle 5", "copy", "deepcopy", "joblib"):
            again = WAYS[kind](value, tmp_path)
            assert type(again) is kept_type(value), (name, kind)
            if isinstance(value, Result):
                plain = pd.DataFrame(value) if isinstance(value, pd.DataFrame) else value
                assert str(again) == str(plain), (name, kind)
                pd.testing.assert_frame_equal(again.to_frame(), value.to_frame())


def echoed(values: list[Any]) -> list[Any]:
    return values


def test_models_and_results_come_back_from_a_spawned_process(fit: mm.LinearMixedFit) -> None:
    model = mm.LinearMixedModel(FORMULA, SLEEP, reml=False)
    values = [model, fit.ranef(), fit.anova(), fit.influence("Subject")]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        again = pool.submit(echoed, values).result(timeout=120)
    theta = [0.9, 0.1, 0.3]
    assert again[0].objective(theta) == model.objective(theta)
    assert list(map(str, again[1:])) == list(map(str, values[1:]))


def test_copies_keep_the_table_and_pickles_do_not(fit: mm.LinearMixedFit) -> None:
    for again in (copy.copy(fit), copy.deepcopy(fit), copy.deepcopy([fit])[0]):
        assert again.data["Days"].equals(SLEEP["Days"])
        assert again.update(reml=False).objective == fit.update(reml=False).objective
    for model in (copy.copy(fit.model), copy.deepcopy(fit.model)):
        assert model.fit().data["Days"].equals(SLEEP["Days"])
    small, large = len(pickle.dumps(fit)), len(pickle.dumps(SLEEP.assign(**{
        f"more {i}": np.random.default_rng(i).normal(size=180) for i in range(50)
    })))  # fmt: skip
    assert small < large


def test_a_comparison_keeps_its_heading(fit: mm.LinearMixedFit) -> None:
    comparison = results(fit)["comparison"]
    again = pickle.loads(pickle.dumps(comparison))
    assert (again.note, again.models) == (comparison.note, comparison.models)


def test_a_profile_can_go_on(fit: mm.LinearMixedFit) -> None:
    profile = fit.profile("sigma")
    again = pickle.loads(pickle.dumps(profile))
    pd.testing.assert_frame_equal(again.confint(), profile.confint(), check_exact=True)
    pd.testing.assert_frame_equal(again.to_frame(), profile.to_frame(), check_exact=True)


def test_errors_and_warnings_travel() -> None:
    error = mm.FormulaError("wrong", "y ~ x", 2, 3)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.start, again.text) == (str(error), 2, "y ~ x")


def test_threads_that_were_asked_for_are_kept() -> None:
    one = mm.lmer(FORMULA, SLEEP, threads=1)
    assert pickle.loads(pickle.dumps(one))._fitted.model.threads == 1
    assert pickle.loads(pickle.dumps(one.model))._model.threads == 1
    assert pickle.loads(pickle.dumps(one._fitted)).model.threads == 1
    default = mm.lmer(FORMULA, SLEEP)
    assert (
        pickle.loads(pickle.dumps(default))._fitted.model.threads == default._fitted.model.threads
    )


def test_a_shallow_copy_shares_and_a_deep_one_does_not(fit: mm.LinearMixedFit) -> None:
    assert copy.copy(fit).model is fit.model
    deep = copy.deepcopy({"a": fit})["a"]
    assert deep.model is not fit.model
    assert not np.shares_memory(deep.model.y, fit.model.y)


# -- other processes -----------------------------------------------------------------------------


def refitted(fit: mm.LinearMixedFit) -> tuple[float, mm.LinearMixedFit, int]:
    return fit.refit(fit.model.y + 1.0).objective, fit, os.getpid()


@pytest.mark.parametrize("start", ["spawn", "forkserver"])
def test_pools(fit: mm.LinearMixedFit, start: str) -> None:
    context = multiprocessing.get_context(start)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        objective, again, process = pool.submit(refitted, fit).result(timeout=120)
    assert process != os.getpid()
    assert objective == fit.refit(fit.model.y + 1.0).objective
    pd.testing.assert_series_equal(again.fitted, fit.fitted, check_exact=True)


def run(script: str) -> str:
    """Run a program of its own; it and what it has started end after a minute or two."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(timeout=150)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
            pytest.fail(f"it hangs, after {said}")
    assert process.returncode == 0, said
    return said


def test_loky() -> None:
    assert "same" in run(
        f"""
        import joblib, mixedmodels as mm
        fit = mm.lmer({FORMULA!r}, mm.load_dataset("sleepstudy"), threads=1)
        def refitted(fit):
            return fit.refit(fit.model.y + 1.0).objective
        with joblib.parallel_config("loky", n_jobs=2):
            (found,) = joblib.Parallel()([joblib.delayed(refitted)(fit)])
        assert found == refitted(fit)
        print("same")
        """
    )


FORKS = """
import os, signal, sys, threading, time
import numpy as np, pandas as pd, mixedmodels as mm

rng = np.random.default_rng(0)
n = 20_000
data = pd.DataFrame({
    "y": rng.normal(size=n), "x": rng.normal(size=n),
    "g": rng.integers(0, 1500, n), "h": rng.integers(0, 300, n),
})
data["y"] += rng.normal(size=1500)[data["g"]] + rng.normal(size=300)[data["h"]]
formula = "y ~ x + (1 | g) + (1 | h)"
fit = mm.lmer(formula, data, threads=2)
at = np.array([0.7, 0.4])
expected = fit.model.objective(at), fit.refit(fit.model.y + 1.0).objective
small = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"), threads=2)

def in_child(work):
    child = os.fork()
    if child == 0:
        signal.alarm(40)
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print("child:", repr(error), flush=True)
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if status:
        print("status", status, flush=True)
        sys.exit(1)

def use():
    assert fit.model.objective(at) == expected[0]
    assert np.isfinite(fit.model.gradient(at)).all()
    assert abs(fit.refit(fit.model.y + 1.0).objective - expected[1]) < 1e-6
    assert np.isfinite(small.leverage()).all()
    mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"), threads=2)
"""


def test_a_fork_after_threads_were_used() -> None:
    assert run(FORKS + "for _ in range(10):\n    in_child(use)\nprint('done')\n").endswith("done\n")


@pytest.mark.parametrize(
    "work",
    [
        "fit.model.objective(at + rng.normal(size=2) / 100)",
        "fit.model.hessian(at)",
        "mm.lmer(formula, data, threads=2)",
        "fit.by = fit._fitted.by(reml=False)",
    ],
    ids=["criterion", "hessian", "fit", "by ML"],
)
def test_a_fork_while_another_thread_is_in_the_core(work: str) -> None:
    script = (
        FORKS
        + f"""
stop = threading.Event()
def busy():
    while not stop.is_set():
        {work}
thread = threading.Thread(target=busy)
thread.start()
for i in range(8):
    time.sleep(0.003 * (i + 1))
    in_child(use)
stop.set()
thread.join()
assert fit.model.objective(at) == expected[0]
print("done")
"""
    )
    assert run(script).endswith("done\n")


def test_a_fork_does_not_wait_for_a_computation() -> None:
    script = (
        FORKS
        + """
lock, inside, forked = fit._fitted.criterion.workspace.lock, threading.Event(), threading.Event()
def compute():
    with lock:
        inside.set()
        assert forked.wait(30)
thread = threading.Thread(target=compute)
thread.start()
inside.wait()
in_child(use)
forked.set()
thread.join()
use()
print("done")
"""
    )
    assert run(script).endswith("done\n")


def test_a_fork_beside_a_lookup_of_levels_leaves_the_child_free() -> None:
    script = (
        FORKS
        + """
from mixedmodels.design import levels
inside = threading.Event()
def look():
    with levels._LOOKUP:
        inside.set()
        time.sleep(0.3)
thread = threading.Thread(target=look)
thread.start()
inside.wait()
def look_in_child():
    signal.alarm(30)
    fit.predict(data.head())
in_child(look_in_child)
thread.join()
print("done")
"""
    )
    assert run(script).endswith("done\n")


def test_forks_by_two_threads_at_once() -> None:
    script = (
        FORKS
        + """
def forks():
    for _ in range(5):
        in_child(use)
threads = [threading.Thread(target=forks) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
use()
print("done")
"""
    )
    assert run(script).endswith("done\n")


def test_a_fork_by_the_thread_that_holds_the_lock() -> None:
    script = FORKS + "with fit._fitted.criterion.at(at):\n    in_child(use)\nuse()\nprint('done')\n"
    assert run(script).endswith("done\n")


def test_signals_reach_the_core_in_a_child_that_another_thread_forked() -> None:
    script = (
        FORKS
        + """
def stop(*_):
    raise InterruptedError

def interrupted():
    signal.signal(signal.SIGALRM, stop)
    signal.alarm(1)
    began = time.perf_counter()
    try:
        fit.influence(exact=True, threads=1)
    except InterruptedError:
        assert time.perf_counter() - began < 8.0
    else:
        raise AssertionError("the call was done before the signal")

thread = threading.Thread(target=in_child, args=(interrupted,))
thread.start()
thread.join()
print("done")
"""
    )
    assert run(script) == "done\n"
