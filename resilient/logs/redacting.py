"""httpx writes the address of every request into the log, its query included: what may be a secret is taken out."""

from __future__ import annotations

import logging
from collections.abc import Collection

from resilient.redaction import without_secrets

LOGGERS = ("httpx", "httpx2")


class _Redacting(logging.Filter):
    def __init__(self, safe_params: Collection[str]) -> None:
        super().__init__()
        self._safe_params = safe_params

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = without_secrets(record.getMessage(), self._safe_params), ()
        return True


def is_redacted(name: str) -> bool:
    """Whether that is done for the logger of this name."""
    return any(isinstance(each, _Redacting) for each in logging.getLogger(name).filters)


def redact_httpx_logs(safe_params: Collection[str] = ()) -> None:
    """Take users and query values out of what httpx and httpx2 log, for all clients; done twice it is done once.

    Args:
        safe_params: the names of query values that may be seen.
    """
    for name in LOGGERS:
        logger = logging.getLogger(name)
        for each in [each for each in logger.filters if isinstance(each, _Redacting)]:
            logger.removeFilter(each)
        logger.addFilter(_Redacting(frozenset(safe_params)))
