"""Sums kept in a folder: work that was killed goes on, and what does not fit is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from streamed import bits

import mixedmodels as mm
from mixedmodels.streaming.executor import Threads
from mixedmodels.streaming.plan import Plan
from mixedmodels.streaming.sources import as_source
from mixedmodels.streaming.summing import sum_source

FORMULA = "y ~ x + (1 | u) + (1 | i)"
FILES = 8

# A process that is killed while it writes the sums of its fourth segment: before the file is
# written, between writing and renaming, or after.
KILLED = """
import os, signal, sys
from pathlib import Path
import mixedmodels.storage.files as files
from mixedmodels.streaming.executor import Threads
from mixedmodels.streaming.plan import Plan
from mixedmodels.streaming.sources import as_source
from mixedmodels.streaming.summing import sum_source

data, plan, folder, moment = sys.argv[1:]
written = 0
fill, settle = files._fill, files._settle

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def filling(*arguments):
    global written
    written += 1
    if written == 5 and moment == "before":
        die()
    fill(*arguments)
    if written == 5 and moment == "between":
        die()

def settling(*arguments):
    settle(*arguments)
    if written == 5 and moment == "after":
        die()

files._fill, files._settle = filling, settling
sum_source(Plan.load(plan), as_source(data), Threads(1), folder)
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "rows"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(FILES):
        n = 500 + 10 * number
        columns = {
            "u": rng.integers(0, 40, n),
            "i": rng.integers(0, 15, n),
            "x": 1e6 + rng.standard_normal(n),
            "y": rng.standard_normal(n),
        }
        pq.write_table(pa.table(columns), folder / f"part{number}.parquet")
    return folder


@pytest.fixture
def plan(data: Path, tmp_path: Path) -> Plan:
    found = mm.plan(FORMULA, data)
    found.save(tmp_path / "plan.mm")
    return found


class Counting:
    """Threads that count the partitions that are read."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def map_reduce(self, segments, accumulate, merge, report):  # type: ignore[no-untyped-def]
        def noted(segment, told):  # type: ignore[no-untyped-def]
            rows = 0

            def count(more: int, partitions: int) -> None:
                nonlocal rows
                rows += more
                told(more, partitions)

            found = accumulate(segment, count)
            if rows:
                self.read += [part.key for part in segment.partitions]
            return found

        return Threads(1).map_reduce(segments, noted, merge, report)


@pytest.mark.parametrize("moment", ["before", "between", "after"])
def test_killed_and_resumed(moment: str, data: Path, plan: Plan, tmp_path: Path) -> None:
    undisturbed = sum_source(plan, as_source(data), Threads(2))
    folder = tmp_path / "checkpoint"
    command = [sys.executable, "-c", KILLED, data, tmp_path / "plan.mm", folder, moment]
    killed = subprocess.run(command, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    done = len(list(folder.glob("*.sums")))
    assert done == (4 if moment == "after" else 3)
    counting = Counting()
    resumed = sum_source(plan, as_source(data), counting, folder)
    assert len(counting.read) == FILES - done
    assert bits(resumed.sums) == bits(undisturbed.sums)
    assert resumed.counts == undisturbed.counts
    counting = Counting()
    again = sum_source(plan, as_source(data), counting, folder)
    assert counting.read == []
    assert bits(again.sums) == bits(undisturbed.sums)


def change(file: Path) -> None:
    table = pq.read_table(file)
    pq.write_table(table.slice(1), file)


def test_a_changed_file_is_refused_by_name(data: Path, plan: Plan, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    sum_source(plan, as_source(data), Threads(1), folder)
    change(data / "part3.parquet")
    with pytest.raises(mm.FileError, match=r"sums of .*part3\.parquet .* has changed since"):
        sum_source(plan, as_source(data), Threads(1), folder)


def test_a_file_that_is_touched_counts_as_changed(data: Path, plan: Plan, tmp_path: Path) -> None:
    sum_source(plan, as_source(data), Threads(1), tmp_path / "checkpoint")
    os.utime(data / "part0.parquet", (1, 1))
    with pytest.raises(mm.FileError, match=r"part0\.parquet .* has changed since"):
        sum_source(plan, as_source(data), Threads(1), tmp_path / "checkpoint")


def test_a_file_that_changes_while_it_is_read_is_refused(data: Path, plan: Plan) -> None:
    source = as_source(data)
    change(data / "part3.parquet")
    with pytest.raises(mm.DataError, match=r"part3\.parquet.*changed since the source was made"):
        sum_source(plan, source, Threads(1))


def test_files_that_were_removed_or_added_are_refused(
    data: Path, plan: Plan, tmp_path: Path
) -> None:
    folder = tmp_path / "checkpoint"
    sum_source(plan, as_source(data), Threads(1), folder)
    moved = (data / "part3.parquet").rename(tmp_path / "part3.parquet")
    with pytest.raises(mm.FileError, match=r"part3\.parquet .* is not in the source now"):
        sum_source(plan, as_source(data), Threads(1), folder)
    moved.rename(data / "part3.parquet")
    pq.write_table(pq.read_table(data / "part0.parquet"), data / "part9.parquet")
    with pytest.raises(mm.FileError, match=r"part9\.parquet .* was not there when"):
        sum_source(plan, as_source(data), Threads(1), folder)


def test_another_plan_is_refused(data: Path, plan: Plan, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    sum_source(plan, as_source(data), Threads(1), folder)
    other = mm.plan("y ~ (1 | u)", data)
    with pytest.raises(mm.FileError, match=r"sums of another plan \(y ~ x \+ \(1 \| u\)"):
        sum_source(other, as_source(data), Threads(1), folder)


@pytest.mark.parametrize("fault", ["cut", "flipped", "other", "list", "unlisted"])
def test_damaged_folders_are_refused(fault: str, data: Path, plan: Plan, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    sum_source(plan, as_source(data), Threads(1), folder)
    file = folder / "00002.sums"
    content = bytearray(file.read_bytes())
    if fault == "cut":
        file.write_bytes(content[:-100])
    elif fault == "flipped":
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    elif fault == "other":
        file.write_bytes((folder / "00003.sums").read_bytes())
    elif fault == "list":
        (folder / "segments.json").write_text("{")
    else:
        (folder / "segments.json").unlink()
    with pytest.raises(mm.FileError, match=r"damaged|other rows|cannot be read|without segments"):
        sum_source(plan, as_source(data), Threads(1), folder)


def test_a_partition_twice_is_refused(data: Path, plan: Plan) -> None:
    source = as_source(data)
    partial = sum_source(plan, source, Threads(1))
    some = sum_source(plan, as_source(data / "part1.parquet"), Threads(1))
    with pytest.raises(mm.DataError, match=r"part1\.parquet .* is in both sums"):
        partial.merge(some)
    parts = [lambda: None, lambda: None]
    for part in parts:
        part.key = "same"  # type: ignore[attr-defined]
    with pytest.raises(mm.DataError, match="function 1 of the list twice"):
        as_source([lambda: pq.read_table(data / "part1.parquet"), *parts])


def test_yesterday_and_today(data: Path, plan: Plan) -> None:
    whole = sum_source(plan, as_source(data), Threads(1))
    first = sum_source(plan, as_source([data / f"part{k}.parquet" for k in range(5)]), Threads(1))
    second = sum_source(plan, as_source(str(data / "part[567].parquet")), Threads(1))
    both = first.merge(second)
    assert sorted(both.keys) == sorted(whole.keys)
    assert both.counts == whole.counts
    assert both.sums.n == whole.sums.n
    other = mm.plan("y ~ (1 | u)", data)
    with pytest.raises(mm.DataError, match="made by different plans"):
        first.merge(sum_source(other, as_source(data / "part7.parquet"), Threads(1)))


def test_the_list_of_a_folder_is_readable(data: Path, plan: Plan, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "checkpoint"
    sum_source(plan, as_source(data), Threads(2), folder)
    listed = json.loads((folder / "segments.json").read_text(encoding="utf-8"))
    assert listed["plan"] == plan.id
    assert listed["formula"] == FORMULA
    assert sum(map(len, listed["segments"])) == FILES
    (tmp_path / "file").write_text("")
    with pytest.raises(mm.FileError, match="cannot be a folder"):
        sum_source(plan, as_source(data), Threads(2), tmp_path / "file")
