"""Every namespace there is, open for the time of a walk."""

from __future__ import annotations

import os
from contextlib import ExitStack

from labhelpers.errors import NotFound
from labhelpers.lab.namespace import Namespace
from labhelpers.lab.target import address_of
from labhelpers.linux.namespace import NetworkNamespace
from labhelpers.topology.find import find
from labhelpers.topology.model import Snapshot
from labhelpers.trace.map import Map

__all__ = ["Places"]


class Places:
    """Every namespace there is, open, and what was in it when the walk began."""

    def __enter__(self) -> Places:
        with ExitStack() as opened:
            self.snapshot = Snapshot.take()
            names_of = {state.inode: state.name for state in self.snapshot}
            self.fds: list[int] = []
            self.namespaces: list[NetworkNamespace] = []
            for one in find():
                fd = one.open()
                if fd >= 0:
                    opened.callback(os.close, fd)
                    self.fds.append(fd)
                    self.namespaces.append(
                        NetworkNamespace(names_of.get(one.inode, one.file_name), one.path, one.inode)
                    )
            self.map = Map.of(self.snapshot, [one.name for one in self.namespaces])
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def find(self, who: Namespace | str) -> NetworkNamespace:
        """The namespace of a pod or node: the object, its name (a kubelet's pod is ``default/web``), or its address.

        Raises:
            NotFound: there is none; the message names those that are there.
            Vanished: the object's namespace is gone.
        """
        if not isinstance(who, str):
            os.close(who._kernel.open())
            return next(one for one in self.namespaces if one.inode == who.inode)
        name = self.map.addresses.get(who, (who, ""))[0]
        for one in self.namespaces:
            if one.name == name:
                return one
        there = ", ".join(one.name for one in self.namespaces)
        raise NotFound(f"There is no namespace {who!r}.", f"There are: {there}.")

    def address(self, target: Namespace | str) -> str:
        """The address to send to, as :func:`labhelpers.lab.target.address_of` has it, and of a kubelet's pods too."""
        state = self.map.states.get(target) if isinstance(target, str) else None
        own = state.addresses if state else ()
        return own[0].split("/")[0] if own else address_of(target)
