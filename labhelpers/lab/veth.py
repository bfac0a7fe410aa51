"""``Veth``: a cable between two namespaces."""

from __future__ import annotations

import os
from dataclasses import dataclass

from labhelpers.errors import BadInput
from labhelpers.lab.fixed import mac_of_link
from labhelpers.lab.namespace import Namespace, a_namespace
from labhelpers.linux import veth
from labhelpers.linux.interrupt import held

__all__ = ["Veth", "connect"]


@dataclass(frozen=True, slots=True)
class Veth:
    """A veth pair: what goes in at one end comes out at the other."""

    a: tuple[Namespace, str]
    b: tuple[Namespace, str]

    def delete(self) -> None:
        """Remove the pair: both ends go at once.  Shell: ``ip -n NAMESPACE link delete NAME``."""
        where, name = self.a
        where.delete_link(name)

    def __repr__(self) -> str:
        return f"<Veth {self.a[0].name}/{self.a[1]} — {self.b[0].name}/{self.b[1]}>"


def connect(a: tuple[Namespace, str], b: tuple[Namespace, str], *, mtu: int = 1500) -> Veth:
    """Create a veth pair, each end in its namespace, both down and without an address.

    Args:
        a, b: namespace and interface name of each end.
        mtu: bytes.

    Shell: ``ip -n A link add NAME … type veth peer name NAME netns B``.
    """
    try:
        (near, near_name), (far, far_name) = a, b
    except (TypeError, ValueError):
        raise BadInput(
            "Each end of a cable is a namespace and the name of an interface.",
            "Write lab.veth((red, 'eth0'), (blue, 'eth0')).",
        ) from None
    near, far = a_namespace(near), a_namespace(far)
    far._label.require_lab_owns(far.name)
    with held(), near.changes() as changes:
        far_fd = far._kernel.open()
        try:
            veth.add(
                changes,
                veth.Plug(near_name, mac_of_link(near.name, near_name)),
                veth.Plug(far_name, mac_of_link(far.name, far_name), far.name, far_fd),
                mtu=mtu,
            )
            changes.apply()
        finally:
            os.close(far_fd)
    return Veth(a, b)
