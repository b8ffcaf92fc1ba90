"""Clients to compare with, and answers of the shapes that real servers give."""

import pytest

from tests.stores.servers import Server

PATIENT = "?socket_timeout=60s&socket_connect_timeout=60s"


@pytest.fixture
def plain(world):
    """Makes a caller in front of the HTTP library's own client: the reference."""

    def make(transport, **options):
        caller = world.client(transport)
        kind = world.choose(world.http.Client, world.http.AsyncClient)
        caller.client = kind(transport=transport, **{"base_url": "https://api.test", **options})
        return caller

    return make


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory):
    """A server for all tests here that do it no harm. It compresses nothing, so that one can read what it keeps."""
    server = Server(tmp_path_factory.mktemp("redis"), "rdbcompression no")
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def cluster_url(redis_cluster):
    """The addresses of an empty store in a cluster, patient with a busy machine."""
    redis_cluster.flush()
    return redis_cluster.url + PATIENT


@pytest.fixture(params=["memory", "disk", "redis", "redis-cluster"])
def store(request, tmp_path):
    """The address of an empty store, patient with a busy machine."""
    if request.param == "redis-cluster":
        return request.getfixturevalue("cluster_url")
    if request.param == "memory":
        return "mem://"
    if request.param == "disk":
        return f"disk://{tmp_path}/cache?write_wait=60s&busy_timeout=60s"
    server = request.getfixturevalue("redis_server")
    server.ask("FLUSHALL")
    return server.url + PATIENT
