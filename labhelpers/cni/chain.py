"""Call the plugins of a network one after the other, as the specification orders them.

Source: https://www.cni.dev/docs/spec/#section-3-execution-of-network-configurations, specification 1.1.0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from labhelpers.cni.cache import Cached
from labhelpers.cni.codes import meaning
from labhelpers.cni.config import NetworkConfigList, PluginConfig
from labhelpers.cni.exchange import Exchange
from labhelpers.cni.invoke import Call, run
from labhelpers.cni.observe import Observer
from labhelpers.cni.operation import Operation
from labhelpers.cni.programs import find
from labhelpers.cni.result import Result
from labhelpers.cni.version import SUPPORTED
from labhelpers.errors import BadInput, CniFailed, LabError, ToolMissing
from labhelpers.lab import Node
from labhelpers.linux.interrupt import let_through
from labhelpers.topology import Change, Changes, Snapshot, diff

__all__ = ["Chain"]

_VERSION_QUESTION = {"cniVersion": SUPPORTED[-1]}


class Chain:
    """The calls of one operation.  It keeps nothing; the runtime around it keeps results and locks."""

    def __init__(self, node: Node, folders: tuple[str, ...], *, timeout: float, observe: bool) -> None:
        self._node, self._folders = node, folders
        self._timeout, self._observe = timeout, observe

    def require(self, network: NetworkConfigList) -> None:
        """Raise ``BadInput`` or ``ToolMissing``, before the first plugin is called, unless all of them can be."""
        assert network.version
        for plugin in network.plugins:
            find(self._node, plugin.type, self._folders)

    def add(self, network: NetworkConfigList, call: Call, capabilities: Mapping[str, Any]) -> Operation:
        """ADD: each plugin gets the result of the one before; the last one's is the result.

        Raises:
            CniFailed: DEL has followed; ``operation`` has both.
        """
        exchanges: list[Exchange] = []
        previous: Mapping[str, Any] | None = None
        try:
            for plugin in network.plugins:
                request = network.request(plugin, previous=previous, capabilities=capabilities)
                exchanges.append(self._call(plugin, call, request))
                _require_ok(exchanges[-1])
                _result_of(exchanges[-1])
                previous = exchanges[-1].answer
        except LabError as error:
            undone = self.undo(network, call, capabilities, previous)
            operation = Operation("ADD", network.name, call.container, tuple(exchanges), undone, None, error.what)
            raise _with(error, operation) from None
        except BaseException:  # an interrupt
            self.undo(network, call, capabilities, previous)
            raise
        named = frozenset().union(*(plugin.capabilities for plugin in network.plugins))
        unused = tuple(name for name in capabilities if name not in named)
        result = _result_of(exchanges[-1])
        return Operation("ADD", network.name, call.container, tuple(exchanges), result=result, unused=unused)

    def undo(
        self,
        network: NetworkConfigList,
        call: Call,
        capabilities: Mapping[str, Any],
        previous: Mapping[str, Any] | None = None,
    ) -> tuple[Exchange, ...]:
        """DEL along the whole chain after an ADD that failed, whatever each plugin says to it.

        An interrupt waits until the last plugin has ended.
        """
        call = replace(call, command="DEL")
        exchanges = []
        for plugin in reversed(network.plugins):
            try:
                request = network.request(plugin, previous=previous, capabilities=capabilities)
                exchanges.append(self._call(plugin, call, request, stoppable=False))
            except LabError:
                continue
        return tuple(exchanges)

    def delete(self, network: NetworkConfigList, call: Call, kept: Cached | None) -> Operation:
        """DEL: in reverse, each plugin with the result of ADD; the first that fails ends it."""
        return self._each(network, call, reversed(network.plugins), kept)

    def check(self, network: NetworkConfigList, call: Call, kept: Cached) -> Operation:
        """CHECK: in order, each plugin with the result of ADD; the first that fails ends it."""
        return self._each(network, call, network.plugins, kept)

    def _each(
        self, network: NetworkConfigList, call: Call, plugins: Iterable[PluginConfig], kept: Cached | None
    ) -> Operation:
        exchanges: list[Exchange] = []
        previous = _in_version(kept.result, network.version) if kept else None
        capabilities = kept.capabilities if kept else {}
        try:
            for plugin in plugins:
                request = network.request(plugin, previous=previous, capabilities=capabilities)
                exchanges.append(self._call(plugin, call, request))
                _require_ok(exchanges[-1])
        except LabError as error:
            operation = Operation(call.command, network.name, call.container, tuple(exchanges), error=error.what)
            raise _with(error, operation) from None
        return Operation(call.command, network.name, call.container, tuple(exchanges))

    def gc(
        self,
        network: NetworkConfigList,
        valid: Iterable[tuple[str, str]],
        before: Iterable[Exchange] = (),
        errors: Iterable[LabError] = (),
    ) -> Operation:
        """GC: every plugin is called, also after one that failed.

        Args:
            before: what the runtime has called already to clean up, and the errors of it.

        Raises:
            CniFailed: with all that failed.
        """
        exchanges, failed = list(before), list(errors)
        for plugin in network.plugins:
            try:
                request = network.request(plugin, attachments=valid)
                exchanges.append(self._call(plugin, Call("GC"), request))
                _require_ok(exchanges[-1])
            except LabError as error:
                failed.append(error)
        said = " ".join(one.what for one in failed)
        operation = Operation("GC", network.name, "", tuple(exchanges), error=said)
        if failed:
            raise _with(failed[0], operation, said)
        return operation

    def status(self, network: NetworkConfigList) -> Operation:
        """STATUS: in order; the first that cannot serve ends it."""
        return self._each(network, Call("STATUS"), network.plugins, None)

    def versions(self, name: str) -> tuple[str, ...]:
        """VERSION of one plugin."""
        exchange = self._call(PluginConfig(name, {}), Call("VERSION"), _VERSION_QUESTION)
        _require_ok(exchange)
        answer = exchange.answer
        versions = answer.get("supportedVersions") if isinstance(answer, Mapping) else None
        if not isinstance(versions, list) or not all(isinstance(one, str) for one in versions):
            raise CniFailed(
                f"The plugin {name} did not say which versions it speaks.", "See section 2 of the specification."
            )
        return tuple(versions)

    def _call(
        self, plugin: PluginConfig, call: Call, request: Mapping[str, Any], *, stoppable: bool = True
    ) -> Exchange:
        path = find(self._node, plugin.type, self._folders)

        def start(folders: Iterable[str]) -> Exchange:
            with let_through() if stoppable else nullcontext():
                return run(self._node, plugin.type, path, call, request, folders, timeout=self._timeout)

        if not self._observe or call.command == "VERSION":
            return start(self._folders)
        before = Snapshot.take()
        exchange = self._overheard(start, self._delegates(plugin))
        changes = diff(before, Snapshot.take()).about("namespace", "link", "address", "route", "cable")
        return replace(exchange, changes=Changes(change for change in changes if not _is_only_a_signal(change)))

    def _overheard(self, start: Callable[[Iterable[str]], Exchange], delegates: Mapping[str, str]) -> Exchange:
        """The exchange with the calls that the plugin made itself."""
        if not delegates:
            return start(self._folders)
        with Observer(self._node.root, delegates) as observer:
            exchange = start((observer.folder, *self._folders))
            return replace(
                exchange,
                environment={name: observer.forgotten_in(value) for name, value in exchange.environment.items()},
                stdout=observer.forgotten_in(exchange.stdout),
                stderr=observer.forgotten_in(exchange.stderr),
                delegated=observer.take(),
            )

    def _delegates(self, plugin: PluginConfig) -> dict[str, str]:
        found = {}
        for name in plugin.delegates:
            try:
                found[name] = find(self._node, name, self._folders)
            except ToolMissing:  # the main plugin will say so
                continue
        return found


def _is_only_a_signal(change: Change) -> bool:
    """Has a link got or lost its signal, and nothing else?  The kernel notices late, while another plugin may run."""
    was, now = change.before, change.after
    return change.kind == "link" and change.what == "changed" and replace(was, state=now.state) == now


def _require_ok(exchange: Exchange) -> None:
    """Raise ``CniFailed`` in one sentence if the plugin failed."""
    if exchange.ok:
        return
    who, failure = f"The plugin {exchange.plugin}", exchange.failure
    if exchange.trouble:
        raise CniFailed(f"{who} {exchange.trouble}.", f"Call it by hand to see why: {exchange.path}")
    if failure:
        said = f": {failure.msg.rstrip('.')}" if failure.msg else ""
        raise CniFailed(
            f"{who} refused {exchange.command} with code {failure.code} ({meaning(failure.code)}){said}.",
            f"It adds: {failure.details.rstrip('.')}." if failure.details else "",
            code=failure.code,
            msg=failure.msg,
            details=failure.details,
        )
    if exchange.status < 0:
        raise CniFailed(f"{who} was ended by signal {-exchange.status} during {exchange.command}.", "Call it again.")
    wrote = (exchange.stdout + exchange.stderr).strip()
    raise CniFailed(
        f"{who} failed {exchange.command} with status {exchange.status} and no error object.",
        f"It wrote: {wrote[:300]}" if wrote else "It wrote nothing.",
    )


def _result_of(exchange: Exchange) -> Result:
    try:
        result = Result.parse(exchange.answer)
    except BadInput as error:
        said = exchange.stdout.strip()[:200] or "nothing"
        raise CniFailed(f"The plugin {exchange.plugin} ended well, but: {error.what}", f"It wrote: {said}") from None
    asked = exchange.request["cniVersion"]
    if result.version != asked:
        raise CniFailed(
            f"The plugin {exchange.plugin} was asked in CNI {asked} and answered in {result.version}.",
            "A result must be of the version of its configuration.",
        )
    return result


def _in_version(result: Mapping[str, Any], version: str) -> Mapping[str, Any]:
    """What was kept may be of another version than its configuration, if another runtime kept it."""
    if result.get("cniVersion") == version:
        return result
    try:
        return Result.parse(result).to_json(version)
    except BadInput:  # no reason to fail DEL
        return result


def _with(error: LabError, operation: Operation, what: str = "") -> CniFailed:
    """The error with the exchange so far, as one of CNI."""
    code, msg, details = getattr(error, "code", 0), getattr(error, "msg", ""), getattr(error, "details", "")
    return CniFailed(what or error.what, error.to_do, code=code, msg=msg, details=details, operation=operation)
