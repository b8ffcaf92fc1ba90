"""How bodies are made smaller, and undone within bounds."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from resilient.errors import ConfigurationError
from resilient.settings import nearest

_GZIP_BITS = 31
_NONE = ("none", "None", "")


@dataclass(frozen=True, slots=True)
class Codec:
    """A way to compress.

    Attributes:
        number: stands for it in records; never given to another one.
        squeeze: compresses.
        expand: undoes that, given how many bytes have to come out; makes hardly more than those whatever it is
            given, and raises ValueError where it cannot.
    """

    number: int
    squeeze: Callable[[bytes], bytes]
    expand: Callable[[bytes, int], bytes]


def codec_named(name: str | None) -> Codec | None:
    """The codec of an option: ``"gzip"``, ``"zstd"``, or None for none.

    Raises:
        ConfigurationError: there is no such codec, or it is not installed.
    """
    if name is None or name in _NONE:
        return None
    if name not in _NAMES:
        raise ConfigurationError(f"compress={name!r} is not right; {nearest(str(name), (*_NAMES, 'none'))}")
    codec = codec_numbered(_NAMES[name])
    if codec is None:
        raise ConfigurationError(f"compress={name!r} needs zstandard: pip install 'resilient-client[zstd]'")
    return codec


def codec_numbered(number: int) -> Codec | None:
    """The codec of a record, None if this process does not have it."""
    if number == _GZIP.number:
        return _GZIP
    return _zstd() if number == _NAMES["zstd"] else None


def _squeeze_gzip(body: bytes) -> bytes:
    squeezer = zlib.compressobj(1, zlib.DEFLATED, _GZIP_BITS)
    return squeezer.compress(body) + squeezer.flush()


def _expand_gzip(body: bytes, size: int) -> bytes:
    inflater = zlib.decompressobj(_GZIP_BITS)
    # One byte more than there must be: what claims to be small cannot fill the memory.
    try:
        body = inflater.decompress(body, size + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not inflater.eof:
        raise ValueError("a compressed body without an end")
    return body


@cache
def _zstd() -> Codec | None:
    try:
        import zstandard
    except ImportError:
        return None

    class Tools(threading.local):
        """A thread's own: they take longer to make than to use."""

        def __init__(self) -> None:
            self.compressor = zstandard.ZstdCompressor()
            self.decompressor = zstandard.ZstdDecompressor()

    tools = Tools()

    def squeeze(body: bytes) -> bytes:
        return tools.compressor.compress(body)

    def expand(body: bytes, size: int) -> bytes:
        try:
            # As much memory is taken as the compressed body itself asks for.
            if zstandard.frame_content_size(body) != size:
                raise ValueError("a compressed body of another size")
            return tools.decompressor.decompress(body, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise ValueError(str(error)) from error

    return Codec(_NAMES["zstd"], squeeze, expand)


_NAMES = {"gzip": 1, "zstd": 2}
_GZIP = Codec(_NAMES["gzip"], _squeeze_gzip, _expand_gzip)
