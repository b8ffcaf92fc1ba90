"""The folder of a store: made private, and refused where others could read or replace what is in it."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import sys
import time
from collections.abc import Generator
from pathlib import Path

from resilient.errors import ConfigurationError

DATABASE = "resilient.db"
_BESIDE = ("-wal", "-shm")
_POLL = 0.002
"""Seconds between two tries to get the lock of a folder."""


def default_folder() -> Path:
    """A folder of this application's own in the user's cache directory, named after its main script."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    main = getattr(sys.modules.get("__main__"), "__file__", None) or sys.executable or "python"
    script = Path(main).absolute()
    name = f"{script.stem}-{hashlib.sha256(os.fsencode(script)).hexdigest()[:8]}"
    try:
        return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "resilient" / name
    except RuntimeError as error:
        raise ConfigurationError("this user has no home for a cache; give disk:///path or mem://") from error


def make_private(folder: Path) -> None:
    """Make ``folder`` if there is none, for its owner alone, and see that nobody else can write to it.

    Raises:
        ConfigurationError: it cannot be made, or cannot be trusted; says why, and what would be right.
    """
    try:
        _make(folder)
        found = folder.lstat()
    except OSError as error:
        remedy = "give a folder that this user may make, or 'mem://' for memory"
        raise _refusal(folder, f"cannot be made: {error.strerror}", remedy) from error
    if stat.S_ISLNK(found.st_mode):
        raise _refusal(folder, "is a symbolic link", "give the folder that it leads to")
    if not stat.S_ISDIR(found.st_mode):
        raise _refusal(folder, "is not a folder", "give the path of a folder")
    if found.st_uid != os.geteuid():
        owners = f"belongs to user {found.st_uid}, this process to {os.geteuid()}"
        raise _refusal(folder, owners, "give a folder of this user's own")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        mode = f"can be written by others (mode {stat.S_IMODE(found.st_mode):04o})"
        raise _refusal(folder, mode, f"give one of its own below it, as in disk://{folder}/my-app")


def _refusal(folder: Path, reason: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"the store's folder {str(folder)!r} {reason}; {remedy}")


def _make(folder: Path) -> None:
    missing: list[Path] = []
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = folder.parent
    for one in reversed(missing):
        try:
            one.mkdir(0o700)
        except FileExistsError:
            continue  # another process was faster; whose it is will be seen
        one.chmod(0o700)


def make_file(path: str) -> None:
    """Make an empty file at ``path`` for its owner alone, whatever the umask; there must be none.

    Raises:
        OSError: there is one, or it cannot be made.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def make_files_private(database: str) -> None:
    """See that the database and the files beside it are plain files of ours that nobody else can read.

    They are never opened here: closing any descriptor of a file drops all locks that this process has on it,
    those of its SQLite connections included.

    Raises:
        ConfigurationError: one of them is a link, or not ours.
    """
    for suffix in ("", *_BESIDE):
        path = Path(database + suffix)
        try:
            found = path.lstat()
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise ConfigurationError(f"the store's file {str(path)!r} is no plain file of this user's; remove it")
        if stat.S_IMODE(found.st_mode) != 0o600:
            path.chmod(0o600)


def remove(database: str) -> None:
    """Remove the database and the files beside it, as far as there are any."""
    for suffix in (*_BESIDE, ""):
        Path(database + suffix).unlink(missing_ok=True)


def set_aside(database: str) -> str:
    """Rename the database and its log, in place of what was set aside before; the new name."""
    aside = f"{database}.corrupt-{int(time.time())}"
    for old in Path(database).parent.glob(f"{DATABASE}.corrupt-*"):
        old.unlink(missing_ok=True)
    for suffix in ("-wal", ""):
        with contextlib.suppress(FileNotFoundError):
            os.replace(database + suffix, aside + suffix)
    return aside


@contextlib.contextmanager
def locked(folder: Path, timeout: float) -> Generator[None, None, None]:
    """Hold the lock by which processes take turns at opening, making and mending the files of ``folder``.

    Args:
        folder: the folder.
        timeout: seconds to wait for it at most.

    Raises:
        BlockingIOError: others held it all the time.
        OSError: its file cannot be made.
    """
    path = str(folder / "resilient.lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        ends = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= ends:
                    raise
                time.sleep(_POLL)
        yield
    finally:
        os.close(descriptor)
