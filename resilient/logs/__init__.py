"""Events as lines of the standard log, under the loggers ``resilient.*``.

Nothing has to be switched on: what a program logs of warnings and errors, it logs of ours. A line that comes again and
again is written once in ten seconds, and says how many were left out. No line holds a key, a query value, a header
field or the text of an error.
"""

from resilient.logs.formatter import JsonFormatter
from resilient.logs.logs import set_levels
from resilient.logs.redacting import redact_httpx_logs

__all__ = ["JsonFormatter", "redact_httpx_logs", "set_levels"]
