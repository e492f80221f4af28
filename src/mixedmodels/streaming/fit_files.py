"""Fits of sums as files: the sums with their plan, the solution, and how the optimum was found."""

from __future__ import annotations

from typing import Any

from mixedmodels.errors import FileError
from mixedmodels.estimates.solution import Solution
from mixedmodels.lazy import late_module
from mixedmodels.optimize.summary import OptSummary
from mixedmodels.storage.checks import check_search, check_solution
from mixedmodels.storage.container import Unpacked, pack
from mixedmodels.storage.files import check_target, write_whole
from mixedmodels.storage.fits import CLASSES, FIT_AGAIN, FORMAT, OF_SUMS, VERSION
from mixedmodels.storage.values import Reader, Writer
from mixedmodels.streaming.partial import Partial
from mixedmodels.streaming.plan import Plan
from mixedmodels.streaming.sums_files import parts_of_sums, sums_in

_metadata = late_module("importlib.metadata")


def save_fit_of_sums(
    plan: Plan, partial: Partial, solution: Solution, optsum: OptSummary, path: Any
) -> None:
    """Write a fit with its sums to a file, replacing one that is there.

    Raises:
        FileError: The file cannot be written.
    """
    check_target(path)
    writer = Writer(CLASSES)
    content = {"solution": writer.value(solution), "optsum": writer.value(optsum)}
    fields, arrays = parts_of_sums(plan, partial)
    header = {
        "format": FORMAT,
        "version": VERSION,
        "written_by": f"mixedmodels {_metadata.version('mixedmodels')}",
        "kind": OF_SUMS,
        **fields,
        "content": content,
        "objects": writer.objects,
    }
    write_whole(path, pack(header, {**arrays, **writer.arrays}, writer.claimed))


def fit_of_sums_in(file: Unpacked) -> tuple[Plan, Partial, Solution, OptSummary]:
    """What `save_fit_of_sums` wrote.

    Raises:
        FileError: It is damaged.
    """
    try:
        header, arrays = file.header, dict(file.arrays)
        own = {name: arrays.pop(name) for name in list(arrays) if name[:1].isdigit()}
        plan, partial = sums_in(file.name, header, arrays)
        reader = Reader(CLASSES, header["objects"], own, file.room)
        solution, optsum = (
            reader.value(header["content"][name]) for name in ("solution", "optsum")
        )
        if not isinstance(solution, Solution) or not isinstance(optsum, OptSummary):
            raise FileError("its parts are not those of a fit")
        if solution.n != partial.sums.n:
            raise FileError("its solution is that of another model")
        check_solution(solution, plan.design.without_rows(n=solution.n))
        check_search(optsum, len(solution.theta))
    except Exception as error:
        # Senseless content makes pandas and NumPy raise almost anything.
        reason = str(error).rstrip(".") or type(error).__name__
        raise FileError(f"{file.name} cannot be understood: {reason:.300}. {FIT_AGAIN}") from error
    return plan, partial, solution, optsum
