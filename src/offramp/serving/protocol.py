"""HTTP on the wire: what a stranger sends before a key is checked is bounded in bytes, in number and in time."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from offramp.serving.refusals import Refusal, slow, too_large
from offramp.serving.settings import Settings

# Bytes of a request's head; of a chunked body all that is no body (sizes, extensions, trailers), too.
MAX_HEAD_BYTES = 64 * 1024
# Header fields of a request, trailers included.
MAX_HEADERS = 100
# Bytes that are parsed before the limits are looked at. It bounds how many requests can be begun at once on a
# connection, as those after the second wait unparsed.
_PIECE = 4096
# What a part of a chunked body may cost besides itself; clients that write word by word are no attack.
_CHUNK = 16
# Seconds in which a client may still send, and what it sends is dropped, after the last answer of a connection.
_LINGER = 1.0
# Seconds in which those who close their half of the connection are still answered. Most of them have left.
_HALF_CLOSED = 1.0

# Address and port of a client, as far as they are known.
Peer = tuple[str, int] | None


class BoundedProtocol(HttpToolsProtocol):
    """Uvicorn's protocol with limits; without offers of other protocols; and with one answer to each request.

    What uvicorn leaves open: its parser joins a head of any length; reads the body of a request that offers an
    upgrade as the next request; takes trailers for headers; begins every request that a client pipelines; answers
    what cannot be parsed before the requests that came first. Its callbacks are extended here, and what else of its
    inside is used stays in this file.

    Args:
        config, server_state, app_state, _loop: as uvicorn gives them.
        settings: limits.
        refused: told of every answer that the application does not see, and whose it is.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        settings: Settings,
        refused: Callable[[Peer, Refusal], None],
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._settings = settings
        self._closing = _Closing(self)
        self._refused = refused
        # Parsed up to here: not beyond a request that waits for its turn.
        self._unread = b""
        # Bytes of the present request that may still come and be no body.
        self._spare = MAX_HEAD_BYTES
        self._headers = 0
        self.url = b""
        # Whether some of the present request is there.
        self._begun = False
        # Whether its head is complete, and the request itself is not.
        self._in_body = False
        self._half_closed = False
        # The last answer; what the client sends after its cause is dropped.
        self._refusal: Refusal | None = None
        # Why a callback stopped the parser, which may not say so itself.
        self._cause: Refusal | None = None
        self._ended = False
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Gives a client time for a head; leaves no room for more than twice the connections that are served."""
        super().connection_made(transport)
        if len(self.connections) > 2 * self._settings.max_connections:
            transport.abort()
        else:
            self._be_patient()

    def connection_lost(self, exc: Exception | None) -> None:
        """Lets go of everything."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._lose_patience()
        self._unread = b""

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answers those who have sent a whole request and close their half of the connection."""
        whole = not self._in_body or bool(self.pipeline)
        self._half_closed = self._busy and whole and not self._ended
        if self._half_closed:
            self.loop.call_later(_HALF_CLOSED, self.transport.close)
        return self._half_closed

    def data_received(self, data: bytes) -> None:
        """Parses what came, up to a request that has to wait for its turn."""
        if self._refusal is not None or self._ended:
            return
        self._unset_keepalive_if_required()
        data, self._unread = self._unread + data, b""
        for start in range(0, len(data), _PIECE):
            if self.pipeline:
                self._unread = data[start:]
                self.flow.pause_reading()
                return
            refusal = self._parse(data[start : start + _PIECE])
            if refusal is not None:
                self._refuse(refusal)
                return
        if not self._busy and self._patience is None:
            self._be_patient()

    def on_message_begin(self) -> None:
        """A request from here on."""
        super().on_message_begin()
        self._begun = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Trailers are counted, and are no headers: they came after these were checked."""
        self._headers += 1
        if self._headers > MAX_HEADERS:
            self._cause = Refusal(431, "head_too_large", f"the request has more than {MAX_HEADERS} header fields")
            raise self._cause
        if not self._in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begins a request; not one that offers an upgrade, as it is parsed again without the offer."""
        if self.parser.should_upgrade():
            return
        try:
            super().on_headers_complete()
        except (httptools.HttpParserInvalidURLError, UnicodeDecodeError, AttributeError):
            self._cause = Refusal(400, "bad_request", "the request's target is no path such as /predict")
            raise self._cause from None
        self.cycle.transport = self._closing
        self._in_body = True
        self._lose_patience()

    def on_body(self, body: bytes) -> None:
        """Bodies have a limit of their own."""
        super().on_body(body)
        self._spare = min(MAX_HEAD_BYTES, self._spare + len(body) + _CHUNK)

    def on_message_complete(self) -> None:
        """The next bytes are another request's."""
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        self._begun = self._in_body = False
        self._spare = MAX_HEAD_BYTES
        self._headers = 0
        self.url = b""

    def on_response_complete(self) -> None:
        """Goes on with the requests that came meanwhile."""
        last = not self.pipeline
        if self._ended or self.transport.is_closing():
            return
        super().on_response_complete()
        if last and self._refusal is not None:
            self._end(self._refusal)
        elif not self.pipeline and (self._unread or self._begun):
            self.data_received(b"")
        if last and self._half_closed and not self._busy:
            self.transport.close()

    def end_connection(self) -> None:
        """Closes the connection when the client has done so, or soon; data that arrive then would take the answer."""
        if self._ended or self.transport.is_closing():
            return
        self._ended = True
        self._unread = b""
        self._lose_patience()
        self._unset_keepalive_if_required()
        if self._half_closed:
            self.transport.close()
            return
        self.transport.write_eof()
        self.flow.resume_reading()
        self.loop.call_later(_LINGER, self.transport.close)

    @property
    def _busy(self) -> bool:
        """Whether a request waits for its answer."""
        return self.cycle is not None and not self.cycle.response_complete

    def _be_patient(self) -> None:
        self._patience = self.loop.call_later(self._settings.body_timeout_ms / 1000, self._too_slow)

    def _lose_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _too_slow(self) -> None:
        """The time for a head is over."""
        self._patience = None
        if self._begun:
            self._refuse(slow(self._settings.body_timeout_ms))
        else:
            self.transport.close()

    def _parse(self, piece: bytes) -> Refusal | None:
        """Parses some bytes; returns why not."""
        self._spare -= len(piece)
        try:
            while piece:
                try:
                    self.parser.feed_data(piece)
                    piece = b""
                except httptools.HttpParserUpgrade as offer:
                    piece = self._decline() + piece[offer.args[0] :]
        except Refusal as refusal:
            return refusal
        except httptools.HttpParserError as error:
            return self._cause or Refusal(400, "bad_request", f"the request is no HTTP: {error}")
        return self._too_long() if self._spare < 0 else None

    def _decline(self) -> bytes:
        """The head of a request without its offer to upgrade, for a parser that has not seen it.

        Parsers stop at such a head, and leave the body to the other protocol. A server may ignore the offer.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            raise Refusal(400, "bad_request", "this server is no proxy")
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (method, self.url, version)]
        lines += [b"%b: %b" % field for field in self.headers if field[0] != b"upgrade"]
        self._headers = 0
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn
        return b"\r\n".join([*lines, b"", b""])

    def _too_long(self) -> Refusal:
        if self._in_body:
            return too_large(f"chunk sizes, extensions and trailers of the body have more than {MAX_HEAD_BYTES} bytes")
        # Most of it is the target, or all the rest.
        status = 414 if len(self.url) > MAX_HEAD_BYTES // 2 else 431
        return Refusal(status, "head_too_large", f"the request's head is longer than {MAX_HEAD_BYTES} bytes")

    def _refuse(self, refusal: Refusal) -> None:
        """Refuses the request that is being read, after the answers to those before it."""
        self._refusal = refusal
        if not self._in_body:
            if not self._busy:
                self._end(refusal)
        elif self.pipeline:
            self.pipeline.popleft()
            self._in_body = False
        elif self._busy and not self.cycle.response_started:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._end(refusal)
        elif self._busy:
            self.transport.close()
        else:
            self.end_connection()

    def _end(self, refusal: Refusal) -> None:
        """Sends the last answer of a connection."""
        self._refused(self.client, refusal)
        headers, body = refusal.last_answer(self.url.decode("latin-1"))
        lines = [b"HTTP/1.1 %d %b" % (refusal.status, HTTPStatus(refusal.status).phrase.encode())]
        lines += [b"%b: %b" % field for field in (*self.server_state.default_headers, *headers)]
        if self.url and self.parser.get_method() == b"HEAD":  # without a target the parser knows the method before
            body = b""
        self.transport.write(b"\r\n".join([*lines, b"", body]))
        self.end_connection()


class _Closing(asyncio.Transport):
    """What a request's answer is written to; to close it is to end the connection in good order."""

    def __init__(self, protocol: BoundedProtocol) -> None:
        super().__init__()
        self._protocol = protocol

    def write(self, data: "bytes | bytearray | memoryview[Any]") -> None:
        self._protocol.transport.write(data)

    def is_closing(self) -> bool:
        return self._protocol.transport.is_closing()

    def close(self) -> None:
        self._protocol.end_connection()
