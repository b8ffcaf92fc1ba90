"""Values of functions as bytes, and back: what a value was, it is again, and nothing of it is run."""

from resilient.caching.codec.codec import ABSENT, ENCODING, Codec, Encoded, ready_value
from resilient.caching.codec.registered import Registry, register_type

__all__ = ["ABSENT", "ENCODING", "Codec", "Encoded", "Registry", "ready_value", "register_type"]
