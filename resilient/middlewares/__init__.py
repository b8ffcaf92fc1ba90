"""Around the commands of a cache: write one, or take one that is here."""

from resilient.middlewares.base import BaseMiddleware

__all__ = ["BaseMiddleware"]
