"""Workers: which there are, how one is started, limited and listened to; they measure."""

from __future__ import annotations

import json
import os
import queue
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from benchmarks.answer import MISSING
from benchmarks.cases import Case
from benchmarks.peers import BY_NAME, OURS, PACKAGES
from benchmarks.results import Result
from benchmarks.worker import LONG, MARK

TOP = Path(__file__).parents[1]
LME4 = {"lme4": True, "lme4-noderivs": False}
_PATIENCE = 300.0  # seconds to load data, and to ready a model


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a worker may use.

    Attributes:
        repeats: Timed calls at most.
        budget: Seconds after which no further call is begun.
        limit: Seconds that one call may take, what readies it included.
        threads: Threads for every library that asks the environment.
        lme4_threads: The same for R: its BLAS is slow where products are small and threads many.
        memory: GB of address space; 0 for no bound.
    """

    repeats: int
    budget: float
    limit: float
    threads: int
    lme4_threads: int
    memory: float


def installed(python: str) -> list[str]:
    """Names of the packages there are, this one first."""
    modules = sorted({package.module for package in PACKAGES if package.name != OURS})
    probe = f"import importlib.util as u; print(*[m for m in {modules} if u.find_spec(m)])"
    found = subprocess.run([python, "-c", probe], capture_output=True, text=True, check=True)
    there = {OURS, *found.stdout.split()}
    names = [package.name for package in PACKAGES if package.module in there]
    if shutil.which("Rscript"):
        ask = ["Rscript", "-e", "quit(status = !requireNamespace('lme4', quietly = TRUE))"]
        if not subprocess.run(ask, capture_output=True, check=False).returncode:
            names += LME4
    return names


def measure(name: str, case: Case, folder: Path, python: str, bounds: Bounds) -> Result:
    """Time one package on one case whose data are in `folder`."""
    threads = bounds.lme4_threads if name in LME4 else bounds.threads
    if name in LME4:
        if case.kind == "refit" and not LME4[name]:
            return Result(case.name, name, reason="as lme4")
        derivatives = str(LME4[name]).upper()
        command = ["Rscript", str(TOP / "benchmarks" / "lme4.R"), case.kind, case.formula]
        command += [str(folder), str(bounds.repeats), str(bounds.budget), derivatives]
        command += [str(case.replicates), str(case.sample)]
    else:
        if case.kind not in BY_NAME[name].kinds:
            return Result(case.name, name, reason=MISSING[case.kind])
        python = sys.executable if name == OURS else python
        command = [python, "-m", "benchmarks.worker", name, case.name, str(folder)]
        command += [str(bounds.repeats), str(bounds.budget), str(bounds.threads)]
    found = _listen(command, bounds, threads)
    if "seconds" in found:
        found["seconds"] = tuple(found["seconds"])
    return Result(case.name, name, threads=threads, **found)


def _listen(command: list[str], bounds: Bounds, threads: int) -> dict[str, Any]:
    """Start a worker and follow what it says; end it when it takes too long."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    more = ("RAYON_NUM_THREADS", "POLARS_MAX_THREADS")
    variables = {**os.environ, **dict.fromkeys((*names, *more), str(threads))}
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, env=variables, cwd=TOP, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        if bounds.memory:
            size = int(bounds.memory * 1e9)
            resource.prlimit(process.pid, resource.RLIMIT_AS, (size, size))
        said: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        assert process.stdout is not None
        threading.Thread(target=_forward, args=(process.stdout, said), daemon=True).start()
        try:
            for patience in (_PATIENCE, bounds.limit, 2 * LONG + bounds.budget + bounds.limit):
                line = said.get(timeout=patience)
                if line is None or line.startswith("{"):
                    break
        except queue.Empty:
            return {"reason": "over", "limit": bounds.limit, "peak": _peak(process.pid)}
        finally:
            process.kill()
            process.wait()
        if line is not None:
            answer: dict[str, Any] = json.loads(line)
            return answer
        errors.seek(0)
        return {"reason": _last_line(errors.read(), process.returncode)}


def _forward(stream: IO[str], said: queue.SimpleQueue[str | None]) -> None:
    """Hand on the lines meant for us, then None."""
    for line in stream:
        if line.startswith(MARK):
            said.put(line[len(MARK) :].strip())
    said.put(None)


def _last_line(errors: str, code: int) -> str:
    """What Python's or R's last error said, or how the process ended."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("Execution halted", "Calls:"))]
    if not lines:
        return f"ended with {code}"
    return (lines[-1].partition("Error: ")[2] or lines[-1])[:90].rstrip(" .:")


def _peak(pid: int) -> float:
    """Peak resident memory so far of a process that is to be ended, in GB."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return float("nan")
    sizes = [float(line.split()[1]) for line in lines if line.startswith("VmHWM")]
    return sizes[0] / 1e6 if sizes else float("nan")
