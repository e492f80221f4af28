"""One package, one case, in a process of its own.

    python -m benchmarks.worker PEER CASE REPEATS THREADS

Prints one JSON object: the seconds of each timed call, the deviance, the package's version and the
peak resident memory of the process in GB, data included. The
data are in memory before the clock starts; one call goes ahead untimed, for imports and caches.
"""

from __future__ import annotations

import importlib.metadata
import json
import resource
import sys
import time
import warnings

from benchmarks.cases import BY_NAME
from benchmarks.peers import PEERS


def main() -> None:
    """Time the calls."""
    peer, case_name, repeats, threads = sys.argv[1:]
    case = BY_NAME[case_name]
    data = case.data()
    warnings.simplefilter("ignore")
    PEERS[peer](case, data, int(threads))
    seconds = []
    for _ in range(int(repeats)):
        start = time.perf_counter()
        deviance = PEERS[peer](case, data, int(threads))
        seconds.append(time.perf_counter() - start)
    version = importlib.metadata.version(peer)
    answer = {"seconds": seconds, "deviance": float(deviance), "version": version}
    answer["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
