"""The suite for runtimes: ours meets all of it, and a runtime that breaks a rule is found out."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labhelpers.cni import Runtime, cache, chain, config, invoke, locks, pod
from labhelpers.cni.chain import Chain
from labhelpers.cni.config import NetworkConfigList
from labhelpers.conformance import cni
from labhelpers.conformance.cni import runtime_suite
from labhelpers.errors import CniFailed
from labhelpers.lab import Lab, Node
from labhelpers.linux import process
from tests.netns.cni import addresses, network
from tests.netns.everything import Everything

pytestmark = pytest.mark.once

Patch = pytest.MonkeyPatch
Break = Callable[[Patch], None]


@pytest.fixture
def node(lab: Lab) -> Node:
    return lab.node("node-1")


def test_ours_meets_every_requirement(lab: Lab, node: Node) -> None:
    before = Everything.now(lab)
    rows = cni.runtime(node)
    assert {row.id: row.seen for row in rows if not row.ok} == {}
    assert len(rows) == len({row.id for row in rows}) >= 40
    assert all(row.source.startswith("section") and row.why.endswith(".") for row in rows)
    assert rows.title == "CNI 1.1.0: the runtime"
    assert Everything.now(lab) == before


def test_a_learners_own_network_and_pods_are_not_touched(node: Node) -> None:
    mine = Runtime(node, observe=False)
    mine.configure(network(version="1.1.0"))
    mine.add("web")
    assert all(row.ok for row in cni.runtime(node, only="gc"))
    assert addresses(node, "web") == ["10.0.1.2/24"]
    assert mine.network.name == "pods"
    assert mine.check("web").ok
    assert os.listdir(f"{node.root}/etc/cni/net.d") == ["10-lab.conflist"]
    assert not Path(f"{node.root}/run/cni-stage").exists()


def test_only_some_may_be_tried_and_progress_is_told(node: Node) -> None:
    told: list[str] = []
    rows = cni.runtime(node, only="config.d", progress=told.append)
    assert told == [row.id for row in rows] == ["config.disable-check", "config.disable-gc"]


def test_another_runtime_may_be_given(node: Node) -> None:
    made: list[dict[str, Any]] = []

    def make(*arguments: Any, **options: Any) -> Runtime:
        made.append(options)
        return Runtime(*arguments, **options)

    assert all(row.ok for row in cni.runtime(node, make=make, only="add.order"))
    assert made == [{"folders": ("/run/cni-stage/plugins", "/opt/cni/bin"), "timeout": 10, "observe": False}]


# --- broken runtimes --------------------------------------------------------------------------------------------------


def _request(change: Callable[..., dict[str, Any]]) -> Break:
    """Change what plugins read: gets the right request, the network, the plugin, and what else was asked for."""
    right = NetworkConfigList.request

    def request(self: Any, plugin: Any, **options: Any) -> dict[str, Any]:
        return change(right(self, plugin, **options), network=self, plugin=plugin, **options)

    return lambda patch: patch.setattr(NetworkConfigList, "request", request)


def _without(*keys: str) -> Break:
    return _request(lambda right, **_: {key: value for key, value in right.items() if key not in keys})


def _with(key: str, value: Any) -> Break:
    return _request(lambda right, **_: {**right, key: value})


def _raw(key: str) -> Break:
    """What is in the file wins."""
    return _request(lambda right, plugin, **_: {**right, **{k: v for k, v in plugin.raw.items() if k == key}})


def _environment(change: Callable[[dict[str, str]], dict[str, str]]) -> Break:
    right = invoke.Call.environment
    return lambda patch: patch.setattr(invoke.Call, "environment", lambda self, folders: change(right(self, folders)))


def _but(environment: dict[str, str], key: str) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name != key}


def _keep_going(patch: Patch) -> None:
    """An error of a plugin is not looked at."""
    patch.setattr(chain, "_require_ok", lambda exchange: None)
    patch.setattr(chain, "_result_of", lambda exchange: None)


def _not_passed_on(patch: Patch) -> None:
    def require(exchange: Any) -> None:
        if not exchange.ok:
            raise CniFailed("something went wrong")

    patch.setattr(chain, "_require_ok", require)


def _in_the_wrong_order(patch: Patch) -> None:
    patch.setattr(chain, "reversed", lambda plugins: plugins, raising=False)


def _backwards(patch: Patch) -> None:
    right = NetworkConfigList.parse.__func__  # type: ignore[attr-defined]

    def parse(cls: type, *arguments: Any) -> NetworkConfigList:
        found: NetworkConfigList = right(cls, *arguments)
        return replace(found, plugins=found.plugins[::-1])

    patch.setattr(NetworkConfigList, "parse", classmethod(parse))


def _the_last_result_only(patch: Patch) -> None:
    """Each plugin gets, at DEL and CHECK, a result without what the last one added."""
    right = chain._in_version

    def shorter(result: Any, version: str) -> Any:
        found = right(result, version)
        return {**found, "interfaces": found["interfaces"][:-1]}

    patch.setattr(chain, "_in_version", shorter)


def _never_undo(patch: Patch) -> None:
    patch.setattr(Chain, "undo", lambda *arguments, **options: ())


def _forget(patch: Patch) -> None:
    patch.setattr(cache.Cache, "write", lambda self, entry: None)


def _remember(patch: Patch) -> None:
    patch.setattr(cache.Cache, "remove", lambda self, *key: None)


def _add_again(patch: Patch) -> None:
    patch.setattr(Runtime, "_require_new_attachment", lambda self, network, call: None)


def _the_network_of_now(patch: Patch) -> None:
    right = cache._parse

    def parse(path: Path) -> Any:
        now = json.loads((path.parents[4] / "etc/cni/net.d/000-stage.conflist").read_text())
        return replace(right(path), config=now)

    patch.setattr(cache, "_parse", parse)


def _check_anything(patch: Patch) -> None:
    right = cache.Cache.read

    def read(self: Any, name: str, container: str, ifname: str) -> Any:
        found = right(self, name, container, ifname)
        empty = cache.Cached(name, container, ifname, "/run/netns/none", _raw_stage(self), (), {}, {})
        return found or empty

    patch.setattr(cache.Cache, "read", read)
    patch.setattr(Runtime, "_require_new_attachment", lambda self, network, call: None)


def _raw_stage(self: Any) -> Any:
    return json.loads((self._folder.parents[3] / "etc/cni/net.d/000-stage.conflist").read_text())


def _flag(name: str) -> Break:
    """A setting of the administrator is not looked at."""
    right = config._flag
    return lambda patch: patch.setattr(
        config, "_flag", lambda data, key, where: key != name and right(data, key, where)
    )


def _gc_stops(patch: Patch) -> None:
    right = Chain.gc

    def gc(self: Any, network: Any, *arguments: Any) -> Any:
        return right(self, replace(network, plugins=network.plugins[:1]), *arguments)

    patch.setattr(Chain, "gc", gc)


def _gc_knows_all(patch: Patch) -> None:
    """Every attachment that ever was."""
    seen: list[tuple[str, str]] = []
    right = cache.Cache.write

    def write(self: Any, entry: Any) -> None:
        seen.append((entry.container, entry.ifname))
        right(self, entry)

    patch.setattr(cache.Cache, "write", write)
    patch.setattr(Runtime, "attachments", lambda self: tuple(seen))


def _gc_knows_one(patch: Patch) -> None:
    right = Runtime.attachments
    patch.setattr(Runtime, "attachments", lambda self: right(self)[:1])


def _no_namespace(patch: Patch) -> None:
    @contextmanager
    def nothing(self: Any, container: str) -> Iterator[None]:
        yield

    patch.setattr(Runtime, "_namespace_for", nothing)


def _the_nodes_namespace(patch: Patch) -> None:
    """Everybody is given the same."""
    _no_namespace(patch)
    patch.setattr(pod, "path_of", lambda container: "/proc/self/ns/net")


def _remove_first(patch: Patch) -> None:
    right = Chain.delete

    def delete(self: Any, network: Any, call: Any, kept: Any) -> Any:
        pod.remove(self._node, call.container)
        return right(self, network, call, kept)

    patch.setattr(Chain, "delete", delete)


def _never_remove(patch: Patch) -> None:
    """But at the very end, so that the next trial begins with nothing."""
    patch.setattr(pod, "remove", lambda node, container: None)


def _remove_at_once(patch: Patch) -> None:
    right = Runtime.delete

    def delete(self: Any, container: str, ifname: str = "") -> Any:
        operation = right(self, container, ifname)
        pod.remove(self.node, container)
        return operation

    patch.setattr(Runtime, "delete", delete)


def _no_lock(patch: Patch) -> None:
    @contextmanager
    def open_door(self: Any, *arguments: Any) -> Iterator[None]:
        yield

    patch.setattr(locks.Locks, "container", open_door)
    patch.setattr(locks.Locks, "everything", open_door)


def _gc_does_not_wait(patch: Patch) -> None:
    @contextmanager
    def open_door(self: Any) -> Iterator[None]:
        yield

    patch.setattr(locks.Locks, "everything", open_door)


def _in_the_container(patch: Patch) -> None:
    """Plugins are started in another network namespace than the node's."""
    right = process.run
    patch.setattr(process, "run", lambda kernel, args, *, pid, **options: right(kernel, args, pid=0, **options))
    patch.setattr(process, "like_ip_netns_exec", lambda fd, name: None)


def _lowest_version(patch: Patch) -> None:
    patch.setattr(config, "highest", lambda versions: "0.4.0" if "0.4.0" in versions else "1.1.0")


def _any_name(patch: Patch) -> None:
    patch.setattr(config, "_name", lambda value, where: str(value))
    patch.setattr(cache.Cache, "_path", lambda self, *key: self._folder / "-".join(key).replace("/", "_"))


def _any_type(patch: Patch) -> None:
    patch.setattr(config, "_plugin", lambda value, where: config.PluginConfig(value["type"], value))
    patch.setattr(chain, "find", lambda node, name, folders: f"/run/cni-stage/plugins/{os.path.basename(name)}")


def _skip_missing(patch: Patch) -> None:
    right = config._plugins
    patch.setattr(
        config,
        "_plugins",
        lambda value, where: tuple(one for one in right(value, where) if one.type != "nobody-has-this"),
    )


BROKEN: dict[str, tuple[Break, set[str]]] = {
    "the lowest version is chosen": (_lowest_version, {"config.version"}),
    "unknown fields are dropped": (_without("keyA", "ipam", "args"), {"config.unknown-fields"}),
    "disableCheck is not looked at": (_flag("disableCheck"), {"config.disable-check"}),
    "disableGC is not looked at": (_flag("disableGC"), {"config.disable-gc"}),
    "any name will do": (_any_name, {"config.name"}),
    "any type will do": (_any_type, {"config.type"}),
    "CNI_ARGS is missing": (_environment(lambda e: _but(e, "CNI_ARGS")), {"environment.add"}),
    "CNI_PATH is missing": (_environment(lambda e: _but(e, "CNI_PATH")), {"environment.add", "environment.gc"}),
    "CNI_IFNAME is always eth0": (
        _environment(lambda e: {**e, "CNI_IFNAME": "eth0"} if "CNI_IFNAME" in e else e), {"environment.add"},
    ),
    "each call has another argument": (
        _environment(lambda e: {**e, "CNI_ARGS": os.urandom(4).hex()}), {"environment.same", "environment.check"},
    ),
    "CHECK has no arguments": (
        _environment(lambda e: e if e["CNI_COMMAND"] != "CHECK" else _but(e, "CNI_ARGS")),
        {"environment.check"},
    ),
    "GC is about a container": (_environment(lambda e: {"CNI_CONTAINERID": "x", **e}), {"environment.gc"}),
    "plugins run elsewhere": (_in_the_container, {"environment.domain"}),
    "the plugin's own name wins": (_raw("name"), {"request.name-and-version"}),
    "the plugin's own version wins": (_raw("cniVersion"), {"request.name-and-version"}),
    "capabilities are left in": (_raw("capabilities"), {"request.no-capabilities"}),
    "every capability is given to all": (_with("runtimeConfig", {"x": [1], "z": 2}), {"request.runtime-config"}),
    "no capability is given": (_without("runtimeConfig"), {"request.runtime-config"}),
    "runtimeConfig of the file is left in": (_raw("runtimeConfig"), {"request.reserved"}),
    "a list for GC in the file is left in": (_raw("cni.dev/valid-attachments"), {"request.reserved"}),
    "a result in the file wins": (_raw("prevResult"), {"request.reserved"}),
    "VERSION is asked without a version": (
        lambda patch: patch.setattr(chain, "_VERSION_QUESTION", {}), {"request.version"},
    ),
    "the chain is gone along backwards": (_backwards, {"add.order", "check.order"}),
    "no previous result is given": (
        _without("prevResult"), {"add.previous-result", "add.kept", "del.previous-result", "del.error"},
    ),
    "errors are not passed on": (_not_passed_on, {"add.error", "del.error", "check.error", "gc.goes-on"}),
    "errors are not looked at": (
        _keep_going, {"add.error", "add.stops", "add.then-del", "del.error", "check.error", "gc.goes-on"},
    ),
    "a failed ADD is left as it is": (_never_undo, {"add.then-del"}),
    "a plugin that is missing is left out": (_skip_missing, {"add.missing"}),
    "nothing is kept": (_forget, {"add.kept", "add.once", "del.previous-result"}),
    "ADD may come again": (_add_again, {"add.once"}),
    "DEL goes along forwards": (_in_the_wrong_order, {"del.order", "add.then-del"}),
    "the last plugin's part is not kept": (_the_last_result_only, {"add.kept", "del.previous-result"}),
    "a result is never forgotten": (_remember, {"del.forgets", "check.only-after-add"}),
    "DEL takes the configuration of now": (_the_network_of_now, {"del.same-network"}),
    "CHECK asks whatever there is": (_check_anything, {"check.only-after-add"}),
    "GC asks the first plugin only": (_gc_stops, {"gc.goes-on"}),
    "GC knows of what is gone": (_gc_knows_all, {"gc.attachments"}),
    "GC does not know of all": (_gc_knows_one, {"gc.attachments"}),
    "no namespace is made": (_no_namespace, {"namespace.before"}),
    "everybody has the node's": (_the_nodes_namespace, {"namespace.before"}),
    "the namespace goes before DEL": (_remove_first, {"namespace.while-del"}),
    "the namespace stays": (_never_remove, {"namespace.after", "namespace.after-failure"}),
    "the namespace goes with the first interface": (_remove_at_once, {"namespace.after"}),
    "nobody waits for anybody": (_no_lock, {"together.container", "together.gc"}),
    "GC does not wait": (_gc_does_not_wait, {"together.gc"}),
}  # fmt: skip


@pytest.mark.parametrize("how", BROKEN)
def test_a_runtime_that_breaks_a_rule_is_found_out(node: Node, how: str) -> None:
    break_it, found_out = BROKEN[how]
    for id in sorted(found_out):
        # whether two at once meet is luck, on a busy machine more than elsewhere: it is tried again
        for _ in range(5 if id.startswith("together.") else 1):
            with Patch.context() as patch:
                break_it(patch)
                row = cni.runtime(node, only=id)[id]
            if row.ok is False:
                break
        assert row.ok is False, f"{id}: {row.seen}"
        _take_away_what_a_broken_runtime_leaves(node)


def _take_away_what_a_broken_runtime_leaves(node: Node) -> None:
    for container in pod.listed(node):
        pod.remove(node, container)
    for path in Path(f"{node.root}/var/lib/cni/results").glob("*"):
        path.unlink()


def test_every_requirement_has_a_runtime_that_breaks_it() -> None:
    ids = {requirement.id for requirement in runtime_suite._REQUIREMENTS}
    assert ids == set().union(*(found_out for _, found_out in BROKEN.values()))
