"""Whole files: what may be replaced, what is kept, what is left after a failure."""

from __future__ import annotations

import errno
import os
import secrets
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mixedmodels as mm
from mixedmodels.errors import FileError
from mixedmodels.storage import files
from mixedmodels.storage.files import check_target, open_regular, write_whole

OLD, NEW = b"old content", b"new content" * 100


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder of its own, whose path is short enough for sockets; umask 022."""
    before = os.umask(0o022)
    yield tmp_path
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


# -- what is written ---------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_permissions_of_every_new_file(folder: Path, umask: int) -> None:
    os.umask(umask)
    write_whole(folder / "a", NEW)
    assert (folder / "a").read_bytes() == NEW
    assert mode(folder / "a") == 0o666 & ~umask
    assert names(folder) == ["a"]


@pytest.mark.parametrize("bits", [0o600, 0o640, 0o664, 0o755, 0o2644])
def test_an_old_file_keeps_its_permissions(folder: Path, bits: int) -> None:
    path = folder / "a"
    path.write_bytes(OLD)
    path.chmod(bits)
    write_whole(path, NEW)
    assert (path.read_bytes(), mode(path)) == (NEW, bits)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_an_old_file_keeps_its_owner(folder: Path) -> None:
    path = folder / "a"
    path.write_bytes(OLD)
    os.chown(path, 12345, 54321)
    path.chmod(0o4750)
    write_whole(path, NEW)
    found = path.stat()
    assert (found.st_uid, found.st_gid, mode(path)) == (12345, 54321, 0o4750)


def test_rights_of_a_lost_group_are_not_given_to_another(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "a"
    path.write_bytes(OLD)
    path.chmod(0o664)
    monkeypatch.setattr(files, "_set_owner", lambda _handle, _existing: False)
    write_whole(path, NEW)
    assert mode(path) == 0o644


def test_it_is_private_while_it_is_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int]] = []
    set_owner = files._set_owner

    def look(handle: int, existing: os.stat_result) -> bool:
        partial = next(entry for entry in folder.iterdir() if entry.name != "a")
        seen.append((partial.name, mode(partial)))
        return set_owner(handle, existing)

    monkeypatch.setattr(files, "_set_owner", look)
    (folder / "a").write_bytes(OLD)
    (folder / "a").chmod(0o666)
    for _ in range(2):
        write_whole(folder / "a", NEW)
    assert [bits for _, bits in seen] == [0o600, 0o600]
    assert seen[0][0] != seen[1][0]


def test_content_and_name_are_synchronised(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = []
    fsync = os.fsync

    def noted(handle: int) -> None:
        kinds.append(stat.S_ISDIR(os.fstat(handle).st_mode))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    write_whole(folder / "a", NEW)
    assert kinds == [False, True]


@pytest.mark.parametrize("absent", ["fchmod", "fchown", "O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK"])
def test_systems_that_lack_something(
    folder: Path, monkeypatch: pytest.MonkeyPatch, absent: str
) -> None:
    if absent.startswith("O_"):
        monkeypatch.setattr(files, absent.replace("O_", "_"), 0)
    else:
        monkeypatch.delattr(os, absent)
    for content in (OLD, NEW):
        write_whole(folder / "a", content)
        with open_regular(folder / "a") as (_, file):
            assert file.read() == content


# -- paths -------------------------------------------------------------------------------------


class Pathlike:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


@pytest.mark.parametrize("form", [str, Path, Pathlike, os.fsencode])
def test_forms_of_a_path(folder: Path, form: Callable[[Path], Any]) -> None:
    write_whole(form(folder / "é a"), NEW)
    with open_regular(form(folder / "é a")) as (text, file):
        assert (text, file.read()) == (str(folder / "é a"), NEW)


NO_PATHS: list[tuple[Any, str]] = [
    ("", "is empty"),
    (b"", "is empty"),
    ("a\0b", "null character"),
    (b"a\0b", "null character"),
    (None, "give text or a Path"),
    (3, "give text or a Path"),
    (1.5, "give text or a Path"),
    (["a"], "give text or a Path"),
    ("a" * 300, "File name too long"),
    ("a/" * 3000, "cannot be|too long"),
    ("\ud800", "cannot be"),
]


@pytest.mark.parametrize(("path", "message"), NO_PATHS, ids=lambda value: repr(value)[:20])
def test_what_is_not_a_path(
    folder: Path, monkeypatch: pytest.MonkeyPatch, path: Any, message: str
) -> None:
    monkeypatch.chdir(folder)
    for use in (lambda: write_whole(path, NEW), lambda: check_target(path), lambda: mm.load(path)):
        with pytest.raises(FileError, match=message):
            use()
    assert names(folder) == []


def make_device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except (AttributeError, PermissionError):
        pytest.skip("devices cannot be made here")


def make_socket(path: Path) -> None:
    there = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{there}/{path.name}" if len(str(path)) > 90 else str(path))
    os.close(there)


OTHERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "folder": (Path.mkdir, "Is a directory"),
    "pipe": (os.mkfifo, "a named pipe, not a file"),
    "socket": (make_socket, "a socket, not a file"),
    "device": (make_device, "a device, not a file"),
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("linked", [False, True])
def test_what_is_not_a_file_is_left_as_it_is(folder: Path, kind: str, linked: bool) -> None:
    make, message = OTHERS[kind]
    make(folder / "a")
    path = folder / "a"
    if linked:
        path = folder / "link"
        path.symlink_to("a")
    before = (folder / "a").lstat()
    for use in (lambda: write_whole(path, NEW), lambda: mm.load(path)):
        with pytest.raises(FileError, match=message):
            use()
    after = (folder / "a").lstat()
    assert (after.st_mode, after.st_ino, after.st_rdev) == (
        before.st_mode,
        before.st_ino,
        before.st_rdev,
    )
    assert len(names(folder)) == 1 + linked


@pytest.mark.parametrize("name", [".", "..", "sub/", "sub", "new/"])
def test_names_of_folders(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (folder / "sub").mkdir()
    monkeypatch.chdir(folder)
    with pytest.raises(FileError, match=r"Is a directory|name of a folder"):
        write_whole(name, NEW)
    assert names(folder) == ["sub"]


def test_a_link_stays_and_its_file_is_replaced(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "file").write_bytes(OLD)
    (folder / "middle").symlink_to("sub/file")
    (folder / "link").symlink_to(folder / "middle")
    write_whole(folder / "link", NEW)
    assert (folder / "sub" / "file").read_bytes() == NEW
    assert (folder / "link").is_symlink()
    assert (folder / "middle").is_symlink()
    assert names(folder) == ["link", "middle", "sub"]
    assert names(folder / "sub") == ["file"]


def test_a_link_to_nothing_and_one_to_itself(folder: Path) -> None:
    (folder / "link").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")
    with pytest.raises(FileError, match="symbolic link to nowhere, which does not exist"):
        write_whole(folder / "link", NEW)
    with pytest.raises(FileError, match="cannot be written"):
        write_whole(folder / "loop", NEW)
    assert names(folder) == ["link", "loop"]


def test_another_hard_link_keeps_the_old_content(folder: Path) -> None:
    (folder / "a").write_bytes(OLD)
    os.link(folder / "a", folder / "b")
    write_whole(folder / "a", NEW)
    assert ((folder / "a").read_bytes(), (folder / "b").read_bytes()) == (NEW, OLD)


# -- failures ----------------------------------------------------------------------------------


def fail(error: BaseException) -> Callable[..., Any]:
    def failing(*_arguments: Any, **_named: Any) -> Any:
        raise error

    return failing


FAILURES = [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), MemoryError()]


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("step", ["fsync", "replace", "fchmod"])
@pytest.mark.parametrize("exists", [True, False])
def test_a_failure_leaves_what_was_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, step: str, exists: bool
) -> None:
    path = folder / "a"
    if exists:
        path.write_bytes(OLD)
    home: Any = Path if step == "replace" else os
    monkeypatch.setattr(home, step, fail(error))
    expected = FileError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected, match="No space" if expected is FileError else None):
        write_whole(path, NEW)
    assert names(folder) == (["a"] if exists else [])
    assert not exists or path.read_bytes() == OLD


def test_a_name_that_is_taken_is_neither_followed_nor_overwritten(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda _bytes: "guessed")
    (folder / "precious").write_bytes(OLD)
    (folder / ".guessed.part").symlink_to("precious")
    with pytest.raises(FileError, match="File exists"):
        write_whole(folder / "a", NEW)
    assert (folder / "precious").read_bytes() == OLD
    assert names(folder) == [".guessed.part", "precious"]


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process")
def test_a_file_that_grows_too_large(folder: Path) -> None:
    (folder / "a").write_bytes(OLD)
    code = f"""
import resource
from mixedmodels.storage.files import write_whole
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_whole({str(folder / "a")!r}, bytes(10_000))
except ValueError as error:
    print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert "a cannot be written: File too large" in run.stdout
    assert names(folder) == ["a"]
    assert (folder / "a").read_bytes() == OLD


@pytest.mark.skipif(not hasattr(os, "seteuid") or os.geteuid() != 0, reason="gives up root")
def test_what_the_user_may_not_write(folder: Path) -> None:
    for parent in (folder, *folder.parents[:3]):
        parent.chmod(0o755)
    (folder / "protected").write_bytes(OLD)
    (folder / "sticky").mkdir()
    (folder / "sticky").chmod(0o1777)
    (folder / "precious").write_bytes(OLD)
    os.seteuid(12345)
    try:
        for name in ("protected", "new"):
            with pytest.raises(FileError, match="Permission denied"):
                write_whole(folder / name, NEW)
        (folder / "sticky" / "mine").write_bytes(OLD)
        (folder / "sticky" / "mine").chmod(0o400)
        with pytest.raises(FileError, match="Permission denied"):
            write_whole(folder / "sticky" / "mine", NEW)
    finally:
        os.seteuid(0)
    assert names(folder) == ["precious", "protected", "sticky"]
    assert names(folder / "sticky") == ["mine"]


# -- at the same time --------------------------------------------------------------------------


def test_readers_see_whole_fits_while_threads_and_processes_save(tmp_path: Path) -> None:
    path, other = tmp_path / "fit.mm", tmp_path / "other.mm"
    large = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"), threads=1)
    small = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"), threads=1)
    small.save(path)
    small.save(other)
    code = f"""
from mixedmodels.storage.files import write_whole
content = open({str(other)!r}, "rb").read()
for _ in range(20):
    write_whole({str(path)!r}, content)
"""
    problems: list[Exception] = []

    def save(fit: mm.LinearMixedFit) -> None:
        try:
            for _ in range(5):
                fit.save(path)
        except Exception as error:  # noqa: BLE001
            problems.append(error)

    threads = [threading.Thread(target=save, args=(fit,)) for fit in (large, small, small)]
    known = {large.objective, small.objective}
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        for thread in threads:
            thread.start()
        while process.poll() is None or any(thread.is_alive() for thread in threads):
            assert mm.load(path, threads=1).objective in known
        for thread in threads:
            thread.join()
    assert process.returncode == 0
    assert not problems
    assert names(tmp_path) == ["fit.mm", "other.mm"]


def test_a_report_is_written_by_the_same_rules(folder: Path) -> None:
    fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"), threads=1)
    os.mkfifo(folder / "pipe")
    with pytest.raises(FileError, match="a named pipe"):
        fit.report(folder / "pipe")
    (folder / "a.html").write_bytes(OLD)
    (folder / "a.html").chmod(0o600)
    fit.report(folder / "a.html", pictures=False)
    assert mode(folder / "a.html") == 0o600
    assert b"1527" not in OLD
    assert "REML" in (folder / "a.html").read_text(encoding="utf-8")
    for path in ("", ".", None):
        with pytest.raises(FileError):
            fit.report(path, pictures=False)  # type: ignore[arg-type]
