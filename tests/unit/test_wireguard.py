"""WireGuard's keys are those of RFC 7748, and its messages are those that others read and write."""

from __future__ import annotations

import socket
from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest
from pyroute2.netlink.generic.wireguard import wgmsg

from labhelpers.linux.netlink import HEADER
from labhelpers.linux.wireguard import Device, Peer, decode, encode
from labhelpers.networks.wireguard import Keys, public_key, uapi
from labhelpers.networks.wireguard.x25519 import multiply

ONE, TWO, THREE = (Keys.of(f"node-{number}") for number in (1, 2, 3))
PEERS = (
    Peer(TWO.public, ("192.168.1.11", 51820), ("10.0.2.0/24", "10.0.9.7/32")),
    Peer(THREE.public, allowed=("10.0.3.0/24",)),
)


# --- keys -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scalar", "point", "product"),
    [  # RFC 7748, section 5.2; the second point has its highest bit set, which does not count
        (
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        ),
        (
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
        ),
    ],
)
def test_a_point_is_multiplied_as_the_rfc_says(scalar: str, point: str, product: str) -> None:
    assert multiply(bytes.fromhex(scalar), bytes.fromhex(point)).hex() == product


def test_a_thousand_multiplications_lead_where_the_rfc_says() -> None:
    k = u = (9).to_bytes(32, "little")
    results = []
    for number in range(1, 1001):
        k, u = multiply(k, u), k
        if number in (1, 1000):
            results.append(k.hex())
    assert results == [
        "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079",
        "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51",
    ]


def test_a_public_key_is_the_one_of_the_rfc_and_two_sides_agree_on_a_secret() -> None:
    """RFC 7748, section 6.1: Bob."""
    bob = bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    assert public_key(bob).hex() == "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
    alice = bytes(range(32))
    assert multiply(alice, public_key(bob)) == multiply(bob, public_key(alice))


def test_a_nodes_keys_are_the_same_in_every_run_and_not_those_of_another() -> None:
    assert Keys.of("node-1") == ONE
    assert len({ONE.private, ONE.public, TWO.private, TWO.public}) == 4
    assert ONE.public == "0cByzgiOflMAtAsIJs8wbqpOFr59kx79uoYZKlGB3zE="
    assert ONE.private not in repr(ONE)


# --- what the kernel is told, and says ------------------------------------------------------------------------------


def _attributes(message: Any) -> dict[str, Any]:
    return {entry[0]: entry[1] for entry in message["attrs"]}


def _told(**given: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What pyroute2 reads in our message: of the device, and of each peer."""
    everything: dict[str, Any] = {"private_key": "", "port": 0, "mark": 0, "peers": (), "gone": ()}
    body = encode("wireguard.cali", **{**everything, **given})
    message = wgmsg(HEADER.pack(HEADER.size + len(body), 0, 0, 0, 0) + body)
    message.decode()
    assert (message["cmd"], message["version"]) == (1, 1)  # WG_CMD_SET_DEVICE
    device = _attributes(message)
    return device, [_attributes(peer) for peer in device.pop("WGDEVICE_A_PEERS", [])]


def test_what_changes_a_device_is_what_pyroute2_reads() -> None:
    assert _told(private_key=ONE.private, port=51820, mark=0x200000) == (
        {
            "WGDEVICE_A_IFNAME": "wireguard.cali",
            "WGDEVICE_A_PRIVATE_KEY": ONE.private.encode(),
            "WGDEVICE_A_LISTEN_PORT": 51820,
            "WGDEVICE_A_FWMARK": 0x200000,
        },
        [],
    )


def test_what_is_not_given_is_not_said() -> None:
    assert _told() == ({"WGDEVICE_A_IFNAME": "wireguard.cali"}, [])


def test_a_peer_is_what_pyroute2_reads() -> None:
    _, (two, three, gone) = _told(peers=PEERS, gone=[ONE.public])
    assert two["WGPEER_A_PUBLIC_KEY"] == TWO.public.encode()
    assert two["WGPEER_A_FLAGS"] == 2  # WGPEER_F_REPLACE_ALLOWEDIPS
    assert (two["WGPEER_A_ENDPOINT"]["addr"], two["WGPEER_A_ENDPOINT"]["port"]) == ("192.168.1.11", 51820)
    assert [block["addr"] for block in two["WGPEER_A_ALLOWEDIPS"]] == ["10.0.2.0/24", "10.0.9.7/32"]
    assert "WGPEER_A_ENDPOINT" not in three
    assert gone == {"WGPEER_A_PUBLIC_KEY": ONE.public.encode(), "WGPEER_A_FLAGS": 1}  # WGPEER_F_REMOVE_ME


def _said(*peers: Peer, **device: Any) -> bytes:
    """The kernel's message about a device, as pyroute2 writes it."""
    message = wgmsg()
    message["cmd"], message["version"] = 0, 1
    message["attrs"] = [
        *device.items(),
        ("WGDEVICE_A_PEERS", [{"attrs": _peer(peer)} for peer in peers]),
    ]
    message.encode()
    return bytes(message.data[HEADER.size :])


def _peer(peer: Peer) -> list[tuple[str, Any]]:
    address, port = peer.endpoint
    blocks = [
        {
            "attrs": [
                ("WGALLOWEDIP_A_FAMILY", socket.AF_INET),
                ("WGALLOWEDIP_A_IPADDR", socket.inet_aton(block.split("/")[0])),
                ("WGALLOWEDIP_A_CIDR_MASK", int(block.split("/")[1])),
            ]
        }
        for block in peer.allowed
    ]
    return [
        ("WGPEER_A_PUBLIC_KEY", peer.public_key),
        *([("WGPEER_A_ENDPOINT", {"addr": address, "port": port})] if address else []),
        ("WGPEER_A_LAST_HANDSHAKE_TIME", {"tv_sec": peer.handshake, "tv_nsec": 5}),
        ("WGPEER_A_RX_BYTES", peer.received),
        ("WGPEER_A_TX_BYTES", peer.sent),
        ("WGPEER_A_ALLOWEDIPS", blocks),
    ]


def test_what_the_kernel_says_is_read() -> None:
    heard = (replace(PEERS[0], handshake=1_700_000_000, received=1 << 40, sent=7), PEERS[1])
    body = _said(*heard, WGDEVICE_A_PUBLIC_KEY=ONE.public, WGDEVICE_A_LISTEN_PORT=51820, WGDEVICE_A_FWMARK=0x200000)
    assert decode([body]) == Device(ONE.public, 51820, 0x200000, heard)


def test_peers_in_several_messages_are_put_together() -> None:
    first, second = (replace(PEERS[0], allowed=(block,)) for block in PEERS[0].allowed)
    device = {"WGDEVICE_A_PUBLIC_KEY": ONE.public, "WGDEVICE_A_LISTEN_PORT": 1, "WGDEVICE_A_FWMARK": 0}
    assert decode([_said(first, **device), _said(second, PEERS[1])]).peers == PEERS


# --- what wireguard-go is told, and says ----------------------------------------------------------------------------


def test_wireguard_go_is_told_in_hexadecimal() -> None:
    told = uapi.changes(ONE.private, 51820, 0x200000, PEERS[:1], [THREE.public]).split("\n")
    assert [line.partition("=")[0] for line in told] == [
        *("set", "private_key", "listen_port", "fwmark"),
        *("public_key", "endpoint", "replace_allowed_ips", "allowed_ip", "allowed_ip"),
        *("public_key", "remove"),
    ]
    assert told[2:4] == ["listen_port=51820", "fwmark=2097152"]
    assert b64encode(bytes.fromhex(told[4].removeprefix("public_key="))).decode() == TWO.public
    assert told[5] == "endpoint=192.168.1.11:51820"


def test_what_wireguard_go_says_is_read() -> None:
    told = uapi.changes(ONE.private, 51820, 0x200000, PEERS, [])
    lines = [(key, value) for key, _, value in (line.partition("=") for line in told.split("\n"))]
    lines[6:6] = [("last_handshake_time_sec", "99"), ("rx_bytes", "5"), ("tx_bytes", "6")]
    heard = (replace(PEERS[0], handshake=99, received=5, sent=6), PEERS[1])
    assert uapi.parsed(lines) == Device(ONE.public, 51820, 0x200000, heard)


def test_a_device_without_a_key_and_peers_is_read() -> None:
    assert uapi.parsed([("listen_port", "4000"), ("errno", "0")]) == Device("", 4000, 0)
