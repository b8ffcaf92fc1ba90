"""Connections by TLS, and what it means that the server hangs up while one introduces itself.

A server that wants a certificate from its clients judges it after they have begun to speak. It says what is wrong with
it and hangs up, and often only the latter arrives.
"""

from __future__ import annotations

from typing import Any

import redis.asyncio.connection as for_tasks
from redis.exceptions import AuthorizationError, ConnectionError


class AsyncSecureConnection(for_tasks.SSLConnection):
    """For tasks."""

    async def disconnect(self, *args: Any, **options: Any) -> None:
        # Or it would stay open until the server has said good-bye too, be it beyond the end of the loop.
        if self._writer is not None:
            self._writer.transport.abort()
        await super().disconnect(*args, **options)


def introduce(connection: Any) -> None:
    """Introduce a connection for threads; redis-py calls this.

    Raises:
        AuthorizationError: the server hung up.
        RedisError: it answered with an error.
    """
    try:
        connection.on_connect()
    except ConnectionError as error:
        _explain(error)
        raise


async def introduce_for_tasks(connection: Any) -> None:
    """The same for tasks."""
    try:
        await connection.on_connect()
    except ConnectionError as error:
        _explain(error)
        raise


def _explain(error: ConnectionError) -> None:
    # Its subclasses are answers.
    if type(error) is ConnectionError:
        raise AuthorizationError(
            f"the server hung up before it answered, as if it does not accept the client's certificate: {error}"
        ) from error
