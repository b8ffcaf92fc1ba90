"""Values of functions as bytes, and back: what a value was, it is again, and nothing of it is run."""

from resilient.caching.codec.codec import ENCODING, Codec, Encoded, Ready
from resilient.caching.codec.registered import Registry, register_type

__all__ = ["ENCODING", "Codec", "Encoded", "Ready", "Registry", "register_type"]
