"""The plan of a model over a source: all that must be known of its rows before they are summed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import pandas as pd

from mixedmodels._core import Frame
from mixedmodels.design import Design
from mixedmodels.design.asked import Asked, Counts
from mixedmodels.design.batch import BatchArrays, batch_arrays
from mixedmodels.design.learning_pass import States, initial_states, is_learning
from mixedmodels.errors import DataError
from mixedmodels.formula import parse_formula
from mixedmodels.progress import Rows
from mixedmodels.report.frames import frame_table
from mixedmodels.report.results import Result
from mixedmodels.report.sections import Paragraph, Section
from mixedmodels.settings import NA_ACTIONS, NaAction
from mixedmodels.spelling import chosen_option
from mixedmodels.streaming.adapters.streams import from_table
from mixedmodels.streaming.declared import check_levels, declared_rows
from mixedmodels.streaming.executor import Executor, cut
from mixedmodels.streaming.saving import (
    Saved,
    identity,
    load_plan,
    plan_in,
    plan_to_bytes,
    save_plan,
)
from mixedmodels.streaming.scan import FindLevels, Found, Learn, table_of
from mixedmodels.streaming.source import Source

ONCE = (
    "Declare them by levels={'column': [...]}, or give rows that can be read again: the query or "
    "the files behind the stream, or a list of functions that each return a new reader, "
    "[make_reader]."
)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Plan(Result):
    """What is known of the rows of a source: levels, counts, and what functions have learnt.

    It is made by `plan` and given to `cross_products`, here or on other machines. It holds no rows.

    Attributes:
        asked: Formula and arguments.
        design: The design of all rows, without rows.
        states: By key of a factor: what stateful functions have learnt.
        frame: The coordinates in which rows are summed, from a sample of them.
        counts: Rows read and dropped.
        rows: Rows of each partition by its key.
        columns: Names of the columns that are read.
        source: What was read, in words.
        id: Hash of all that sums depend on; sums of plans with one id can be merged.

    Examples:
        >>> import mixedmodels as mm
        >>> plan = mm.plan("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
        >>> plan.n, plan.levels
        (180, {'Subject': 18})
    """

    asked: Asked
    design: Design
    states: States
    frame: Frame
    counts: Counts
    rows: Mapping[str, int]
    columns: tuple[str, ...]
    source: str
    id: str

    @property
    def plan_id(self) -> str:
        """The same as `id`."""
        return self.id

    @property
    def formula(self) -> str:
        """The formula as typed."""
        return self.asked.spec.text

    @property
    def n(self) -> int:
        """Number of rows used."""
        return self.counts.n

    @property
    def levels(self) -> dict[str, int]:
        """Number of levels of each grouping factor."""
        return {group.name: group.n_levels for group in self.design.groups}

    @property
    def messages(self) -> tuple[str, ...]:
        """What the user should know: rows and levels dropped."""
        return self.design.messages

    def batch(self, data: Any) -> BatchArrays:
        """The rows of a table as the arrays of the model; incomplete rows are left out.

        Args:
            data: A table with the columns of the formula.

        Raises:
            DataError: A column cannot be used, or has a level that the plan does not have.
        """
        return batch_arrays(self.asked, self.design, self.states, data)

    def save(self, path: Any) -> None:
        """Write the plan to a file, for `Plan.load`.

        Args:
            path: The file.

        Raises:
            FileError: It cannot be written.
        """
        save_plan(self._parts(), self.id, path)

    @staticmethod
    def load(path: Any) -> Plan:
        """Read a plan that `save` wrote.

        Args:
            path: The file.

        Raises:
            FileError: No such file, not one of ours, damaged, or of an unknown version.
        """
        return of_parts(load_plan(path))

    def to_bytes(self) -> bytes:
        """What a file of the plan holds; raises as `save`."""
        return plan_to_bytes(self._parts(), self.id)

    def with_frame(self, frame: Frame) -> Plan:
        """The plan with other coordinates in which rows are summed, under an id of its own."""
        return of_parts(self._parts()._replace(frame=frame.state()))

    def _parts(self) -> Saved:
        return Saved(
            self.asked,
            self.design,
            self.states,
            self.frame.state(),
            self.counts,
            dict(self.rows),
            self.columns,
            self.source,
        )

    def to_frame(self) -> pd.DataFrame:
        """A row for each column and grouping factor: number of levels, and of missing values."""
        levels: dict[str, int | None] = dict.fromkeys(self.columns)
        for name, variable in self.design.variables.items():
            levels[name] = None if variable.levels is None else len(variable.levels)
        levels.update(self.levels)
        names = dict.fromkeys((*levels, *self.counts.n_missing))
        return pd.DataFrame(
            {
                "levels": pd.array([levels.get(name) for name in names], dtype="Int64"),
                "missing": [self.counts.n_missing.get(name, 0) for name in names],
            },
            index=list(names),
        )

    def _sections(self) -> Sequence[Section]:
        shown = self.to_frame()
        shown["levels"] = [("" if pd.isna(count) else f"{count:,}") for count in shown["levels"]]
        read = (
            f"{self.source}, {len(self.rows)} partition{'s' * (len(self.rows) != 1)}: "
            f"{self.counts.n_read:,} rows read, {self.n:,} used."
        )
        lines = (f"Plan of {self.formula}", read, *self.messages)
        return [Paragraph(lines), frame_table(shown), Paragraph((f"Id {self.id[:16]}.",))]


def plan_from_bytes(name: str, file: BinaryIO) -> Plan:
    """The plan of `Plan.to_bytes`; `name` is what messages call the file. Raises as `Plan.load`."""
    return of_parts(plan_in(name, file))


def of_parts(parts: Saved) -> Plan:
    """The plan of its parts; its id follows from them."""
    frame = Frame.from_state(parts.frame)
    values = parts._asdict() | {"frame": frame}
    return Plan(**values, id=identity(parts))


def model_asked(
    formula: str,
    *,
    weights: Any = None,
    offset: Any = None,
    contrasts: Mapping[str, Any] | None = None,
    na_action: NaAction = "omit",
) -> Asked:
    """A model as it is asked for.

    Raises:
        FormulaError: The formula cannot be understood.
        DataError: An argument that has a value for each row.
    """
    na_action = chosen_option("na_action", na_action, NA_ACTIONS)
    for role, given in (("weights", weights), ("offset", offset)):
        if given is not None and not isinstance(given, str):
            raise DataError(
                f"{role} is a {type(given).__name__}; a source is read in parts, so its rows have "
                f"no {role} beside them. Give a column or an expression of columns, as text."
            )
    if na_action == "exclude":
        raise DataError(
            'na_action is "exclude", which keeps places for rows in results; the results of a '
            'source have no rows. Use "omit", or "raise" to refuse missing values.'
        )
    return Asked(parse_formula(formula), weights, offset, contrasts or {}, na_action)


def make_plan(
    asked: Asked,
    source: Source,
    executor: Executor,
    progress: bool | None,
    levels: Any = None,
    *,
    part: bool = False,
) -> Plan:
    """Read a source as often as the formula needs and note what must be known.

    Args:
        asked: The model.
        source: The rows.
        executor: Who reads.
        progress: Show it (True), never (False), or when it takes long (None).
        levels: By column: levels that there may be beside those of the rows.
        part: Whether the rows are the first of a stream that is read once, so that what all rows
            must tell has to be declared.

    Raises:
        FormulaError: The formula names what the source does not have, or cannot be computed.
        DataError: A column cannot be used; naming partition and rows.
        ModelError: The data cannot identify the model.
    """
    empty = source.empty()
    columns = tuple(asked.columns(empty))
    source.check_usable(columns)
    declared = check_levels(levels, columns)
    states = initial_states(asked, empty)
    segments = cut(source.partitions, [part.rows for part in source.partitions])

    def run(work: Any, title: str) -> Any:
        with Rows(title, len(source.partitions), shown=progress) as report:
            return executor.map_reduce(segments, work.accumulate, work.merge, report)

    if part and any(map(is_learning, states.values())):
        raise DataError(
            "The formula has functions that learn from all rows, such as scale() or poly(), and "
            f"the rows can be read once only. {ONCE}"
        )
    while any(map(is_learning, states.values())):
        learnt = run(Learn(asked, states, columns, source.schema), "learning")
        kept = None if learnt.kept is None else table_of(learnt.kept)
        before, states = states, learnt.seen.finish(kept)
        if _unlearnt(states) == _unlearnt(before):  # no row is complete
            break
    work = FindLevels(asked, states, columns, source.schema)
    found: Found = run(work, "scanning")
    if part:
        check_declared(found, asked, declared)
    counts, rows = found.seen.counts, found.rows
    if declared:
        found = with_declared(work, found, declared)
    design = found.seen.design(None if found.kept is None else table_of(found.kept))
    # Contrasts have become codings.
    asked = dataclasses.replace(asked, contrasts={})
    pilot = batch_arrays(asked, design, states, table_of(found.pilot))
    frame = Frame.pilot(pilot.z, pilot.X, pilot.y, pilot.w, pilot.offset)
    parts = Saved(asked, design, states, frame.state(), counts, rows, columns, source.kind)
    return of_parts(parts)


def check_declared(found: Found, asked: Asked, levels: Mapping[str, Any]) -> None:
    """Refuse factors whose levels the first rows of a stream may not have shown.

    Raises:
        DataError: One is not declared, or is made of several columns.
    """
    for factor in asked.spec.predictors:
        if factor.key in found.seen.seen and not (factor.is_column and factor.name in levels):
            raise DataError(
                f"'{factor.name}' has levels, and the rows can be read once only: the levels of "
                f"all rows must be known. {ONCE}"
            )
    several = [term for term in asked.spec.random if len(term.keys) > 1]
    if several:
        raise DataError(
            f"{several[0].name} groups by several columns, whose combinations are not known before "
            f"all rows are read. {ONCE}"
        )


def with_declared(work: FindLevels, found: Found, levels: dict[str, list[Any]]) -> Found:
    """What was found, and levels that were declared.

    Raises:
        DataError: A level does not fit its column.
    """
    if found.pilot is None:
        return found
    sample = found.pilot.select(list(work.columns))
    table = declared_rows(work.asked, work.states, work.columns, sample, levels)
    if table is None:
        return found
    source = from_table(table, "the declared levels")
    segments = cut(source.partitions, [part.rows for part in source.partitions])
    for segment in segments:
        own = work.accumulate(segment, lambda _rows, _partitions: None)
        pilot = found.pilot
        found = dataclasses.replace(work.merge(found, own), pilot=pilot)
    return found


def _unlearnt(states: States) -> int:
    return sum(is_learning({name: s}) for own in states.values() for name, s in own.items())
