"""Changes of a store that cannot be made at once, since what they are about lies in several places of a cluster.

A store that has everything in one place does them in one step, and says nothing of places.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress

from resilient.caching.names import is_mark
from resilient.entry import Entry
from resilient.errors import ScatteredError, StoreError, TransactionError
from resilient.ports import EntryStore


async def changed(
    store: EntryStore,
    changes: Mapping[str, Entry | None],
    expected: Mapping[str, Entry | None],
    marks: Mapping[str, Entry | None],
) -> bool:
    """Write entries that lie together, unless something else is there than was expected; True.

    Marks that lie elsewhere are looked at twice: before, so that nothing is written that was forgotten by then; and
    after, so that nothing of it stays that was forgotten meanwhile.

    Args:
        store: where to.
        changes: what is written under each key, None to remove it.
        expected: what has to be there under keys that are written.
        marks: what has to be there under names of marks.

    Raises:
        TransactionError: something else is there; nothing of ``changes`` is.
    """
    try:
        await store.commit(changes, expected={**expected, **marks})
    except ScatteredError as error:
        # By their names, which of the keys a middleware may have changed.
        near = {name for group in error.groups if not all(map(is_mark, group)) for name in group}
    else:
        return True
    here = {name: entry for name, entry in marks.items() if name in near}
    elsewhere = {name: entry for name, entry in marks.items() if name not in near}
    await _see(store, elsewhere)
    await store.commit(changes, expected={**expected, **here})
    try:
        await _see(store, elsewhere)
    except StoreError:
        await store.commit(dict.fromkeys(changes))
        raise
    return True


async def forgotten(
    store: EntryStore,
    changes: Mapping[str, Entry | None],
    tags: Collection[str],
    expected: Mapping[str, Entry | None],
) -> int:
    """Remove entries by key and by tag, and leave marks; how many were removed.

    Where that cannot be done at once, marks come first: what began before is not written after them, and what was
    written before them is removed.

    Args:
        store: where.
        changes: the marks, and None for each key that is removed.
        tags: all that has one of these is removed.
        expected: marks that have to be there still.

    Raises:
        TransactionError: other marks are there; nothing was removed.
    """
    with suppress(ScatteredError):
        return await store.commit(changes, expected=expected, tags=tags)
    mine = {name: entry for name, entry in expected.items() if name in changes}
    await _see(store, {name: entry for name, entry in expected.items() if name not in mine})
    with suppress(ScatteredError):
        return await store.commit(changes, expected=mine, tags=tags)
    for name, entry in changes.items():
        if entry is not None:
            await store.commit({name: entry}, expected={name: mine[name]} if name in mine else {})
    removed = await store.commit({}, tags=tags)
    gone = {name: entry for name, entry in changes.items() if entry is None}
    try:
        return removed + await store.commit(gone)
    except ScatteredError as error:
        return removed + sum([await store.commit(dict.fromkeys(together)) for together in error.groups])


async def _see(store: EntryStore, expected: Mapping[str, Entry | None]) -> None:
    if await store.get_many(list(expected)) != list(expected.values()):
        raise TransactionError("something was forgotten meanwhile")
