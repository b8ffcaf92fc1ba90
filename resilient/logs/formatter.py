"""Lines of the log as JSON, one object a line."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from resilient.redaction import without_secrets

_OURS = ("event", "suppressed", "trace_id", "span_id", "resilient")


class JsonFormatter(logging.Formatter):
    """Writes each record as one JSON object: time, level, logger, message, and what our events have beside it.

    An exception is written by the name of its class and where it was raised, without its text, which may hold anything.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        said: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
        }
        said |= {name: getattr(record, name) for name in _OURS if getattr(record, name, None)}
        if record.exc_info and (error := record.exc_info[1]) is not None:
            said["error"] = type(error).__qualname__
            if (where := error.__traceback__) is not None:
                while where.tb_next is not None:
                    where = where.tb_next
                said["at"] = f"{where.tb_frame.f_code.co_filename}:{where.tb_lineno}"
        return json.dumps(said, default=str)
