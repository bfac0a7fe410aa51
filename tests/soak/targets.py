"""What reads input from outside, each as a function that takes bytes: it may refuse them, and nothing else."""

from __future__ import annotations

import asyncio
import json
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

from aiohttp import WSMessage, WSMsgType

from labhelpers.cluster.api.decode import decode
from labhelpers.cluster.api.protobuf import read_protobuf
from labhelpers.cluster.api.request import Target as ApiTarget
from labhelpers.cluster.api.streams.channels import WebSocketChannels
from labhelpers.cluster.api.streams.spdy import SpdyConnection, SpdyStream
from labhelpers.cluster.api.types import DATA, type_of
from labhelpers.cluster.api.verbs import create
from labhelpers.cni.config import NetworkConfigList
from labhelpers.cni.plugin.quick_json import loads
from labhelpers.cni.plugin.skeleton import PluginError, Request
from labhelpers.cni.result import Result
from labhelpers.conformance.policy import RECIPES
from labhelpers.conformance.policy.recipes import CAST, cast
from labhelpers.errors import LabError
from labhelpers.linux import headers, packet
from labhelpers.networks.policy.compile import compiled
from labhelpers.networks.policy.world import World
from labhelpers.store import NAMESPACES, NETWORKPOLICIES, MemoryStore
from tests.soak.mutate import bytes_like, json_like
from tests.soak.wire import FRAMES, PROTOBUF

__all__ = ["TARGETS", "Target", "conversation"]


@dataclass(frozen=True)
class Target:
    """``make`` gives an input for a state of the random numbers, ``feed`` reads it."""

    name: str
    make: Callable[[Random], bytes]
    feed: Callable[[bytes], None]


# ---- packets


def _packets(data: bytes) -> None:
    assert len(packet.decode(data).summary) < 1000
    for ethernet in (True, False):
        headers.decode(data, ethernet=ethernet)


# ---- CNI

_CONFIG: dict[str, Any] = {
    "cniVersion": "1.1.0",
    "cniVersions": ["0.4.0", "1.0.0", "1.1.0"],
    "name": "net",
    "disableCheck": False,
    "plugins": [
        {
            "type": "bridge",
            "bridge": "cni0",
            "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.0.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]},
            "capabilities": {"ips": True},
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}
_RESULT: dict[str, Any] = {
    "cniVersion": "1.1.0",
    "interfaces": [{"name": "eth0", "mac": "99:88:77:66:55:44", "sandbox": "/run/netns/a", "mtu": 1400}],
    "ips": [{"address": "10.1.0.5/16", "gateway": "10.1.0.1", "interface": 0}, {"address": "fd00::5/64"}],
    "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.1", "mtu": 1400, "priority": 5}],
    "dns": {"nameservers": ["10.1.0.1"], "search": ["cluster.local"]},
}
_CALLED: dict[str, Any] = {
    "cniVersion": "1.1.0",
    "name": "net",
    "type": "x",
    "prevResult": _RESULT,
    "cni.dev/valid-attachments": [{"containerID": "a", "ifname": "eth0"}],
}


def _cni(data: bytes) -> None:
    text = data.decode(errors="replace")
    with suppress(LabError):
        parsed = NetworkConfigList.parse(text)
        parsed.version  # noqa: B018  # it is looked up when it is asked for
        for number in range(len(parsed.plugins)):
            repr(parsed.plugins[number].capabilities)
            repr(parsed.plugins[number].delegates)
    with suppress(LabError, ValueError, RecursionError):
        Result.parse(json.loads(text)).to_json("0.4.0")
    with suppress(PluginError):
        request = Request("ADD", {}, text)
        request.previous  # noqa: B018
        request.valid_attachments  # noqa: B018
    with suppress(ValueError, RecursionError):
        loads(text)


# ---- policies

_POLICIES: list[Any] = [
    {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", **one}
    for recipe in RECIPES
    for one in recipe.policies
]
_ADDRESSES = {name: f"10.0.1.{number}" for number, name in enumerate(CAST, 10)}


def _policy(data: bytes) -> None:
    """What the API server lets in must be enforced: it may be refused there, and nowhere later."""
    try:
        sent = json.loads(data)
        namespace = sent["metadata"]["namespace"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return
    if not isinstance(namespace, str) or not namespace:
        return
    store = MemoryStore()
    with suppress(LabError):
        store.create(NAMESPACES, {"metadata": {"name": namespace}})
        create(store, ApiTarget(NETWORKPOLICIES, namespace), sent, validation="Strict", dry_run=False)
    known = cast(_ADDRESSES, dict.fromkeys(CAST, "node-1"))
    known["networkpolicies"] = list(store.list(NETWORKPOLICIES).items)
    compiled(World(known), "node-1")


# ---- protobuf


def _protobuf(data: bytes) -> None:
    with suppress(LabError):
        found = read_protobuf(data)
        version, kind = found["apiVersion"], found["kind"]
        decode(type_of(version, kind), found, kind, version)


# ---- SPDY

_DICTIONARY = (DATA / "spdy.dictionary").read_bytes()


def conversation(*numbers: int) -> bytes:
    """Three streams, which have these numbers; some data, a ping, an end."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, 15, 8, zlib.Z_DEFAULT_STRATEGY, _DICTIONARY)
    said = b""
    for number, kind in zip(numbers, (b"error", b"stdin", b"stdout"), strict=True):
        block = deflate.compress(struct.pack(">II10sI", 1, 10, b"streamtype", len(kind)) + kind)
        block += deflate.flush(zlib.Z_SYNC_FLUSH)
        said += struct.pack(">HHIIIBB", 0x8003, 1, 10 + len(block), number, 0, 0, 0) + block
    said += struct.pack(">II", 3, 5) + b"hello" + struct.pack(">HHII", 0x8003, 6, 4, 1)
    return said + struct.pack(">HHIII", 0x8003, 3, 8, 5, 5) + struct.pack(">II", 3, 1 << 24)


def _spdy(data: bytes) -> None:
    """Without an event loop, which costs more than the reading: after the end nothing may wait any more."""

    async def run() -> None:
        streams: list[SpdyStream] = []
        connection = SpdyConnection(streams.append, lambda _: None)
        connection.data_received(data[: len(data) // 2])
        connection.data_received(data[len(data) // 2 :])
        connection.finish()
        for one in streams:
            while await one.read():
                pass

    with suppress(StopIteration):
        run().send(None)
        raise AssertionError("a stream that has ended is waited for")


# ---- channels in WebSocket messages

#: messages one after another: typed text, two sizes of the window, the end of what is typed
_MESSAGES = [b"\0hello", b'\4{"Width": 80, "Height": 24}', b'\4{"Width": 1e4, "Height": 2}', b"\xff\0", b"\0again"]
_BETWEEN = b"|"


def _messages(random: Random) -> bytes:
    """Half of them damaged as text, half as JSON behind the number of the channel."""
    if random.random() < 0.5:
        return bytes_like(random, [_BETWEEN.join(_MESSAGES)])
    return b"\4" + json_like(random, [{"Width": 80, "Height": 24}]) + _BETWEEN + b"\0x"


class _Socket:
    """What aiohttp hands on of a connection."""

    def __init__(self, messages: list[bytes]) -> None:
        self._messages = iter(messages)

    def __aiter__(self) -> _Socket:
        return self

    async def __anext__(self) -> WSMessage:
        for data in self._messages:
            return WSMessage(WSMsgType.BINARY, data, None)
        raise StopAsyncIteration


def _channels(data: bytes) -> None:
    """What is typed and the sizes come to their ends, and each size is one that a terminal takes."""

    async def run() -> None:
        channels = WebSocketChannels()
        channels._socket = _Socket(data.split(_BETWEEN))  # type: ignore[assignment]
        channels._reader = asyncio.create_task(channels._read())

        async def typed() -> None:
            async for _ in channels.stdin():
                pass

        reading = asyncio.create_task(typed())
        async for columns, rows in channels.sizes():
            struct.pack("HH", columns, rows)  # as in winsize, see tty_ioctl(4)
        await channels._reader
        reading.cancel()  # the end may be in a place nobody comes to: after the first end of what is typed
        await asyncio.gather(reading, return_exceptions=True)

    asyncio.run(run())


TARGETS = (
    Target("packets", lambda random: bytes_like(random, FRAMES), _packets),
    Target("CNI", lambda random: json_like(random, [_CONFIG, _RESULT, _CALLED]), _cni),
    Target("policy", lambda random: json_like(random, _POLICIES), _policy),
    Target("protobuf", lambda random: bytes_like(random, PROTOBUF), _protobuf),
    Target("SPDY", lambda random: bytes_like(random, [conversation(1, 3, 5)]), _spdy),
    Target("WebSocket", _messages, _channels),
)
