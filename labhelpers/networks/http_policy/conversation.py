"""``Conversation``: one client's connection; each request on it is judged by itself, and passed on or answered.

What is passed on is written anew from what was understood, so that the server cannot read anything else in it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import h11

from labhelpers.networks.http_policy.head import END, LONGEST, refusal
from labhelpers.networks.http_policy.rules import HttpRule, who_allows
from labhelpers.networks.http_policy.upstream import Upstream

__all__ = ["Conversation"]

_PATIENCE = 30.0  # seconds for the client to say something
_PIECE = 1 << 16  # bytes
#: about one connection only (RFC 9110, section 7.6.1); where a body ends is said anew
_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"te",
     b"trailer", b"upgrade", b"expect")
)  # fmt: skip
_WORDS = {400: "Bad Request", 403: "Forbidden", 431: "Request Header Fields Too Large", 502: "Bad Gateway",
          503: "Service Unavailable"}  # fmt: skip

Headers = list[tuple[bytes, bytes]]


class Conversation:
    """Args:
    rules: what is allowed.
    ends: addresses and ports of client and server, as the client sees them.
    tell: called with each request's line of the flow log.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        rules: Sequence[HttpRule],
        tell: Callable[[dict[str, Any]], None],
    ) -> None:
        self._reader, self._writer, self._rules, self._tell = reader, writer, rules, tell
        self._client: tuple[str, int] = writer.get_extra_info("peername")
        self._server: tuple[str, int] = writer.get_extra_info("sockname")
        #: read and not used yet
        self._data = b""
        self._upstream: Upstream | None = None

    async def serve(self) -> None:
        """Answer until one side ends the connection, or something is refused."""
        try:
            while await self._one():
                pass
        except (OSError, asyncio.TimeoutError, h11.ProtocolError):
            pass  # the client has gone, or nothing sensible can be said to it any more
        finally:
            self._drop_upstream()
            self._writer.close()

    async def _one(self) -> bool:
        """One request.  Returns whether another may follow."""
        self._data = self._data.lstrip(b"\r\n")  # RFC 9112, section 2.2
        head = await self._head()
        if not head:
            return False
        self._began = time.time()
        line: dict[str, Any] = {"method": "", "path": ""}
        if len(head) > LONGEST:
            return await self._refuse(431, line, f"a head of more than {LONGEST} bytes")
        why = refusal(head)
        if why:
            return await self._refuse(400, line, why)
        self._exchange = h11.Connection(h11.SERVER)
        self._exchange.receive_data(head)
        request = self._exchange.next_event()
        assert isinstance(request, h11.Request)
        line = {"method": request.method.decode(), "path": request.target.decode()}
        host = next((value.decode() for name, value in request.headers if name == b"host"), "")
        rule = who_allows(self._rules, line["method"], line["path"], host)
        if rule is None:
            return await self._refuse(403, line, "no rule allows it", go_on=not _has_body(request.headers))
        return await self._pass_on(request, line, rule)

    async def _head(self) -> bytes:
        """The bytes up to the empty line; ``b""`` if the client has nothing more to say."""
        while END not in self._data and len(self._data) <= LONGEST:
            more = await asyncio.wait_for(self._reader.read(_PIECE), _PATIENCE)
            if not more:
                return self._data  # that it was cut off is seen by whoever looks at it
            self._data = (self._data + more) if self._data else more.lstrip(b"\r\n")
        if END not in self._data:
            return self._data
        end = self._data.index(END) + len(END)
        head, self._data = self._data[:end], self._data[end:]
        return head

    async def _refuse(self, status: int, line: dict[str, Any], why: str, *, go_on: bool = False) -> bool:
        self._say(line, "dropped", status, why)
        text = b"Access denied\r\n" if status == 403 else why.encode() + b"\r\n"
        end = b"" if go_on else b"Connection: close\r\n"
        self._writer.write(
            b"HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nServer: course-proxy\r\n%s\r\n"
            % (status, _WORDS[status].encode(), len(text), end)
        )
        if line["method"] != "HEAD":
            self._writer.write(text)
        await self._writer.drain()
        return go_on

    async def _pass_on(self, request: h11.Request, line: dict[str, Any], rule: HttpRule) -> bool:
        policy = f"http rule {rule.number}"
        try:
            if self._upstream is None or not self._upstream.usable:
                self._drop_upstream()
                self._upstream = await Upstream.connect(self._client[0], self._server)
            await self._upstream.send(
                h11.Request(method=request.method, target=request.target, headers=_passed(request.headers))
            )
            await self._pass_body(self._upstream)
            answer = await self._upstream.next()
            assert isinstance(answer, h11.Response)
        except (OSError, asyncio.TimeoutError, h11.RemoteProtocolError) as error:
            if self._exchange.their_state is h11.ERROR:  # the client's body is none, and not all of it was passed on
                return await self._refuse(400, line, f"a body that is none: {error}")
            status = 502 if isinstance(error, h11.RemoteProtocolError) else 503
            return await self._refuse(status, line, f"the server did not answer: {error or 'in time'}")
        try:
            await self._answer(self._upstream, answer, request)
        finally:
            self._say(line, "forwarded", answer.status_code, policy=policy)
        return self._next_cycle()

    async def _pass_body(self, upstream: Upstream) -> None:
        if self._exchange.they_are_waiting_for_100_continue:
            self._writer.write(self._exchange.send(h11.InformationalResponse(status_code=100, headers=[])))
        while True:
            event = self._exchange.next_event()
            if event is h11.NEED_DATA:
                data, self._data = self._data, b""
                if not data:
                    data = await asyncio.wait_for(self._reader.read(_PIECE), _PATIENCE)
                self._exchange.receive_data(data)
            elif isinstance(event, h11.Data):
                await upstream.send(h11.Data(data=event.data))
            elif isinstance(event, h11.EndOfMessage):
                await upstream.send(h11.EndOfMessage())
                return
            else:
                raise ConnectionResetError("the client has gone")

    async def _answer(self, upstream: Upstream, answer: h11.Response, request: h11.Request) -> None:
        """Pass the answer on, as it comes."""
        headers = _passed(answer.headers)
        event: h11.Response | h11.Data | h11.EndOfMessage = h11.Response(
            status_code=answer.status_code, headers=headers, reason=answer.reason
        )
        while True:
            self._writer.write(self._exchange.send(event) or b"")
            await self._writer.drain()
            if isinstance(event, h11.EndOfMessage):
                return
            part = await upstream.next()
            event = h11.EndOfMessage() if isinstance(part, h11.EndOfMessage) else part

    def _next_cycle(self) -> bool:
        """May another request follow?  What of it was read with the last one is put back."""
        self._data = self._exchange.trailing_data[0] + self._data
        return self._exchange.our_state is h11.DONE and self._exchange.their_state is h11.DONE

    def _say(self, line: dict[str, Any], verdict: str, status: int, reason: str = "", policy: str = "") -> None:
        ends = {"source_address": self._client[0], "source_port": self._client[1],
                "destination_address": self._server[0], "port": self._server[1]}  # fmt: skip
        latency = round((time.time() - self._began) * 1000, 2)
        self._tell(
            {**ends, **line, "time": self._began, "protocol": "HTTP", "verdict": verdict, "reason": reason,
             "policy": policy, "status": status, "latency": latency}
        )  # fmt: skip

    def _drop_upstream(self) -> None:
        if self._upstream is not None:
            self._upstream.close()
        self._upstream = None


def _has_body(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name == b"transfer-encoding" or (name == b"content-length" and int(value)) for name, value in headers)


def _passed(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The headers that are for the other end."""
    headers = list(headers)
    named = {word.strip().lower() for name, value in headers if name == b"connection" for word in value.split(b",")}
    named -= {b"content-length", b"transfer-encoding", b"host"}  # these cannot be named away
    kept = [(name, value) for name, value in headers if name not in _HOP and name not in named]
    if any(name == b"transfer-encoding" for name, _ in kept):
        kept = [(name, value) for name, value in kept if name != b"content-length"]
    return kept
