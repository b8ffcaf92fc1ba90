"""A damaged database heals itself; each test proves first that the damage was done."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from resilient.entry import Entry
from resilient.errors import StoreError
from resilient.events import StoreFailed
from resilient.runtime.clock import SystemClock
from resilient_adapters.sqlite import handle

# Each is run by a process of its own: opening and closing the file here would drop the locks of this one's connections.
DAMAGES = {
    "header": "file.write(b'\\xff' * 100)",
    "first page": "file.seek(100); file.write(os.urandom(3996))",
    "every page but the first": "file.seek(4096); file.write(os.urandom(size - 4096))",
    "middle": "file.seek(size // 2 // 4096 * 4096); file.write(os.urandom(40960))",
    "zeros in the middle": "file.seek(size // 2 // 4096 * 4096); file.write(bytes(40960))",
    "end": "file.seek(size - 100_000); file.write(os.urandom(100_000))",
    "cut in half": "file.truncate(size // 2)",
    "cut to a page": "file.truncate(4096)",
    "cut within the header": "file.truncate(50)",
    "emptied": "file.truncate(0)",
    "not a database": "file.truncate(0); file.write(b'This is a shopping list.' * 1000)",
    "garbage": "file.write(os.urandom(size))",
    "deleted": "os.unlink(path)",
    "all deleted": "[os.unlink(path + end) for end in ('', '-wal', '-shm') if os.path.exists(path + end)]",
    "folder deleted": "shutil.rmtree(os.path.dirname(path))",
    "replaced by another file": "open(path + '.new', 'wb').write(os.urandom(size)); os.replace(path + '.new', path)",
}


def body(key):
    """Two kilobytes that belong to ``key`` and to no other."""
    return hashlib.shake_256(key.encode()).digest(2000)


def digest(path):
    """What is in the file, asked by a process of its own; None if there is none."""
    if not path.exists():
        return None
    return subprocess.run(["sha256sum", path], capture_output=True, check=True, text=True).stdout[:64]


def damage(path, how):
    """Do ``how`` to the file, from outside, and prove that it was done."""
    before = digest(path)
    code = f"import os, shutil; path = {str(path)!r}; size = os.path.getsize(path); file = open(path, 'r+b'); {how}"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)
    assert before is not None
    assert digest(path) != before


def checkpointed(folder):
    """Bring everything from the log into the file, where damage meets it."""
    connection = sqlite3.connect(folder / "resilient.db", isolation_level=None)
    assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    connection.close()


@pytest.fixture
def filled(disk, folder, make):
    """A store with 300 entries, all of them in the file itself."""
    pair = disk()

    async def fill():
        await asyncio.gather(*(pair.tasks.set(f"{number}", make(body(f"{number}"))) for number in range(300)))

    asyncio.run(fill())
    checkpointed(folder)
    return pair


@pytest.mark.parametrize("colour", ["blocking", "tasks"])
@pytest.mark.parametrize("moment", ["open", "closed"])
@pytest.mark.parametrize("how", DAMAGES)
def test_damage_costs_the_cache_and_nothing_else(filled, disk, folder, make, how, moment, colour, caplog, monkeypatch):
    """Nothing but a StoreError is raised, no wrong value is given, and within two calls it keeps values again."""
    # As if a while had passed since the last look at whether the file is still the same.
    monkeypatch.setattr(handle, "LOOK_EVERY", 0.0)
    pair = filled
    if moment == "closed":
        pair.blocking.close()
        damage(folder / "resilient.db", DAMAGES[how])
        pair = disk()
    else:
        pair.blocking.close()
        pair = disk()
        assert pair.blocking.get("7").body == body("7")
        damage(folder / "resilient.db", DAMAGES[how])

    with asyncio.Runner() as runner, caplog.at_level(logging.ERROR, "resilient.store"):
        get, put = pair.blocking.get, pair.blocking.set
        if colour == "tasks":
            get, put = (lambda *args, one=one: runner.run(one(*args)) for one in (pair.tasks.get, pair.tasks.set))
        outcomes = []
        for turn in range(2):
            try:
                put("new", make(body("new")))
                outcomes.append(get("new").body == body("new"))
            except StoreError as error:
                outcomes.append(error.kind)
            if turn == 0:
                # Whatever is left is right, or it is a miss or a store error.
                for number in range(300):
                    try:
                        found = get(f"{number}")
                    except StoreError:
                        continue
                    assert found is None or found.body == body(f"{number}")
        put("last", make(body("last")))
        assert get("last").body == body("last")
    assert outcomes[-1] is True
    complaints = [record for record in caplog.records if "set aside" in record.message]
    aside = [name for name in os.listdir(folder) if name.startswith("resilient.db.corrupt-")]
    assert len(complaints) == len({name.removesuffix("-wal") for name in aside}) <= 1
    pair.blocking.close()
    connection = sqlite3.connect(folder / "resilient.db")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


@pytest.mark.parametrize("how", ["header", "every page but the first", "not a database", "cut to a page"])
def test_a_damaged_file_is_set_aside_told_and_kept_once(filled, disk, folder, make, how, caplog, events):
    """One line of log, one event, one file to look at: the one damaged last."""
    filled.blocking.close()
    for _ in range(3):
        damage(folder / "resilient.db", DAMAGES[how])
        damaged = digest(folder / "resilient.db")
        caplog.clear()
        events.clear()
        with caplog.at_level(logging.ERROR, "resilient.store"):
            pair = disk()
            assert [pair.blocking.get(f"{number}") for number in range(5)] == [None] * 5
        assert len(caplog.records) == 1
        assert events == [StoreFailed(store="disk", operation="open", kind="corrupt")]
        (aside,) = folder.glob("resilient.db.corrupt-*")
        assert digest(aside) == damaged
        assert aside.stat().st_mode & 0o777 == 0o600
        pair.blocking.set("big", make(os.urandom(50_000)))
        pair.blocking.close()


def test_other_threads_follow_to_the_new_file(filled, disk, folder, make, monkeypatch):
    """No thread of this process goes on with the old one."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as other:
        assert other.submit(filled.blocking.get, "7").result() is not None
        damage(folder / "resilient.db", DAMAGES["every page but the first"])
        monkeypatch.setattr(handle, "LOOK_EVERY", 1e9)
        assert [filled.blocking.get(f"{number}") for number in range(300)] == [None] * 300
        filled.blocking.set("new", make())
        assert other.submit(filled.blocking.get, "new").result() == make()
        assert other.submit(filled.blocking.get, "7").result() is None


@pytest.mark.parametrize("how", ["every page but the first", "all deleted"])
def test_other_processes_follow_to_the_new_file(filled, disk, folder, make, script, how):
    """A process that had the damaged file open finds the new one by its inode, and both share it from then on."""
    reader = script(
        """
store = opened(sys.argv[1]).blocking
for line in sys.stdin:
    command, key = line.split()
    if command == "set":
        store.set(key, entry(b"from there"))
    found = store.get(key)
    print(found.body.hex() if found else None, flush=True)
store.close()
""",
        folder,
    )

    def ask(command, key):
        reader.stdin.write(f"{command} {key}\n")
        reader.stdin.flush()
        return reader.stdout.readline().strip()

    real = disk(clock=SystemClock())
    now = time.time()
    real.blocking.set("mine", Entry(body=b"1", stored_at=now, fresh_until=now + 60, expires_at=now + 60))
    assert ask("get", "mine") == b"1".hex()
    assert ask("set", "warm") == b"from there".hex()
    old = (folder / "resilient.db").stat().st_ino
    damage(folder / "resilient.db", DAMAGES[how])
    while not (folder / "resilient.db").exists() or (folder / "resilient.db").stat().st_ino == old:
        real.blocking.get("mine")
        real.blocking.get("250")
    inode = (folder / "resilient.db").stat().st_ino
    assert ask("set", "theirs") == b"from there".hex()
    assert real.blocking.get("theirs").body == b"from there"
    assert (folder / "resilient.db").stat().st_ino == inode
    aside = [one for one in folder.glob("resilient.db.corrupt-*") if not one.name.endswith("-wal")]
    assert len(aside) == (how != "all deleted")
    reader.stdin.close()
    assert reader.wait(60) == 0
    real.blocking.set("mine", real.blocking.get("theirs"))
    assert real.blocking.get("mine").body == b"from there"
    real.blocking.close()


# --- a disk that says no --------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path, request):
    """A file system of so many megabytes."""
    place = tmp_path / "small"
    place.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={request.param}m", "tmpfs", str(place)]
    mounted = subprocess.run(["mount", *options], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("no right to mount a small file system")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill_up(place):
    """Leave no room, and prove it."""
    with (place / "filler").open("wb", buffering=0) as filler:
        try:
            while filler.write(b"x" * 4096):
                pass
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017
            return
    pytest.fail("the disk was never full")


@pytest.mark.parametrize("small_disk", [2], indirect=True)
def test_a_full_disk_is_a_store_error_and_no_more(small_disk, disk, make):
    """Of the kind ``full``; what was there stays right, and with room again it keeps values again."""
    pair = disk(f"{small_disk}/cache", compress=None)
    pair.blocking.set("before", make(body("before")))
    fill_up(small_disk)
    kinds = set()
    for number in range(200):
        try:
            pair.blocking.set(f"{number}", make(os.urandom(20_000)))
        except StoreError as error:
            kinds.add(error.kind)
        found = pair.blocking.get("before")
        assert found is None or found.body == body("before")
    assert "full" in kinds
    assert kinds <= {"full"}
    (small_disk / "filler").unlink()
    pair.blocking.set("after", make(body("after")))
    assert pair.blocking.get("after").body == body("after")
    pair.blocking.close()
    connection = sqlite3.connect(small_disk / "cache" / "resilient.db")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


@pytest.mark.parametrize("small_disk", [32], indirect=True)
def test_a_disk_smaller_than_the_bound_is_used_as_far_as_it_goes(small_disk, disk, make, events):
    """The oldest entries make room for new ones, as if the bound were most of the disk."""
    pair = disk(f"{small_disk}/cache", compress=None)
    for number in range(500):
        pair.blocking.set(f"{number}", make(os.urandom(100_000)))
    kept = len(list(pair.blocking.scan()))
    assert sum(event.entries for event in events) == 500 - kept
    assert 150 < kept < 320
    assert pair.blocking.get("499") is not None
    assert shutil.disk_usage(small_disk).free > 2**20
    pair.blocking.close()


@pytest.mark.parametrize("done", [(), ("BEGIN", "CREATE TABLE entries (x)")], ids=["nothing", "a table"])
def test_an_unfinished_database_is_finished_by_whoever_comes_next(disk, folder, make, caplog, done):
    """Its maker was killed in the middle; that is no damage worth a word."""
    folder.mkdir(0o700)
    code = f"import sqlite3, os; c = sqlite3.connect({str(folder / 'resilient.db')!r}, isolation_level=None);"
    code += "".join(f"c.execute({statement!r});" for statement in ("PRAGMA journal_mode = WAL", *done))
    subprocess.run([sys.executable, "-c", code + "os._exit(0)"], check=True)
    assert (folder / "resilient.db").stat().st_size > 0
    pair = disk()
    pair.blocking.set("k", make())
    assert pair.blocking.get("k") == make()
    assert not list(folder.glob("*corrupt*"))
    assert not caplog.records


READ_ONLY = """
import resilient_adapters.sqlite, sqlite3, urllib.parse
opened(sys.argv[1] + "/warm").blocking.close()
os.setegid(65534), os.seteuid(65534)
folder = sys.argv[1] + "/cache"
pair = opened(folder)
pair.blocking.set("k", entry(b"there"))
pair.blocking.close()
for name in os.listdir(folder):
    os.chmod(f"{folder}/{name}", 0o400)
os.chmod(folder, 0o500)
try:
    open(folder + "/new", "w")
except PermissionError:
    print("the fault is there")
from resilient.errors import StoreError
pair = opened(folder)
for work in (lambda: pair.blocking.set("k2", entry(b"x")), lambda: pair.blocking.get("k2")):
    try:
        print(work())
    except StoreError as error:
        print(error.kind)
os.chmod(folder, 0o700)
for name in os.listdir(folder):
    os.chmod(f"{folder}/{name}", 0o600)
pair.blocking.set("k2", entry(b"x"))
print(pair.blocking.get("k2").body, pair.blocking.get("k").body)
pair.blocking.close()
"""


@pytest.fixture
def open_place():
    """A folder that another user can reach.

    Not one of pytest's: each pytest that starts takes its folder away from other users, and with it all that is
    below, in the middle of any test that runs beside.
    """
    place = Path(tempfile.mkdtemp(prefix="resilient-"))
    yield place
    shutil.rmtree(place)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody to whom the modes mean something")
def test_a_folder_that_cannot_be_written_is_a_store_error(script, open_place):
    """Of the kind ``readonly``, and once it can be written it keeps values again."""
    os.chown(open_place, 65534, 65534)
    out, err = script(READ_ONLY, open_place).communicate(timeout=100)
    assert err == ""
    assert out.splitlines() == ["the fault is there", "readonly", "readonly", "b'x' b'there'"]
