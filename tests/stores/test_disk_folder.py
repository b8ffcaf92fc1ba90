"""Where the disk store keeps its files, and where it refuses to."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from resilient.errors import ConfigurationError, StoreUnavailableError
from resilient.stores.registry import open_store
from resilient_adapters.sqlite import folder as folders


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_nobody_else_can_read_the_files_whatever_the_umask(script, folder, umask):
    """The folder and those above it that had to be made are 0700, every file is 0600."""
    process = script(
        """
os.stat_umask = os.umask(0); os.umask(os.stat_umask)
print(os.stat_umask)
store = opened(sys.argv[1] + "/deep").blocking
store.set("k", entry(b"x" * 100_000))
names = sorted(os.listdir(sys.argv[1] + "/deep"))
print(*names)
print(*{oct(os.stat(f"{sys.argv[1]}/deep/{name}").st_mode & 0o7777) for name in names})
store.close()
""",
        folder,
        umask=umask,
    )
    out, err = process.communicate(timeout=60)
    assert err == ""
    assert out.splitlines() == [
        str(umask),
        "resilient.db resilient.db-shm resilient.db-wal resilient.lock",
        "0o600",
    ]
    assert mode(folder) == mode(folder / "deep") == 0o700


def test_files_that_others_could_read_are_made_private(disk, folder, make):
    """As an earlier program or a copy may have left them."""
    pair = disk()
    pair.blocking.set("k", make())
    pair.blocking.close()
    (folder / "resilient.db").chmod(0o644)
    assert disk().blocking.get("k") == make()
    assert mode(folder / "resilient.db") == 0o600


def refusals(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("a file")
    real = tmp_path / "real"
    real.mkdir(0o700)
    (tmp_path / "link").symlink_to(real)
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o770)
    world = tmp_path / "world"
    world.mkdir()
    world.chmod(0o1777)
    return {
        plain: "is not a folder",
        plain / "below": "cannot be made: Not a directory",
        tmp_path / "link": "is a symbolic link",
        tmp_path / "dangling": "is a symbolic link",
        shared: r"can be written by others \(mode 0770\)",
        world: r"can be written by others \(mode 1777\)",
        Path("/proc/nowhere"): "cannot be made: No such file or directory; give a folder .*, or 'mem://' for memory",
    }


@pytest.mark.parametrize("case", range(7))
def test_a_folder_that_cannot_be_trusted_is_refused_at_once(tmp_path, case):
    """With the path, the reason and a way out; nothing is written there."""
    path, reason = list(refusals(tmp_path).items())[case]
    before = sorted(path.iterdir()) if path.is_dir() else None
    with pytest.raises(ConfigurationError, match=reason) as caught:
        open_store(f"disk://{path}")
    assert str(path) in str(caught.value)
    assert "; give" in str(caught.value)
    assert before == (sorted(path.iterdir()) if path.is_dir() else None)


@pytest.mark.parametrize("mode", [0o1777, 0o2775, 0o770])
def test_nobody_is_told_to_take_a_shared_folder_from_the_others(tmp_path, mode):
    """Such as the one for temporary files: the way out is a folder below it, and that way is open."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(mode)
    with pytest.raises(ConfigurationError, match="one of its own below it") as caught:
        open_store(f"disk://{shared}")
    assert "chmod" not in str(caught.value)
    open_store(str(caught.value).rpartition(" ")[2]).blocking.close()


def test_a_folder_of_another_user_is_refused(tmp_path, monkeypatch):
    """Who owns it could read, replace or plant what is in it."""
    theirs = tmp_path / "theirs"
    theirs.mkdir(0o700)
    monkeypatch.setattr(os, "geteuid", lambda: theirs.stat().st_uid + 1)
    with pytest.raises(ConfigurationError, match="belongs to user"):
        open_store(f"disk://{theirs}")


@pytest.mark.parametrize("name", ["resilient.db", "resilient.db-wal", "resilient.lock"])
def test_a_planted_link_is_not_followed(disk, folder, tmp_path, make, name):
    """What it leads to is neither read nor written."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious" * 1000)
    folder.mkdir(0o700)
    (folder / name).symlink_to(victim)
    pair = disk(write_wait="5s")
    try:
        pair.blocking.set("k", make())
    except StoreUnavailableError:
        pass
    else:
        assert not (folder / name).is_symlink()
    assert victim.read_bytes() == b"precious" * 1000
    assert mode(victim) == 0o644


def test_a_folder_that_becomes_untrusted_is_used_no_more(disk, folder, make):
    """It is looked at again whenever a connection is opened."""
    pair = disk()
    folder.chmod(0o777)
    for command in (lambda: pair.blocking.get("k"), lambda: pair.blocking.set("k", make())):
        with pytest.raises(StoreUnavailableError, match="can be written by others"):
            command()


@pytest.mark.parametrize("url", ["disk:///", "disk:////", "disk://host/tmp/x", "disk:///tmp/a%00b", "disk://tmp"])
def test_a_url_that_names_no_folder_is_refused(url):
    """A host, the root, an impossible name."""
    with pytest.raises(ConfigurationError, match=r"folder|three slashes"):
        open_store(url)


def test_a_path_is_read_as_a_url_has_it(disk, tmp_path, make):
    """Spaces, question marks and letters of any script, once escaped."""
    pair = disk(f"{tmp_path}/a%20b%3Fc/ä")
    pair.blocking.set("k", make())
    pair.blocking.close()
    assert (tmp_path / "a b?c" / "ä" / "resilient.db").exists()


def test_without_a_path_there_is_a_folder_for_each_application(monkeypatch, tmp_path):
    """In the user's cache directory: the main script's name and a digest of its whole path."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "/opt/one/app.py", raising=False)
    one = folders.default_folder()
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "/opt/two/app.py", raising=False)
    two = folders.default_folder()
    assert one.parent == two.parent == tmp_path / "resilient"
    assert one.name.startswith("app-")
    assert len(one.name) == len("app-") + 8
    assert one != two
    open_store("disk://").blocking.close()
    assert mode(two) == mode(two.parent) == 0o700


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"compress": "gzzip"}, "compress='gzzip' is not right; did you mean 'gzip'"),
        ({"max_bytes": "1kB"}, "at least 1MiB"),
        ({"max_byte": "1GB"}, "did you mean 'max_bytes'"),
        ({"busy_timeout": "soon"}, "busy_timeout='soon'"),
        ({"inline_reads": "maybe"}, "inline_reads='maybe'"),
    ],
)
def test_wrong_options_are_refused(folder, options, message):
    """Before the folder is made."""
    with pytest.raises(ConfigurationError, match=message):
        open_store(f"disk://{folder}", **options)
    assert not folder.exists()
