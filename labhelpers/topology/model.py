"""The values of a snapshot: every network namespace the kernel has, and the cables between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from labhelpers.linux.records import FdbEntry, Link, Neighbour, Route, Rows, Rule

__all__ = ["Cable", "End", "NamespaceState", "Snapshot"]


@dataclass(frozen=True, slots=True)
class NamespaceState:
    """One network namespace as the kernel described it."""

    #: the name people use: the pod's, the node's, the one in /run/netns, else ``pid-<pid>``
    name: str
    #: ``host`` (the sandbox's own), ``node``, ``pod``, ``underlay``, ``namespace`` (made by hand, named) or ``unknown``
    role: str
    #: inode number of the namespace: no other that lives has it
    inode: int
    #: name of the node it belongs to, ``""`` if none
    node: str = ""
    #: who made it: ``lab``, ``cni``, ``kubelet``, ``""`` for somebody else
    owner: str = ""
    #: a process that lives in it, 0 if there is none
    pid: int = 0
    links: Rows[Link] = field(default_factory=Rows)
    routes: Rows[Route] = field(default_factory=Rows)
    neighbours: Rows[Neighbour] = field(default_factory=Rows)
    fdb: Rows[FdbEntry] = field(default_factory=Rows)
    rules: Rows[Rule] = field(default_factory=Rows)
    #: the nftables ruleset as text, ``None`` if it was not asked for
    firewall: str | None = None
    #: the kernel's own number of the namespace, never used again as inode numbers are; 0 before Linux 5.14
    cookie: int = 0

    @property
    def addresses(self) -> tuple[str, ...]:
        """All addresses of all interfaces but lo, with prefix length."""
        return tuple(a for link in self.links if link.kind != "loopback" for a in link.addresses)


@dataclass(frozen=True, slots=True, order=True)
class End:
    """One end of a cable."""

    namespace: str
    link: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.link}"


@dataclass(frozen=True, slots=True, order=True)
class Cable:
    """A veth pair: two ends, in order of name."""

    a: End
    b: End

    def __str__(self) -> str:
        return f"{self.a} — {self.b}"


@dataclass(frozen=True)
class Snapshot:
    """Every network namespace the kernel has at one moment, however it was made.

    ``snapshot["pod-a"]`` is one namespace.
    """

    namespaces: tuple[NamespaceState, ...] = ()
    cables: tuple[Cable, ...] = ()

    @classmethod
    def take(cls, *, firewall: bool = False) -> Snapshot:
        """Read every network namespace now; see :mod:`labhelpers.topology.collect`.  Changes nothing.

        Args:
            firewall: read the nftables rulesets too, which takes a process for each namespace.
        """
        from labhelpers.topology import collect  # it builds on this module

        return collect.take(firewall=firewall)

    def __getitem__(self, name: str) -> NamespaceState:
        for namespace in self.namespaces:
            if namespace.name == name:
                return namespace
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return any(namespace.name == name for namespace in self.namespaces)

    def __iter__(self) -> Iterator[NamespaceState]:
        return iter(self.namespaces)

    def __len__(self) -> int:
        return len(self.namespaces)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all namespaces, in order of role."""
        return tuple(namespace.name for namespace in self.namespaces)

    def peer(self, namespace: str, link: str) -> End | None:
        """The other end of the cable that is plugged into this interface."""
        end = End(namespace, link)
        for cable in self.cables:
            if cable.a == end:
                return cable.b
            if cable.b == end:
                return cable.a
        return None
