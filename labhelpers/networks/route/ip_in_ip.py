"""IPIP as Calico uses it: one tunnel device on each node, and routes that name the node to send to.

Source: https://docs.tigera.io/calico/latest/networking/configuring/vxlan-ipip ("IP in IP encapsulation").
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from labhelpers.errors import KernelFeatureMissing
from labhelpers.lab import Lab, Node
from labhelpers.lab.journal import journal
from labhelpers.linux import address, ipip, link, route
from labhelpers.linux.records import Link, Route, Rows
from labhelpers.networks.route.carrier import Carrier, Leg
from labhelpers.networks.route.other import Other
from labhelpers.networks.route.tunnel import end_of

__all__ = ["IpInIp"]

_PROGRAM = "labhelpers.linux.ipip_tunnel"
_KERNEL = "the kernel's ipip device"
_OWN = "a TUN device and a program of the course: user space, not the product"


class IpInIp(Carrier):
    """A device ``tunl0`` on each node; a packet that is routed there travels inside a packet to the route's router.

    Calico makes the outer packet with the kernel's IPIP module.  Where the kernel has none, or has not loaded it yet, a
    program on each node does the same with a TUN device and a raw socket: on the wire there is no difference, but it is
    much slower.  Loading the module would make ``tunl0`` appear on your machine, so that is left to you:
    ``sudo modprobe ipip``.

    Raises (besides what every carrier raises):
        KernelFeatureMissing: there is neither the module nor a TUN device.

    Shell, on node-1: ``ip route add 10.0.2.0/24 via 192.168.1.11 dev tunl0 onlink``.
    """

    name = "IPIP"
    overhead = ipip.OVERHEAD
    device = "tunl0"
    needs = frozenset({"ipip"})

    way = _KERNEL

    def __init__(self, lab: Lab, *, nodes: Sequence[Node] | None = None) -> None:
        self.way = _KERNEL
        super().__init__(lab, nodes=nodes)

    def _join(self, node: Node) -> None:
        if not self._is_made_by_the_kernel(node):
            self._start_program(node)
            self.way = _OWN
        there = self._its_link(node)
        with node.changes() as changes:
            link.set_mtu(changes, self.device, node.links()["eth0"].mtu - self.overhead)
            if there is None or not there.addresses:
                address.add(changes, self.device, f"{end_of(node)}/32")
            link.up(changes, self.device)

    @classmethod
    def prepare(cls, node: Node) -> None:
        """See ``Carrier.prepare``: ``tunl0``, by the course's program where the kernel has no IPIP."""
        carrier = cls.for_agent()
        if not carrier._is_made_by_the_kernel(node):
            carrier._start_program(node)

    def _has_joined(self, node: Node) -> bool:
        return self._is_set_up(node)

    def _is_made_by_the_kernel(self, node: Node) -> bool:
        if self._its_link(node) is not None:  # the module's own, which every namespace has; see _require_free
            return True
        if ipip.waits_for_first_use():
            return False
        try:
            with node.changes() as changes:
                ipip.add(changes, self.device, local=node.address)
        except KernelFeatureMissing:
            return False
        return True

    def _start_program(self, node: Node) -> None:
        done = node.run([sys.executable, "-I", "-m", _PROGRAM, self.device, node.address])
        if not done.ok:
            raise KernelFeatureMissing(
                f"There is no IPIP in this kernel, and no TUN device to do without: {done.stderr.strip()}.",
                "Run doctor() to see what this kernel has.",
            )
        journal.add([f"ip netns exec {node.name} python -m {_PROGRAM} {self.device} {node.address}"])

    def _learn(self, node: Node, peers: Sequence[Other]) -> None:
        known = self._known(node.routes())
        with node.changes() as changes:
            for peer in peers:
                if (peer.pod_cidr, peer.address) not in known:
                    route.add(changes, peer.pod_cidr, via=peer.address, device=self.device, onlink=True)

    def _forget(self, node: Node, peers: Sequence[Other]) -> None:
        known = self._known(node.routes())
        with node.changes() as changes:
            for peer in peers:
                if (peer.pod_cidr, peer.address) in known:
                    route.delete(changes, peer.pod_cidr, via=peer.address, device=self.device)

    def _forget_all_but(self, node: Node, peers: Sequence[Other]) -> None:
        wanted = {(peer.pod_cidr, peer.address) for peer in peers}
        with node.changes() as changes:
            for block, via in self._known(node.routes()) - wanted:
                if via:
                    route.delete(changes, block, via=via, device=self.device)

    def _leave(self, node: Node, peers: Sequence[Other]) -> None:
        """The device takes its routes with it, and the program ends with its device.

        The module's own device cannot be deleted: it is left as it was, down and without an address.
        """
        there = self._its_link(node)
        if there is None:
            return
        with node.changes() as changes:
            for one in there.addresses:
                address.delete(changes, self.device, one)
            link.down(changes, self.device)
            link.delete(changes, self.device)

    def _legs(self, node: Node, peers: Sequence[Other]) -> Iterator[Leg]:
        tables = node._tables()
        known = self._known(tables.routes)
        there = self.device in {one.name for one in tables.links}
        for peer in peers:
            ok = (peer.pod_cidr, peer.address) in known
            way = f"route via {peer.address} dev {self.device}"
            missing = "" if ok else way if there else self._why_no_device()
            yield Leg(node.name, peer.name, peer.pod_cidr, ok, way if ok else "", missing)

    def _why_no_device(self) -> str:
        return f"the device {self.device}" + (": its program has ended" if self.way == _OWN else "")

    def _require_free(self, node: Node, peers: Sequence[Other], *, has_device: bool = False) -> None:
        there = self._its_link(node)
        unused = there is not None and there.kind == "ipip" and not there.up and not there.addresses
        super()._require_free(node, peers, has_device=has_device or unused)

    def _its_link(self, node: Node) -> Link | None:
        return next((one for one in node.links() if one.name == self.device), None)

    def _known(self, routes: Rows[Route]) -> set[tuple[str, str]]:
        """Destination and router of each route by the tunnel."""
        return {(one.destination, one.via) for one in routes.where(device=self.device)}
