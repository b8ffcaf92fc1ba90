"""Around the commands of a cache: write one, or take one that is here."""

from resilient.middlewares.after import After
from resilient.middlewares.base import BaseMiddleware
from resilient.middlewares.error_handling import ErrorHandling
from resilient.middlewares.key_prefix import KeyPrefix
from resilient.middlewares.logging import Logging
from resilient.middlewares.value_size_limit import ValueSizeLimit

__all__ = ["After", "BaseMiddleware", "ErrorHandling", "KeyPrefix", "Logging", "ValueSizeLimit"]
