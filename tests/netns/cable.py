"""Two namespaces on a cable, made by other programs: where traffic and captures are tried."""

from __future__ import annotations

from labhelpers.linux import namespace
from labhelpers.linux.namespace import NetworkNamespace
from tests.netns.kernel import eventually, links, shell

__all__ = ["Pair", "connect", "disconnect"]

#: red is 10.0.0.1, blue is 10.0.0.2, both on eth0
Pair = tuple[NetworkNamespace, NetworkNamespace]

# the two ends have different numbers: where they are equal, the kernel looks for a signal only once a second
_CONNECT = """
ip netns add red; ip netns add blue
ip -n red link add eth0 index 7 address 02:00:00:00:00:01 type veth peer name eth0 address 02:00:00:00:00:02 netns blue
for one in red blue; do ip netns exec $one sysctl -qw net.ipv6.conf.all.disable_ipv6=1; done
ip -n red address add 10.0.0.1/24 dev eth0; ip -n red link set eth0 up
ip -n blue address add 10.0.0.2/24 dev eth0; ip -n blue link set eth0 up
"""


def connect() -> Pair:
    """Make the two, and wait until there is a signal."""
    shell(_CONNECT)
    assert eventually(lambda: {links(one)["eth0"]["operstate"] for one in ("red", "blue")} == {"UP"})
    return namespace.attach("red"), namespace.attach("blue")


def disconnect() -> None:
    """Remove the two."""
    shell("ip -n red link delete eth0 2>/dev/null || true; ip netns delete red; ip netns delete blue")
