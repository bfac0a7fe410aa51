"""``Bridge``: a switch inside a namespace."""

from __future__ import annotations

from dataclasses import dataclass

from labhelpers.lab.fixed import mac_of_link
from labhelpers.lab.journal import journal
from labhelpers.lab.namespace import Namespace, a_namespace
from labhelpers.linux import address as addresses
from labhelpers.linux import bridge, link, names
from labhelpers.linux.interrupt import held
from labhelpers.linux.records import FdbEntry, Rows

__all__ = ["Bridge", "create"]


@dataclass(frozen=True, slots=True)
class Bridge:
    """A Linux bridge: it forwards frames between its ports by MAC address."""

    namespace: Namespace
    name: str

    def add_port(self, *ports: str) -> None:
        """Plug interfaces into the bridge and set them up.  Shell: ``ip link set PORT master BRIDGE``."""
        with held(), self.namespace.changes() as changes:
            changes.require(self.name, *ports)
            for port in ports:
                link.set_master(changes, port, self.name)
                link.up(changes, port)

    def remove_port(self, *ports: str) -> None:
        """Pull interfaces out of the bridge.  Shell: ``ip link set PORT nomaster``."""
        with held(), self.namespace.changes() as changes:
            changes.require(self.name, *ports)
            for port in ports:
                link.set_master(changes, port, "")

    @property
    def ports(self) -> tuple[str, ...]:
        """The interfaces plugged in, as the kernel says."""
        return tuple(one.name for one in self.namespace.links() if one.master == self.name)

    def fdb(self) -> Rows[FdbEntry]:
        """Behind which port each MAC address lives.  Shell: ``bridge fdb show br BRIDGE``."""
        return Rows(self.namespace.fdb().where(master=self.name), f"forwarding database of {self.name}")

    def delete(self) -> None:
        """Remove the bridge; its ports stay, unplugged.  Shell: ``ip link delete BRIDGE``."""
        self.namespace.delete_link(self.name)

    def __repr__(self) -> str:
        return f"<Bridge {self.namespace.name}/{self.name}>"


def create(namespace: Namespace, name: str, *, address: str = "", mtu: int = 1500) -> Bridge:
    """Create a bridge, give it an address if asked, and set it up.

    Args:
        address: with prefix length; it is the namespace's own address on this switch.
        mtu: bytes.

    Shell: ``ip link add NAME up type bridge``, ``ip address add ADDRESS dev NAME``.
    """
    namespace = a_namespace(namespace)
    if address:
        names.interface(address)
    with held(), journal.all_or_nothing(), namespace.changes() as changes:
        bridge.add(changes, name, mac=mac_of_link(namespace.name, name), mtu=mtu)
        if address:
            changes.apply()
            try:
                addresses.add(changes, name, address)
                changes.apply()
            except BaseException:
                link.delete(changes, name)
                changes.apply()
                raise
    return Bridge(namespace, name)
