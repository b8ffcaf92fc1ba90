"""What a running process does, seen from outside: its latest events, over a socket of its own user."""

from resilient.live.serving import Live

__all__ = ["Live"]
