"""Files as whole things: every file that this package writes is written here, in one step.

The content goes to a private temporary file in the same folder, which takes the place of the old
file only when all of it is on the disk. What the bytes mean is unknown here.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mixedmodels.errors import FileError

# Flags that not every system has.
_BINARY = getattr(os, "O_BINARY", 0)
_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)
_NOCTTY = getattr(os, "O_NOCTTY", 0)

_PRIVATE = 0o600
_DEFAULT = 0o666
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a file is to be written.

    Attributes:
        text: The path as the user gave it, for messages.
        path: The file itself, links followed.
        existing: Its status, or None where there is no such file yet.
    """

    text: str
    path: Path
    existing: os.stat_result | None


def path_text(path: Any) -> str:
    """A path as text.

    Args:
        path: Text, bytes or an object with `__fspath__`.

    Raises:
        FileError: Not a path, an empty one, or one that no file can have.
    """
    try:
        text = os.fsdecode(path)
    except (TypeError, UnicodeError):
        kind = type(path).__name__
        raise FileError(f"The path is {path!r:.80} ({kind}); give text or a Path.") from None
    if not text:
        raise FileError("The path of the file is empty; give its name.")
    if "\0" in text:
        raise FileError(f"The path {text!r:.80} has a null character in it; no file can have that.")
    return text


def check_target(path: Any) -> Target:
    """Find out whether a file can be written at `path`, without changing anything.

    A symbolic link is followed: the file that it points to is the one to be replaced.

    Raises:
        FileError: It cannot be, and why.
    """
    text = path_text(path)
    with _told(text, "written"):
        try:
            existing = Path(text).stat()
        except FileNotFoundError:
            return _new_target(text)
        _refuse_others(text, existing.st_mode, "written")
        # The system says whether it may be written, and whether its link may be followed.
        os.close(os.open(text, os.O_WRONLY | _NONBLOCK | _CLOEXEC | _NOCTTY))
        return Target(text, Path(text).resolve(), existing)


def write_whole(path: Any, content: bytes) -> None:
    """Write a file in one step.

    A reader at the same time sees the old content or the new one. On failure the old content
    is untouched and nothing else is left. An existing file keeps its permissions and, where the
    system allows it, its owner; other hard links to it keep the old content.

    Raises:
        FileError: The file cannot be written there.
    """
    target = check_target(path)
    with _told(target.text, "written"):
        partial = target.path.with_name(f".{secrets.token_hex(12)}.part")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW | _CLOEXEC | _BINARY
        handle = os.open(partial, flags, _DEFAULT if target.existing is None else _PRIVATE)
        try:
            _fill(handle, content, target.existing)
            partial.replace(target.path)
        except BaseException:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise
        _settle(target.path.parent)


@contextlib.contextmanager
def open_regular(path: Any) -> Iterator[tuple[str, BinaryIO]]:
    """Open a file for reading: its path as text, and the open file.

    Raises:
        FileError: No such file, not a regular one, or one that cannot be read.
    """
    text = path_text(path)
    with _told(text, "read"):
        # To open a device can do something, and to open a named pipe waits for its other end.
        _refuse_others(text, Path(text).stat().st_mode, "read")
        flags = os.O_RDONLY | _NONBLOCK | _CLOEXEC | _NOCTTY | _BINARY
        with os.fdopen(os.open(text, flags), "rb") as file:
            _refuse_others(text, os.fstat(file.fileno()).st_mode, "read")
            yield text, file


@contextlib.contextmanager
def _told(text: str, done: str) -> Iterator[None]:
    """Say what the system refuses as a FileError that names the file."""
    try:
        yield
    except FileNotFoundError as error:
        if done == "read":
            raise FileError(f"{text} does not exist.") from None
        folder = Path(text).parent
        hint = "" if folder.is_dir() else f" Make the folder {folder} first."
        raise FileError(f"{text} cannot be {done}: {error.strerror}.{hint}") from error
    except IsADirectoryError as error:
        hint = f"{text} cannot be {done}: {error.strerror}. Name a file in it."
        raise FileError(hint) from error
    except OSError as error:
        raise FileError(f"{text} cannot be {done}: {error.strerror or error}.") from error
    except UnicodeError as error:
        raise FileError(f"{text!r} cannot be {done}: {error}.") from None


def _refuse_others(text: str, mode: int, done: str) -> None:
    """Refuse what is not a regular file.

    Raises:
        IsADirectoryError: A folder.
        FileError: A device, a named pipe or a socket.
    """
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        raise FileError(f"{text} cannot be {done}: it is {kind}, not a file.")


def _new_target(text: str) -> Target:
    path = Path(text)
    if text.endswith(tuple(filter(None, (os.sep, os.altsep)))):
        raise FileError(f"{text} is the name of a folder; add the name of the file.")
    if path.is_symlink():
        raise FileError(
            f"{text} is a symbolic link to {path.readlink()}, which does not exist; give that path "
            "or remove the link."
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return Target(text, path, None)


def _fill(handle: int, content: bytes, existing: os.stat_result | None) -> None:
    """Write and close a new file; it is private until its permissions are set at the end."""
    with open(handle, "wb", buffering=0) as file:
        mode = stat.S_IMODE((existing or os.fstat(handle)).st_mode)
        _set_mode(handle, _PRIVATE)
        rest = memoryview(content)
        while rest:
            rest = rest[file.write(rest) :]
        if existing is not None and not _set_owner(handle, existing):
            # Another group has no more rights than everybody.
            mode = mode & ~stat.S_IRWXG | (mode & stat.S_IRWXO) << 3
        _set_mode(handle, mode)
        os.fsync(handle)


def _set_mode(handle: int, mode: int) -> None:
    if hasattr(os, "fchmod"):
        # Some file systems have no permissions to set.
        with contextlib.suppress(PermissionError, NotImplementedError):
            os.fchmod(handle, mode)


def _set_owner(handle: int, existing: os.stat_result) -> bool:
    """Give the file to the owner and group of the old one; whether the group is the same."""
    if not hasattr(os, "fchown"):
        return True
    made = os.fstat(handle)
    if made.st_uid != existing.st_uid:
        # Only root gives files away.
        with contextlib.suppress(OSError):
            os.fchown(handle, existing.st_uid, -1)
    if made.st_gid != existing.st_gid:
        try:
            os.fchown(handle, -1, existing.st_gid)
        except OSError:
            return False
    return True


def _settle(folder: Path) -> None:
    """Have the new name written to the disk, where a folder can be synchronised."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | _CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
