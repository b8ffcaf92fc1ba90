"""Where the sockets of running processes are: in a folder that nobody but their user can look into."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from resilient.errors import ConfigurationError

SUFFIX = ".sock"


def folder() -> Path:
    """The folder of this user's sockets."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    try:
        base = Path(runtime) if os.path.isabs(runtime) else Path.home() / ".cache"
    except RuntimeError as error:
        raise ConfigurationError("this user has no home for a socket; give Live(path=...)") from error
    return base / "resilient" / "live"


def made_private(place: Path) -> Path:
    """``place``, made if there is none; nobody but this user may enter it.

    Raises:
        ConfigurationError: it cannot be made, or others may.
    """
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = place.lstat()
    except OSError as error:
        raise ConfigurationError(f"the folder {str(place)!r} of the live view cannot be made: {error}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise ConfigurationError(f"the folder {str(place)!r} is not this user's alone; give Live(path=...) another one")
    return place


def running() -> dict[int, Path]:
    """The sockets that are there, by the number of their process; of processes that still run."""
    place = folder()
    if not place.is_dir():
        return {}
    found = {int(path.stem): path for path in place.glob(f"*{SUFFIX}") if path.stem.isdigit()}
    return {pid: path for pid, path in sorted(found.items()) if _is_alive(pid)}


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
