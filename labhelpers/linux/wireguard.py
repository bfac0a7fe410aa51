"""WireGuard in the kernel: an interface whose packets are encrypted for whom they are meant (``wg``).

An interface has a private key and peers.  A peer is a public key, the place where it was last heard of (its endpoint),
and the addresses it may send from and is sent to (its allowed addresses).  Keys are written as ``wg`` writes them.

Source: ``include/uapi/linux/wireguard.h``; J. Donenfeld, "WireGuard", https://www.wireguard.com/papers/wireguard.pdf.
"""

from __future__ import annotations

import socket as s
import struct
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Network

from labhelpers.errors import KernelFeatureMissing
from labhelpers.linux import constants as c
from labhelpers.linux import generic_netlink
from labhelpers.linux.changes import Changes
from labhelpers.linux.explain import refused
from labhelpers.linux.link import HEADER
from labhelpers.linux.namespace import NetworkNamespace
from labhelpers.linux.netlink import (
    Message,
    NetlinkRefusal,
    NetlinkSocket,
    attribute,
    attributes,
    nested,
    number,
    text,
)

__all__ = ["OVERHEAD", "Device", "Peer", "add", "change", "decode", "encode", "is_there", "read"]

#: bytes: outer IPv4 header 20, UDP 8, WireGuard's header 16 and authenticator 16
OVERHEAD = 60

_FAMILY, _VERSION = "wireguard", 1
_GET, _SET = 0, 1  # WG_CMD_GET_DEVICE, WG_CMD_SET_DEVICE
_NESTED = 0x8000  # NLA_F_NESTED
# enum wgdevice_attribute
_NAME, _PRIVATE, _PUBLIC, _PORT, _MARK, _PEERS = 2, 3, 4, 6, 7, 8
# enum wgpeer_attribute
_PEER_KEY, _PEER_FLAGS, _ENDPOINT, _HANDSHAKE, _RECEIVED, _SENT, _ALLOWED = 1, 3, 4, 6, 7, 8, 9
_REMOVE_ME, _REPLACE_ALLOWED = 1, 2  # WGPEER_F_…
# enum wgallowedip_attribute
_IP_FAMILY, _IP, _PREFIX = 1, 2, 3
_U16, _U32, _U64 = struct.Struct("=H"), struct.Struct("=I"), struct.Struct("=Q")


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody an interface talks to."""

    public_key: str
    #: IPv4 address and UDP port; ``("", 0)``: wherever it comes from
    endpoint: tuple[str, int] = ("", 0)
    #: CIDR blocks
    allowed: tuple[str, ...] = ()
    #: when both last agreed on keys, in seconds since 1970; 0: never
    handshake: int = 0
    #: bytes
    received: int = 0
    sent: int = 0


@dataclass(frozen=True, slots=True)
class Device:
    """An interface's configuration and its peers."""

    public_key: str
    port: int
    mark: int
    peers: tuple[Peer, ...] = ()


def add(changes: Changes, name: str) -> None:
    """Create a WireGuard interface, without a key and down.  Shell: ``ip link add NAME type wireguard``."""
    changes.add(
        f"ip link add {name} type wireguard",
        c.RTM_NEWLINK,
        c.NLM_F_CREATE | c.NLM_F_EXCL,
        HEADER.pack(0, 0, 0, 0, 0)
        + text(c.IFLA_IFNAME, name)
        + nested(c.IFLA_LINKINFO, text(c.IFLA_INFO_KIND, "wireguard")),
    )


def change(
    namespace: NetworkNamespace,
    name: str,
    *,
    private_key: str = "",
    port: int = 0,
    mark: int = 0,
    peers: Iterable[Peer] = (),
    gone: Iterable[str] = (),
) -> None:
    """Change an interface's configuration; what is not given stays.

    Args:
        port: UDP port to listen on.
        mark: of its own encrypted packets, so that rules can tell them from others.
        peers: to add, or to give another endpoint and other allowed addresses.
        gone: public keys of peers to forget.

    Raises:
        KernelFeatureMissing, KernelRefused …: as the kernel says.

    Shell: ``wg set NAME private-key FILE listen-port PORT fwmark MARK``,
    ``wg set NAME peer KEY allowed-ips BLOCK endpoint ADDRESS:PORT``, ``wg set NAME peer KEY remove``.
    """
    body = encode(name, private_key, port, mark, peers, gone)
    with _socket(namespace) as socket:
        try:
            socket.send([Message(_family(socket), 0, body)])
        except NetlinkRefusal as refusal:
            raise refused(refusal.errno or 0, refusal.from_kernel, f"wg set {name}") from refusal


def read(namespace: NetworkNamespace, name: str) -> Device:
    """Read an interface's configuration.  Shell: ``wg show NAME``."""
    with _socket(namespace) as socket:
        try:
            body = generic_netlink.HEADER.pack(_GET, _VERSION) + text(_NAME, name)
            return decode(list(socket.dump(_family(socket), body)))
        except NetlinkRefusal as refusal:
            raise refused(refusal.errno or 0, refusal.from_kernel, f"wg show {name}") from refusal


def is_there() -> bool:
    """Does the kernel have WireGuard?  Changes nothing, but the kernel loads the module if it may.

    Shell: ``genl ctrl get name wireguard``.
    """
    with NetlinkSocket(generic_netlink.PROTOCOL) as socket:
        try:
            _family(socket)
        except KernelFeatureMissing:
            return False
    return True


def _socket(namespace: NetworkNamespace) -> NetlinkSocket:
    return namespace.visit(lambda: NetlinkSocket(generic_netlink.PROTOCOL))


def _family(socket: NetlinkSocket) -> int:
    try:
        return generic_netlink.family(socket, _FAMILY)
    except NetlinkRefusal as refusal:
        raise KernelFeatureMissing(
            "This kernel has no WireGuard.", "Run doctor() to see what it has.", errno=refusal.errno
        ) from refusal


def encode(
    name: str, private_key: str, port: int, mark: int, peers: Iterable[Peer] = (), gone: Iterable[str] = ()
) -> bytes:
    """The message that changes an interface; arguments as for ``change``."""
    elements = [_peer(peer) for peer in peers]
    elements += [attribute(_PEER_KEY, b64decode(key)) + number(_PEER_FLAGS, _REMOVE_ME) for key in gone]
    parts = [text(_NAME, name)]
    if private_key:
        parts.append(attribute(_PRIVATE, b64decode(private_key)))
    if port:
        parts.append(attribute(_PORT, _U16.pack(port)))
    if mark:
        parts.append(number(_MARK, mark))
    if elements:
        parts.append(nested(_PEERS | _NESTED, *(nested(_NESTED, one) for one in elements)))
    return generic_netlink.HEADER.pack(_SET, _VERSION) + b"".join(parts)


def _peer(peer: Peer) -> bytes:
    address, port = peer.endpoint
    # struct sockaddr_in
    where = struct.pack("=H", s.AF_INET) + struct.pack("!H4s8x", port, s.inet_aton(address)) if address else b""
    blocks = [IPv4Network(block) for block in peer.allowed]
    allowed = (
        attribute(_IP_FAMILY, _U16.pack(s.AF_INET))
        + attribute(_IP, block.network_address.packed)
        + attribute(_PREFIX, bytes([block.prefixlen]))
        for block in blocks
    )
    return (
        attribute(_PEER_KEY, b64decode(peer.public_key))
        + number(_PEER_FLAGS, _REPLACE_ALLOWED)
        + (attribute(_ENDPOINT, where) if where else b"")
        + nested(_ALLOWED | _NESTED, *(nested(_NESTED, one) for one in allowed))
    )


def decode(bodies: Iterable[bytes]) -> Device:
    """What the kernel says of an interface, in one message or, with many peers, in several."""
    device: dict[int, bytes] = {}
    peers: dict[str, Peer] = {}
    for body in bodies:
        found = attributes(body, generic_netlink.HEADER.size)
        device = {**found, **device}
        for element in _elements(found.get(_PEERS, b"")):
            peer = _peer_of(attributes(element))
            before = peers.get(peer.public_key)  # one with many allowed addresses goes on in the next message
            peers[peer.public_key] = replace(before, allowed=before.allowed + peer.allowed) if before else peer
    return Device(
        public_key=b64encode(device.get(_PUBLIC, b"")).decode(),
        port=_U16.unpack(device[_PORT])[0],
        mark=_U32.unpack(device[_MARK])[0],
        peers=tuple(peers.values()),
    )


def _peer_of(found: dict[int, bytes]) -> Peer:
    return Peer(
        b64encode(found[_PEER_KEY]).decode(),
        endpoint=_endpoint(found.get(_ENDPOINT, b"")),
        allowed=tuple(_block(attributes(one)) for one in _elements(found.get(_ALLOWED, b""))),
        handshake=_U64.unpack_from(found[_HANDSHAKE])[0] if _HANDSHAKE in found else 0,
        received=_U64.unpack(found[_RECEIVED])[0] if _RECEIVED in found else 0,
        sent=_U64.unpack(found[_SENT])[0] if _SENT in found else 0,
    )


def _elements(data: bytes) -> Iterator[bytes]:
    """The elements of a list: attributes that all have the same type."""
    offset = 0
    while offset + 4 <= len(data):
        (length,) = _U16.unpack_from(data, offset)
        if length < 4:
            return
        yield data[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def _endpoint(data: bytes) -> tuple[str, int]:
    if len(data) < 8:
        return "", 0
    (family,) = _U16.unpack_from(data)
    (port,) = struct.unpack_from("!H", data, 2)
    return (s.inet_ntop(s.AF_INET, data[4:8]) if family == s.AF_INET else s.inet_ntop(s.AF_INET6, data[8:24])), port


def _block(found: dict[int, bytes]) -> str:
    (family,) = _U16.unpack(found[_IP_FAMILY])
    return f"{s.inet_ntop(family, found[_IP])}/{found[_PREFIX][0]}"
