"""Bodies that come compressed, decoded within the limit on bodies."""

import zlib

from offramp.serving.refusals import Refusal, too_large

# What zlib calls them.
_WINDOWS = {"gzip": zlib.MAX_WBITS + 16, "x-gzip": zlib.MAX_WBITS + 16, "deflate": zlib.MAX_WBITS}


def decoded(body: bytes, coding: str, most: int) -> bytes:
    """A body without its ``Content-Encoding``; never more than the limit is decoded.

    Args:
        body: as it came.
        coding: the header's value; empty if there is none.
        most: bytes of the decoded body.

    Raises:
        Refusal: the coding is unknown, the body is damaged, or it is too long when decoded.
    """
    name = coding.strip().lower()
    if not body or name in ("", "identity"):
        return body
    if name not in _WINDOWS:
        message = f"the body's Content-Encoding is {coding!r:.60}; send gzip, deflate or none"
        raise Refusal(415, "unsupported_encoding", message, headers={"Accept-Encoding": "gzip, deflate"})
    stream = zlib.decompressobj(_WINDOWS[name])
    try:
        plain = stream.decompress(body, most + 1)
    except zlib.error:
        raise _damaged(name) from None
    if len(plain) > most:
        raise too_large(f"the request's body is longer than {most} bytes when decoded")
    # A second part would have to be copied for each one before it; no client sends one.
    if not stream.eof or stream.unused_data:
        raise _damaged(name)
    return plain


def _damaged(name: str) -> Refusal:
    return Refusal(400, "invalid_encoding", f"the body is not {name}, as its Content-Encoding says, or not whole")
