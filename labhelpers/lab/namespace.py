"""``Namespace``: a network namespace a learner can hold and act on."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar

from labhelpers.errors import BadInput, LabError, NotFound, Vanished
from labhelpers.lab.journal import journal
from labhelpers.lab.label import Label
from labhelpers.lab.target import address_of
from labhelpers.linux import (
    address,
    link,
    namespace,
    nft,
    process,
    route,
    sysctl,
    tables,
    traffic,
)
from labhelpers.linux.changes import Changes
from labhelpers.linux.interrupt import held
from labhelpers.linux.packet import Capture
from labhelpers.linux.records import FdbEntry, Link, Neighbour, Route, Rows, Rule

__all__ = ["Namespace", "a_namespace", "no_ipv6"]

Made = TypeVar("Made", bound="Namespace")
_NO_IPV6 = "net.ipv6.conf.all.disable_ipv6"


def no_ipv6(changes: Changes) -> None:
    """Turn IPv6 off in the calling thread's namespace: the lessons are about IPv4, and captures stay short."""
    with suppress(NotFound):  # a kernel without IPv6
        sysctl.write(_NO_IPV6, 1)
        changes.ran(f"sysctl -qw {_NO_IPV6}=1")


def _here_document(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines()]
    end = "NFT"
    while end in lines:
        end += "_"
    return "\n".join([f"<<'{end}'", *lines, end])


class Namespace:
    """A network namespace that has a name, whoever made it: ``Namespace("red")``.

    The object holds only the name and the inode number.  Every question goes to the kernel, every change is made at
    once and written to the journal as the shell command that does the same.

    Raises:
        NotFound: there is no namespace of this name; the error lists those that are there.
    """

    def __init__(self, name: str) -> None:
        self._kernel = namespace.attach(name)
        self._label = self._read_label()

    @classmethod
    def _made(cls: type[Made], kernel: namespace.NetworkNamespace, label: Label) -> Made:
        """The object for a namespace that was made this moment."""
        self = cls.__new__(cls)
        self._kernel, self._label = kernel, label
        return self

    def _read_label(self) -> Label:
        with self._kernel.socket() as socket:
            return Label.of(link.dump(socket))

    @property
    def name(self) -> str:
        """Its name in /run/netns."""
        return self._kernel.name

    @property
    def owner(self) -> str:
        """``lab``, ``cni``, ``kubelet``, or ``""`` for somebody at a shell."""
        return self._label.owner

    @property
    def inode(self) -> int:
        """The namespace's identity: what ``readlink /proc/PID/ns/net`` shows of every process inside."""
        return self._kernel.inode

    @property
    def exists(self) -> bool:
        """Is the name still there, and still of this namespace?"""
        return self._kernel.exists

    @property
    def _pid(self) -> int:
        """A process whose mount and UTS namespaces programs should see too; 0 for none."""
        return 0

    @contextmanager
    def changes(self) -> Iterator[Changes]:
        """Collect several changes and make them together; see :mod:`labhelpers.linux.changes`.

        Shell: ``ip -n NAMESPACE -batch FILE``.
        """
        self._label.require_lab_owns(self.name)
        with self._kernel.changes() as changes:
            try:
                yield changes
                changes.apply()
            finally:
                journal.add(changes.done)

    @contextmanager
    def _changes(self) -> Iterator[Changes]:
        """The same for the helpers, which are short: an interrupt waits until the change is in the journal too."""
        with held(), self.changes() as changes:
            yield changes

    # --- changes ---------------------------------------------------------------------------------------------------

    def up(self, *names: str) -> None:
        """Set interfaces up.  Shell: ``ip -n NAMESPACE link set NAME up``."""
        with self._changes() as changes:
            changes.require(*names)
            for name in names:
                link.up(changes, name)

    def down(self, *names: str) -> None:
        """Set interfaces down; their routes go.  Shell: ``ip -n NAMESPACE link set NAME down``."""
        with self._changes() as changes:
            changes.require(*names)
            for name in names:
                link.down(changes, name)

    def set_mtu(self, name: str, mtu: int) -> None:
        """Change the largest packet in bytes of an interface.  Shell: ``ip -n NAMESPACE link set NAME mtu BYTES``."""
        with self._changes() as changes:
            link.set_mtu(changes, name, mtu)

    def delete_link(self, *names: str) -> None:
        """Remove interfaces; of a veth pair both ends go.  Shell: ``ip -n NAMESPACE link delete NAME``."""
        with self._changes() as changes:
            changes.require(*names)
            for name in names:
                link.delete(changes, name)

    def add_address(self, name: str, value: str) -> None:
        """Give an interface an address with its prefix length.

        Shell: ``ip -n NAMESPACE address add 10.0.1.10/24 brd + dev NAME``.
        """
        with self._changes() as changes:
            address.add(changes, name, value)

    def delete_address(self, name: str, value: str) -> None:
        """Take an address away.  Shell: ``ip -n NAMESPACE address delete 10.0.1.10/24 dev NAME``."""
        with self._changes() as changes:
            address.delete(changes, name, value)

    def add_route(self, destination: str, *, via: str = "", device: str = "") -> None:
        """Add a route; ``destination`` is a CIDR block or ``"default"``.

        Shell: ``ip -n NAMESPACE route add DESTINATION via ADDRESS``.
        """
        with self._changes() as changes:
            route.add(changes, destination, via=via, device=device)

    def delete_route(self, destination: str, *, via: str = "", device: str = "") -> None:
        """Remove a route.  Shell: ``ip -n NAMESPACE route delete DESTINATION``."""
        with self._changes() as changes:
            route.delete(changes, destination, via=via, device=device)

    def sysctl(self, name: str, value: object = None) -> str:
        """Read a kernel setting of this namespace, or with ``value`` change it first.

        Shell: ``ip netns exec NAMESPACE sysctl -qw NAME=VALUE``.
        """
        if value is not None:
            with self._changes() as changes:
                self._kernel.visit(lambda: sysctl.write(name, value))
                changes.ran(f"sysctl -qw {name}={shlex.quote(str(value))}")
        return self._kernel.visit(lambda: sysctl.read(name))

    def nft(self, rules: str) -> None:
        """Change the nftables ruleset: all of ``rules``, or nothing.  Shell: ``ip netns exec NAMESPACE nft -f -``."""
        self._label.require_lab_owns(self.name)
        with held():
            nft.apply(self._kernel, rules)
            journal.add([f"ip netns exec {self.name} nft -f - {_here_document(rules)}"])

    def delete(self) -> None:
        """Remove the namespace and everything in it: processes are ended, interfaces go.

        Its cables are removed first.  The kernel would do it too, but some time after the name is gone, and until then
        their other ends keep their names.

        Raises:
            Vanished: it is gone already.

        Shell: ``ip -n NAMESPACE link delete CABLE``, ``ip netns delete NAMESPACE``.
        """
        self._delete_with(())

    def _delete_with(self, others: Sequence[Namespace]) -> None:
        """Remove this namespace and others, whose cables mostly lead here: those go first, and all at once."""
        doomed = (self, *others)
        for one in doomed:
            one._label.require_lab_owns(one.name)
        os.close(self._kernel.open())
        with held():
            process.end_all_in({one.inode for one in doomed})
            for one in doomed:
                one._delete_cables()
            for one in (*others, self):
                namespace.delete(one._kernel)
                journal.add([f"ip netns delete {one.name}"])

    def _delete_cables(self) -> None:
        while cables := [cable.name for cable in self.links() if cable.kind == "veth"]:
            try:
                with self.changes() as changes:
                    link.delete_together(changes, cables)
            except Vanished:
                raise
            except NotFound:  # one went meanwhile, as its other end's namespace did: look again
                continue

    # --- what the kernel says --------------------------------------------------------------------------------------

    def _tables(self) -> tables.Tables:
        with self._kernel.socket() as socket:
            return tables.read(socket)

    def links(self) -> Rows[Link]:
        """The interfaces.  Shell: ``ip -n NAMESPACE address``."""
        with self._kernel.socket() as socket:
            return Rows(tables.read_links(socket), f"links of {self.name}")

    def routes(self) -> Rows[Route]:
        """The routing table.  Shell: ``ip -n NAMESPACE route``."""
        return Rows(self._tables().routes, f"routes of {self.name}")

    def neighbours(self) -> Rows[Neighbour]:
        """The neighbour table.  Shell: ``ip -n NAMESPACE neighbour``."""
        return Rows(self._tables().neighbours, f"neighbours of {self.name}")

    def fdb(self) -> Rows[FdbEntry]:
        """The forwarding databases of its bridges.  Shell: ``bridge -n NAMESPACE fdb``."""
        return Rows(self._tables().fdb, f"forwarding database of {self.name}")

    def rules(self) -> Rows[Rule]:
        """The policy routing rules.  Shell: ``ip -n NAMESPACE rule``."""
        return Rows(self._tables().rules, f"rules of {self.name}")

    def ruleset(self) -> str:
        """The nftables rules.  Shell: ``ip netns exec NAMESPACE nft --stateless list ruleset``."""
        return nft.ruleset(self._kernel)

    # --- programs and traffic --------------------------------------------------------------------------------------

    def run(
        self,
        command: str | Sequence[str],
        *,
        check: bool = False,
        timeout: float | None = 60,
        input: str | None = None,
    ) -> process.Completed:
        """Run a program inside and wait for it; what it wrote is the result.

        Args:
            check: raise if its exit status is not 0.
            timeout: seconds.

        Shell: ``ip netns exec NAMESPACE COMMAND``.
        """
        done = process.run(self._kernel, command, pid=self._pid, input=input, timeout=timeout)
        if check and not done.ok:
            wrote = f" and wrote:\n{done}" if str(done) else " and wrote nothing."
            raise LabError(
                f"`{shlex.join(done.args)}` in {self.name} ended with status {done.returncode}{wrote}",
                "Read what it wrote, or look at its exit status in its manual page.",
            )
        return done

    def spawn(self, command: str | Sequence[str]) -> process.Process:
        """Start a program inside and do not wait.  Shell: ``ip netns exec NAMESPACE COMMAND &``."""
        return process.spawn(self._kernel, command, pid=self._pid)

    def listen(self, port: int, *, address: str = "0.0.0.0") -> process.Process:
        """Start a TCP server inside that tells every client which source address it saw.

        Raises ``AlreadyExists`` if the port is taken in this namespace.

        Shell: ``ip netns exec NAMESPACE nc -l -k PORT &``, which says nothing.
        """
        return traffic.listen(self._kernel, port, address=address, pid=self._pid)

    def connect(self, destination: Namespace | str, port: int, *, timeout: float = 1.0) -> traffic.Reply:
        """Open a TCP connection from inside.

        Args:
            destination: a pod, a node, the name of either, or an address.
            timeout: seconds.

        Shell: ``ip netns exec NAMESPACE nc -w 1 DESTINATION PORT``.
        """
        return traffic.connect(self._kernel, address_of(destination), port, timeout=timeout)

    def ping(self, destination: Namespace | str, *, timeout: float = 1.0) -> traffic.Reply:
        """Send one ICMP echo request from inside; arguments as for ``connect``.

        Shell: ``ip netns exec NAMESPACE ping -c 1 -W 1 DESTINATION``.
        """
        return traffic.ping(self._kernel, address_of(destination), timeout=timeout)

    def capture(self, device: str = "eth0") -> Capture:
        """Record the packets of an interface while a ``with`` block runs.  Shell: ``tcpdump -i DEVICE``."""
        return Capture(self._kernel, device)

    def __enter__(self: Made) -> Made:
        return self

    def __exit__(self, *_: object) -> None:
        if self.exists:
            self.delete()

    def __repr__(self) -> str:
        gone = "" if self.exists else " (gone)"
        return f"<{type(self).__name__} {self.name}{gone}>"


def a_namespace(value: object) -> Namespace:
    """The value, if it is a namespace.

    Raises:
        BadInput: it is something else, such as the name of one.
    """
    if isinstance(value, Namespace):
        return value
    if isinstance(value, str):
        raise BadInput(f"{value!r} is a name, and this helper takes the namespace.", f'Write lab["{value}"].')
    raise BadInput(f"{value!r} is no namespace.", 'Write lab["red"], or use a variable that holds one.')
