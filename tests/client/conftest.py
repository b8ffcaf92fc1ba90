"""Clients to compare with, and answers of the shapes that real servers give."""

import pytest


@pytest.fixture
def plain(world):
    """Makes a caller in front of the HTTP library's own client: the reference."""

    def make(transport, **options):
        caller = world.client(transport)
        kind = world.choose(world.http.Client, world.http.AsyncClient)
        caller.client = kind(transport=transport, **{"base_url": "https://api.test", **options})
        return caller

    return make
