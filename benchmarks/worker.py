"""One package, one case, in a process of its own.

    python -m benchmarks.worker PACKAGE CASE FOLDER REPEATS BUDGET THREADS

FOLDER holds the data. Prints "ready" when they are in memory, "first" after the first call, and at
last one JSON object: the seconds of each timed call, what was found, the package's version and the
peak resident memory of the process in GB since the first call. That call pays for imports and
caches and counts only when it is long enough to hide them, and then alone; no other call begins
after BUDGET seconds.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import resource
import sys
import time
import warnings
from pathlib import Path

from benchmarks.answer import CannotFitError
from benchmarks.cases import BY_NAME
from benchmarks.data import read
from benchmarks.peers import BY_NAME as PACKAGES

MARK = "benchmark: "
LONG = 8.0  # seconds of a first call that counts


def say(text: str) -> None:
    """Tell the parent; packages may print too."""
    print(MARK + text, flush=True)


def forget_peak() -> None:
    """Let Linux count the peak memory from here."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")


def peak() -> float:
    """Peak resident memory in GB."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e6
    unit = 1e9 if sys.platform == "darwin" else 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main() -> None:
    """Time the calls."""
    name, case_name, folder, repeats, budget, threads = sys.argv[1:]
    package = PACKAGES[name]
    data = read(Path(folder))
    warnings.simplefilter("ignore")
    say("ready")
    try:
        case = BY_NAME[case_name]
        call = package.kinds[case.kind](case, data, int(threads))
    except CannotFitError as error:
        say(json.dumps({"reason": str(error)}))
        return
    forget_peak()
    start = time.perf_counter()
    answer = call()
    first = time.perf_counter() - start
    say("first")
    seconds = [first] if first > LONG else []
    began = time.perf_counter()
    while first <= LONG and len(seconds) < int(repeats):
        start = time.perf_counter()
        if seconds and start - began > float(budget):
            break
        answer = call()
        seconds.append(time.perf_counter() - start)
    found = dataclasses.asdict(answer)
    found["objective"] = float(answer.objective)
    found["seconds"] = [answer.scale * each for each in seconds]
    found["version"] = importlib.metadata.version(package.distribution)
    found["peak"] = peak()
    say(json.dumps(found))


if __name__ == "__main__":
    main()
