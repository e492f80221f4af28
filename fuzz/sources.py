"""Random tables in parts: files, streams and functions, whole and damaged, summed and fitted."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import narwhals as nw
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.dataset as ds
import pyarrow.feather as feather
import pyarrow.parquet as pq

import mixedmodels as mm
from fuzz import frames
from fuzz.outcome import refused_in_words
from mixedmodels.scaleout import CrossProducts

# What writers of files do not write.
_UNWRITABLE = (
    *(pa.ArrowException, pl.exceptions.PolarsError),
    *(NotImplementedError, OverflowError, UnicodeError),
)


class Example(NamedTuple):
    """A table, the sizes of its parts, how these are given, what is asked, and what is broken."""

    table: Any
    sizes: tuple[int, ...]
    kind: str
    formula: str
    options: dict[str, Any]
    calls: tuple[str, ...]
    damage: str
    seed: int


def draw(random: Random) -> Example:
    """A table of `frames`, cut somewhere."""
    data, formula, options = frames.draw(random)
    if random.random() < 0.4:
        formula = random.choice(("y ~ x + (1 | g)", "y ~ x + (x | g)", "y ~ x + (1 | g) + (1 | v)"))
    if random.random() < 0.2:
        options["levels"] = random.choice(
            ({"g": list(range(8))}, {"v": ["a", "b"]}, {"g": [0, 1]}, {"nosuch": [1]})
        )
    calls = tuple(name for name in _CALLS if random.random() < 0.5)
    return Example(
        _as_arrow(data),
        _sizes(random),
        random.choice(tuple(_KINDS)),
        formula,
        {name: value for name, value in options.items() if isinstance(value, (str, dict))},
        calls,
        random.choice(("", "", "", *_DAMAGE)),
        random.getrandbits(32),
    )


def run(example: Example) -> mm.LinearMixedFit:
    """Plan, sum, fit, and compare with the fit of the same rows in memory."""
    with tempfile.TemporaryDirectory() as folder:
        parts = list(_parts(example.table, example.sizes))
        if example.damage in _OF_TABLES:
            parts = _OF_TABLES[example.damage](parts, Random(example.seed))
        try:
            source = _KINDS[example.kind](parts, Path(folder))
        except _UNWRITABLE:
            source = _functions(parts, Path(folder))
        if example.damage in _OF_FILES:
            for path in sorted(Path(folder).iterdir())[:1]:
                path.write_bytes(_OF_FILES[example.damage](path.read_bytes(), Random(example.seed)))
        plan = mm.plan(example.formula, source(), progress=False, **example.options)
        sums = mm.cross_products(plan, source(), progress=False)
        fit = sums.fit(threads=1)
        str(fit)
        same = not example.damage and example.kind not in _CHANGES_TYPES
        if same and "levels" not in example.options:  # REML depends on the coding
            _compare(example, fit)
        for name in example.calls:
            with refused_in_words(name):
                _CALLS[name](_Made(plan, sums, fit, source))
    return fit


def show(example: Example) -> str:
    """What is asked, how rows are given, and of the varied column its type and first values."""
    column = example.table["v"]
    shown = f"{example.formula!r} {example.options} {example.kind} {example.sizes}"
    return f"{shown} {example.damage!r} {example.calls} {column.type}: {column[:12].to_pylist()!r}"


def _compare(example: Example, fit: mm.LinearMixedFit) -> None:
    """Fits of sums and of rows agree, where both are well determined."""
    try:
        whole = mm.lmer(example.formula, example.table, threads=1, **example.options)
    except mm.MixedModelsError:
        return  # refused for digits that sums need not have
    if fit.nobs != whole.nobs:
        raise AssertionError(f"{fit.nobs} rows in the sums, {whole.nobs} in the table")
    apart = abs(fit.objective - whole.objective)
    if whole.converged and fit.converged and not apart <= 1e-4 * (1.0 + abs(whole.objective)):
        raise AssertionError(f"criterion {fit.objective} of sums, {whole.objective} of rows")


def _as_arrow(data: Any) -> pa.Table:
    """The table of a frame as Arrow's; what Arrow does not have becomes text."""
    columns = {}
    native = nw.to_native(data) if isinstance(data, nw.DataFrame) else data
    for name in ("y", "x", "g", "v"):
        values = native[name]
        try:
            columns[name] = (
                values.to_arrow()
                if isinstance(values, pl.Series)
                else values
                if isinstance(values, (pa.Array, pa.ChunkedArray))
                else pa.array(pd.Series(values), from_pandas=True)
            )
        except (pa.ArrowException, ValueError, TypeError, OverflowError):
            columns[name] = pa.array([ascii(value) for value in values])
    return pa.table(columns)


def _sizes(random: Random) -> tuple[int, ...]:
    """Rows of the parts, some of which may be empty."""
    cuts = sorted(random.choices(range(frames.N + 1), k=random.randrange(5)))
    return tuple(b - a for a, b in zip([0, *cuts], [*cuts, frames.N], strict=True))


def _parts(table: pa.Table, sizes: tuple[int, ...]) -> Iterator[pa.Table]:
    first = 0
    for size in sizes:
        yield table.slice(first, size)
        first += size


Source = Callable[[], Any]
Parts = list[pa.Table]


def _files(parts: Parts, folder: Path, ending: str, write: Callable[[pa.Table, Path], None]) -> Any:
    for i, part in enumerate(parts):
        write(part, folder / f"{i:02}.{ending}")
    return lambda: str(folder)


def _write_csv(part: pa.Table, path: Path) -> None:
    csv.write_csv(part, path)


def _write_parquet(part: pa.Table, path: Path) -> None:
    pq.write_table(part, path, row_group_size=7)


def _write_arrow(part: pa.Table, path: Path) -> None:
    feather.write_feather(part, path, compression="uncompressed")


def _functions(parts: Parts, folder: Path) -> Source:
    del folder
    return lambda: [partial(_identity, part) for part in parts]


def _identity(part: pa.Table) -> pa.Table:
    return part


def _batches(parts: Parts, folder: Path) -> Source:
    del folder
    return lambda: [partial(part.to_batches, max_chunksize=3) for part in parts]


def _once(parts: Parts, folder: Path) -> Source:
    del folder
    return lambda: (batch for part in parts for batch in part.to_batches(max_chunksize=5))


def _reader(parts: Parts, folder: Path) -> Source:
    del folder
    batches = [batch for part in parts for batch in part.to_batches()]
    return lambda: pa.RecordBatchReader.from_batches(parts[0].schema, iter(batches))


def _whole(parts: Parts, folder: Path, give: Callable[[pa.Table], Any]) -> Source:
    del folder
    given = give(pa.concat_tables(parts))
    return lambda: given


def _lazy(table: pa.Table) -> Any:
    return pl.DataFrame(table).lazy()


_KINDS: dict[str, Callable[[Parts, Path], Source]] = {
    "parquet": partial(_files, ending="parquet", write=_write_parquet),
    "arrow": partial(_files, ending="arrow", write=_write_arrow),
    "csv": partial(_files, ending="csv", write=_write_csv),
    "functions": _functions,
    "batches": _batches,
    "once": _once,
    "reader": _reader,
    "polars": partial(_whole, give=_lazy),
    "dataset": partial(_whole, give=ds.dataset),
    "table": partial(_whole, give=_identity),
}
# Files of text, and libraries that have fewer types than Arrow.
_CHANGES_TYPES = ("csv", "polars")


def _renamed(parts: Parts, random: Random) -> Parts:
    at = random.randrange(len(parts))
    names = ["y", "x", "g", random.choice(("V", "x", ""))]
    return [part.rename_columns(names) if i == at else part for i, part in enumerate(parts)]


def _cast(parts: Parts, random: Random) -> Parts:
    """One part of other types."""
    at, kind = random.randrange(len(parts)), random.choice((pa.string(), pa.float32(), pa.int8()))
    column = random.choice(("x", "g", "v"))
    part = parts[at]
    try:
        cast = part.set_column(part.column_names.index(column), column, part[column].cast(kind))
    except (pa.ArrowException, NotImplementedError):
        return parts
    return [cast if i == at else part for i, part in enumerate(parts)]


_OF_TABLES: dict[str, Callable[[Parts, Random], Parts]] = {
    "renamed": _renamed,
    "cast": _cast,
    "short": lambda parts, _: [part.drop_columns(["g"]) for part in parts[:1]] + parts[1:],
    "twice": lambda parts, _: [*parts, *parts],
    "nothing": lambda parts, _: [part.slice(0, 0) for part in parts],
}


def _changed_byte(content: bytes, random: Random) -> bytes:
    at = random.randrange(max(len(content), 1))
    return content[:at] + bytes([random.randrange(256)]) + content[at + 1 :]


def _cut(content: bytes, random: Random) -> bytes:
    return content[: random.choice((0, random.randrange(len(content) + 1)))]


def _noise(content: bytes, random: Random) -> bytes:
    return bytes(random.randrange(256) for _ in content[:100])


_OF_FILES = {"cut": _cut, "byte": _changed_byte, "noise": _noise}
_DAMAGE = (*_OF_TABLES, *_OF_FILES)


class _Made(NamedTuple):
    """What was made of a source."""

    plan: Any
    sums: Any
    fit: mm.LinearMixedFit
    source: Source


def _saved(made: _Made) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sums.mmsums"
        made.sums.save(path)
        again = CrossProducts.load(path).fit(threads=1)
    if again.objective != made.fit.objective:
        raise AssertionError(f"saved sums give {again.objective}, not {made.fit.objective}")


def _merged(made: _Made) -> None:
    made.sums.merge(mm.cross_products(made.plan, made.source(), progress=False)).fit(threads=1)


def _augmented(made: _Made) -> None:
    rows = made.fit.augment(made.source()).read_all()
    if rows.num_rows != made.sums.n:
        raise AssertionError(f"augment gives {rows.num_rows} rows of {made.sums.n}")


def _used(made: _Made) -> None:
    str(made.plan), str(made.sums), made.plan.to_frame(), made.sums.to_frame()
    fit = made.fit
    for call in (fit.summary, fit.drop1, fit.ranef, fit.tidy, fit.confint):
        with refused_in_words(str(call)):
            call()


def _again(made: _Made) -> None:
    if not made.sums.accurate:
        better = made.sums.better_plan()
        mm.cross_products(better, made.source(), progress=False).fit(threads=1)
    mm.lmer(made.plan.formula, made.source(), executor=mm.Threads(2), threads=1)


_CALLS: dict[str, Callable[[_Made], None]] = {
    "saved": _saved,
    "merged": _merged,
    "augmented": _augmented,
    "used": _used,
    "again": _again,
}
