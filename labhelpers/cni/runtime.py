"""The runtime's side of CNI: what containerd does on a real node, when the kubelet asks it for a pod.

Source: https://www.cni.dev/docs/spec/#section-3-execution-of-network-configurations, specification 1.1.0.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from labhelpers.cni import pod as pods
from labhelpers.cni.cache import Cache, Cached
from labhelpers.cni.chain import Chain
from labhelpers.cni.config import NetworkConfigList, file_name, load_first
from labhelpers.cni.exchange import Exchange
from labhelpers.cni.invoke import Call, capability_arguments
from labhelpers.cni.locks import Locks
from labhelpers.cni.operation import Operation
from labhelpers.cni.pod import CniPod
from labhelpers.cni.programs import PLUGIN_FOLDERS, install
from labhelpers.cni.version import HAS_CHECK, HAS_GC, at_least
from labhelpers.errors import AlreadyExists, BadInput, CniFailed, LabError, NotFound
from labhelpers.lab import Node
from labhelpers.linux.interrupt import held
from labhelpers.linux.namespace import inode_at

__all__ = ["Runtime"]

_CONFIG_FOLDER = "/etc/cni/net.d"


class Runtime:
    """A container runtime on a node, as far as CNI goes: it makes namespaces, and calls the plugins.

    It reads the node's ``/etc/cni/net.d`` anew for each operation and keeps results in the node's
    ``/var/lib/cni/results``; the object itself remembers nothing.

    Args:
        folders: where plugins are looked for, ``CNI_PATH``.
        timeout: seconds that a plugin may take.
        observe: also write down the calls that plugins make themselves, and what each plugin changed in the kernel.
    """

    def __init__(
        self, node: Node, *, folders: tuple[str, ...] = PLUGIN_FOLDERS, timeout: float = 20.0, observe: bool = True
    ) -> None:
        install(node)
        self.node = node
        self.folders = folders
        self._chain = Chain(node, folders, timeout=timeout, observe=observe)
        self._cache = Cache(node.root)
        self._locks = Locks(node.root)

    def __repr__(self) -> str:
        return f"<Runtime on {self.node.name}>"

    # --- configuration ---------------------------------------------------------------------------------------------

    def configure(self, config: str | Mapping[str, Any], file: str = "10-lab.conflist") -> NetworkConfigList:
        """Write a network configuration into the node's /etc/cni/net.d, where an administrator would.

        Raises:
            BadInput: it makes no sense, or no runtime would find it; nothing was written.

        Shell, on the node: ``cat > /etc/cni/net.d/10-lab.conflist``.
        """
        parsed = NetworkConfigList.parse(config)
        text = config if isinstance(config, str) else json.dumps(config, indent=2)
        path = self._folder / file_name(file)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.rstrip() + "\n", encoding="utf-8")
        except OSError as error:
            raise LabError(
                f"{_CONFIG_FOLDER}/{file} could not be written: {(error.strerror or str(error)).lower()}.",
                "See `ls -l` of the folder, and `df`.",
            ) from None
        return parsed

    @property
    def network(self) -> NetworkConfigList:
        """The configuration in use: the first file of /etc/cni/net.d in lexical order.

        Raises:
            NotFound: there is none.
            BadInput: it makes no sense.
        """
        return load_first(self._folder)[0]

    @property
    def passed_over(self) -> tuple[str, ...]:
        """Files of /etc/cni/net.d that come later in lexical order and are not used."""
        return load_first(self._folder)[1]

    @property
    def _folder(self) -> Path:
        return Path(f"{self.node.root}{_CONFIG_FOLDER}")

    # --- pods ------------------------------------------------------------------------------------------------------

    def __getitem__(self, container: str) -> CniPod:
        """The pod with this id.  Raises ``NotFound``."""
        return pods.find(self.node, container)

    def attachments(self) -> tuple[tuple[str, str], ...]:
        """Container id and interface name of every attachment whose result is kept, and whose namespace is there."""
        return tuple((one.container, one.ifname) for one in self._kept(self.network.name) if self._is_alive(one))

    # --- operations ------------------------------------------------------------------------------------------------

    def add(
        self,
        container: str,
        ifname: str = "eth0",
        *,
        args: Mapping[str, str] | None = None,
        capabilities: Mapping[str, Any] | None = None,
    ) -> Operation:
        """Make a pod's namespace, unless it is there, and attach it to the network: ADD along the chain.

        If a plugin fails, DEL follows along the whole chain, and a namespace made here goes again.

        Args:
            args: for ``CNI_ARGS``.
            capabilities: for ``runtimeConfig``, such as ``{"portMappings": [...]}``; a plugin gets those it names.

        Raises:
            CniFailed: with the error object of the plugin, and the exchange so far in ``operation``.
            AlreadyExists: the pod has this attachment.
            BadInput, NotFound, ToolMissing: nothing was called.
        """
        network = self.network
        call = Call("ADD", container, pods.path_of(container), ifname, tuple(sorted((args or {}).items())))
        offered = capability_arguments(capabilities)
        self._chain.require(network)
        with held(), self._locks.container(container):
            self._require_new_attachment(network, call)
            with self._namespace_for(container):
                operation = self._chain.add(network, call, offered)
                self._keep(network, call, offered, operation)
        return operation

    def delete(self, container: str, ifname: str = "") -> Operation:
        """Detach a pod: DEL along the chain in reverse; with its last attachment its namespace goes too.

        A pod, a namespace or a result that is not there any more is fine: whatever can be cleaned up is.  DEL gets
        what ADD had, also the configuration: that in /etc/cni/net.d may be another by now.

        Args:
            ifname: of the attachment; ``""`` means eth0, or the only one there is.

        Raises:
            CniFailed: a plugin failed; call again later.
        """
        call = Call("DEL", container, ifname=ifname or "eth0")
        with held(), self._locks.container(container):
            mine = [one for one in self._cache.entries() if one.container == container]
            if len(mine) == 1 and not ifname:
                call = replace(call, ifname=mine[0].ifname)
            kept = next((one for one in mine if one.ifname == call.ifname), None)
            there = pods.exists(self.node, container)
            if there:
                call = replace(call, netns=pods.path_of(container))
            if kept:
                call = replace(call, args=kept.args)
            network = NetworkConfigList.parse(kept.config) if kept else self.network
            operation = self._chain.delete(network, call, kept)
            self._cache.remove(network.name, container, call.ifname)
            if not [one for one in mine if one is not kept]:
                pods.remove(self.node, container)
        return operation

    def check(self, container: str, ifname: str = "eth0") -> Operation:
        """Ask each plugin whether its part of the attachment is as ADD left it: CHECK along the chain.

        Where the configuration has ``disableCheck``, all is well without asking.

        Raises:
            CniFailed: a plugin found something wrong.
            NotFound: there was no ADD.
            BadInput: the configuration is for a version that has no CHECK.
        """
        network, call = self.network, Call("CHECK", container, ifname=ifname)
        if network.disable_check:
            return Operation("CHECK", network.name, container)
        _require_version(network, "CHECK", HAS_CHECK)
        with held(), self._locks.container(container):
            kept = self._cache.read(network.name, container, ifname)
            if kept is None:
                raise NotFound(f"{container} is not attached by {ifname}.", "CHECK is for what ADD made.")
            call = replace(call, netns=kept.netns, args=kept.args)
            return self._chain.check(NetworkConfigList.parse(kept.config), call, kept)

    def gc(self) -> Operation:
        """Tell every plugin which attachments are still in use, so that it removes what is left of others: GC.

        Kept results whose namespace is gone are first taken down with DEL.

        Raises:
            CniFailed: something could not be cleaned up; all the rest was.
            BadInput: the configuration forbids GC, or is for a version that has none; or a kept result cannot be read.
        """
        network = self.network
        if network.disable_gc:
            raise BadInput(
                f"GC is not called on the network {network.name}: disableGC is set.",
                "Other runtimes may have pods on it, which GC would not spare.",
            )
        _require_version(network, "GC", HAS_GC)
        with held(), self._locks.everything():
            self._cache.require_readable(network.name)
            done: list[Exchange] = []
            errors: list[CniFailed] = []
            for one in self._kept(network.name):
                if not self._is_alive(one):
                    exchanges, error = self._delete_stale(one)
                    done += exchanges
                    errors += [error] if error else []
            return self._chain.gc(network, self.attachments(), done, errors)

    def _delete_stale(self, one: Cached) -> tuple[tuple[Exchange, ...], CniFailed | None]:
        """DEL for an attachment whose namespace is gone.  If it fails, its result is kept for the next time."""
        call = Call("DEL", one.container, ifname=one.ifname, args=one.args)
        try:
            exchanges = self._chain.delete(NetworkConfigList.parse(one.config), call, one).exchanges
        except CniFailed as error:
            return error.operation.exchanges if isinstance(error.operation, Operation) else (), error
        self._cache.remove(*one.key)
        return exchanges, None

    def status(self) -> Operation:
        """Ask every plugin whether it could serve ADD now: STATUS.

        Raises:
            CniFailed: a plugin could not, with code 50 or 51.
            BadInput: the configuration is for a version that has no STATUS.
        """
        network = self.network
        _require_version(network, "STATUS", HAS_GC)
        return self._chain.status(network)

    def versions(self, plugin: str) -> tuple[str, ...]:
        """Which versions of the specification a plugin speaks: VERSION.

        Raises:
            ToolMissing, CniFailed: it gave no answer.
        """
        return self._chain.versions(plugin)

    # --- inside ----------------------------------------------------------------------------------------------------

    def _kept(self, network: str) -> list[Cached]:
        return [one for one in self._cache.entries() if one.network == network]

    def _is_alive(self, one: Cached) -> bool:
        return inode_at(f"{self.node.root}{one.netns}") != 0

    def _require_new_attachment(self, network: NetworkConfigList, call: Call) -> None:
        try:
            is_there = self._cache.read(network.name, call.container, call.ifname) is not None
        except BadInput:
            is_there = True
        if is_there:
            raise AlreadyExists(
                f"{call.container} is attached by {call.ifname} already.",
                f'ADD is not called twice. runtime.delete("{call.container}") calls DEL; then add it again.',
            )

    @contextmanager
    def _namespace_for(self, container: str) -> Iterator[None]:
        """Make the container's namespace, unless it is there; if the block fails, one made here goes again."""
        if pods.exists(self.node, container):
            yield
            return
        pods.forget_name(self.node, container)
        pods.create(self.node, container)
        try:
            yield
        except BaseException:
            pods.remove(self.node, container)
            raise

    def _keep(
        self, network: NetworkConfigList, call: Call, capabilities: Mapping[str, Any], operation: Operation
    ) -> None:
        result = operation.exchanges[-1].answer
        entry = Cached(
            network.name, call.container, call.ifname, call.netns, network.raw, call.args, capabilities, result
        )
        try:
            self._cache.write(entry)
        except BaseException:
            self._chain.undo(network, call, capabilities, result)
            raise


def _require_version(network: NetworkConfigList, command: str, since: str) -> None:
    if not at_least(network.version, since):
        raise BadInput(
            f"{command} is not called on the network {network.name}: it is for CNI {network.version}.",
            f"{command} came with {since}: set cniVersion in its configuration.",
        )
