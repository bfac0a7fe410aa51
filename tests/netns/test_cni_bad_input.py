"""Bad input and bad luck with CNI: a sentence from the runtime, an error object from the plugin, nothing half built.

The exact texts are in ``data/cni-errors.txt``, because learners read them: changing one is changing the course.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from labhelpers.cni import Runtime
from labhelpers.cni.invoke import Call, run
from labhelpers.errors import LabError
from labhelpers.lab import Lab, Node
from tests.netns.cni import leases, network, on_node, plugin, results
from tests.netns.everything import Everything

TEXTS = Path(__file__).with_name("data") / "cni-errors.txt"
#: the kernel's own words, which differ from kernel to kernel
_KERNELS_WORDS = re.compile(r"""(\): |": ")[^:`"]+(?=: `ip )""")

Act = Callable[[Runtime], object]


@dataclass(frozen=True)
class Situation:
    """What is the case, and what somebody then does."""

    prepare: Act
    act: Act = lambda runtime: runtime.add("web")


def _configured(*plugins: dict[str, Any], **fields: Any) -> Act:
    return lambda runtime: runtime.configure(network(*plugins, **{"version": "1.1.0", **fields}))


def _written(text: str) -> Act:
    """A file that an administrator has put there, without asking a helper."""

    def write(runtime: Runtime) -> None:
        path = Path(f"{runtime.node.root}/etc/cni/net.d/10-lab.conflist")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return write


def _program(text: str, mode: int = 0o755) -> Act:
    """A network of one plugin, which is this program."""

    def write(runtime: Runtime) -> None:
        path = Path(f"{runtime.node.root}/run/plugins/broken")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        runtime.configure(network({"type": "broken"}, version="1.1.0"))

    return write


def _all(*acts: Act) -> Act:
    def do(runtime: Runtime) -> None:
        for act in acts:
            act(runtime)

    return do


def _on_node(script: str) -> Act:
    return lambda runtime: on_node(runtime.node, "sh", "-ec", script)


def _added(container: str = "db", ifname: str = "eth0") -> Act:
    return lambda runtime: runtime.add(container, ifname)


def _with_bridge(runtime: Runtime) -> None:
    """The bridge is there since an earlier container: it is for all of them, and stays when one fails."""
    _configured()(runtime)
    runtime.add("db")


def _by_hand(program: str = "lab-bridge", stdin: str | None = None, **environment: str | None) -> Act:
    """Start a plugin as no runtime would; what it writes."""

    def start(runtime: Runtime) -> object:
        request = {"cniVersion": "1.1.0", "name": "pods", **plugin()}
        call = Call("ADD", "web", "/run/netns/nobody", "eth0")
        done = run(
            runtime.node, program, f"/opt/cni/bin/{program}", call, request, ("/opt/cni/bin",),
            timeout=20, override=environment, stdin=stdin,
        )  # fmt: skip
        assert done.status == 1
        return f"The plugin wrote: {done.stdout.strip()}"

    return start


def _ipam(**fields: Any) -> dict[str, Any]:
    return plugin(ipam="lab-host-local") | {"ipam": {"type": "lab-host-local", **fields}}


_NET = "/var/lib/cni"
_FULL = f"mount -t tmpfs -o size=4k tmpfs {_NET}; mkdir -p {_NET}/networks/pods {_NET}/results; echo full >{_NET}/full"
#: room for the books of IPAM, in a file system of their own, and none for results
_FULL_FOR_RESULTS = (
    f"mount -t tmpfs -o size=4k tmpfs {_NET}; mkdir -p {_NET}/networks {_NET}/results; "
    f"mount -t tmpfs tmpfs {_NET}/networks; echo full >{_NET}/full"
)

SITUATIONS: dict[str, Situation] = {
    # --- the configuration
    "no configuration": Situation(_all()),
    "a configuration that is cut off": Situation(_written('{"cniVersion": "1.1.0", "name": ')),
    "a configuration that is a list": Situation(_written("[]")),
    "a configuration without a name": Situation(_written('{"cniVersion": "1.1.0", "plugins": [{"type": "lab-ptp"}]}')),
    "a configuration without plugins": Situation(_written('{"cniVersion": "1.1.0", "name": "pods"}')),
    "the first of two configurations is broken": Situation(
        _all(lambda runtime: runtime.configure(network(), "20-good.conflist"), _written("{"))
    ),
    "a version of the future": Situation(_configured(version="9.9.9")),
    "a version of the past": Situation(_written('{"name": "pods", "plugins": [{"type": "lab-ptp"}]}')),
    "a version that the plugin does not speak": Situation(_configured(plugin("bridge", "host-local"))),
    "a configuration that makes no sense is given": Situation(
        _all(), lambda runtime: runtime.configure({"name": "pods"})
    ),
    "a configuration is given a name that nobody reads": Situation(
        _all(), lambda runtime: runtime.configure(network(), "10-lab.txt")
    ),
    "CHECK where there is none": Situation(_configured(version="0.3.1"), lambda runtime: runtime.check("web")),
    "GC where there is none": Situation(_configured(version="1.0.0"), lambda runtime: runtime.gc()),
    "STATUS where there is none": Situation(_configured(version="1.0.0"), lambda runtime: runtime.status()),
    "GC where it is forbidden": Situation(_configured(disableGC=True), lambda runtime: runtime.gc()),
    # --- the program
    "a type that is no plugin": Situation(_configured({"type": "brigde"})),
    "a second plugin that is not there": Situation(_configured(plugin(), {"type": "portmapp"})),
    "a plugin that may not be executed": Situation(_program("#!/bin/sh\n", 0o644)),
    "a plugin that is no program": Situation(_program("just text\n")),
    "a plugin whose interpreter is not there": Situation(_program("#!/nowhere/python\n")),
    "a plugin that says nothing": Situation(_program("#!/bin/sh\n")),
    "a plugin that prints garbage": Situation(_program("#!/bin/sh\necho Hello; exit 0\n")),
    "a plugin that prints garbage and fails": Situation(_program("#!/bin/sh\necho Hello; echo oh no >&2; exit 3\n")),
    "a plugin that fails without a word": Situation(_program("#!/bin/sh\nexit 3\n")),
    "a plugin that does not end": Situation(_program("#!/bin/sh\nsleep 60\n")),
    "a plugin that is killed": Situation(_program("#!/bin/sh\nkill -9 $$\n")),
    "a plugin that answers in another version": Situation(_program("""#!/bin/sh\necho '{"cniVersion": "0.4.0"}'\n""")),
    "a plugin whose answer has no version": Situation(_program("""#!/bin/sh\necho '{"ips": []}'\n""")),
    "a plugin whose answer has a bad address": Situation(
        _program("""#!/bin/sh\necho '{"cniVersion": "1.1.0", "ips": [{"address": "10.0.0.300/24"}]}'\n""")
    ),
    "a plugin that refuses without saying why": Situation(_program("""#!/bin/sh\necho '{"code": 42}'; exit 1\n""")),
    "VERSION of a plugin that does not know it": Situation(
        _program("#!/bin/sh\necho '{}'\n"), lambda runtime: runtime.versions("broken")
    ),
    # --- the parameters
    "an interface name of 16 bytes": Situation(_configured(), lambda runtime: runtime.add("web", "sixteen-letters0")),
    "an interface name with a slash": Situation(_configured(), lambda runtime: runtime.add("web", "et/h0")),
    "no interface name": Situation(_configured(), lambda runtime: runtime.add("web", "")),
    "a container id with odd characters": Situation(_configured(), lambda runtime: runtime.add("../web")),
    "a container id that begins with a dash": Situation(_configured(), lambda runtime: runtime.add("-web")),
    "no container id": Situation(_configured(), lambda runtime: runtime.add("")),
    "a container id that is too long": Situation(_configured(), lambda runtime: runtime.add("a" * 64)),
    "an argument with a semicolon": Situation(_configured(), lambda runtime: runtime.add("web", args={"A": "1;B=2"})),
    "an argument that is a number": Situation(
        _configured(), lambda runtime: runtime.add("web", args={"A": 1})  # type: ignore[dict-item]
    ),
    "a capability that is no JSON": Situation(
        _configured(), lambda runtime: runtime.add("web", capabilities={"a": {1}})
    ),
    # --- IPAM and the plugin's own fields
    "no ipam": Situation(_configured({"type": "lab-bridge"})),
    "an IPAM plugin that is not there": Situation(_configured(plugin("lab-bridge", "host-locale"))),
    "no subnet": Situation(_configured(_ipam())),
    "a subnet that is none": Situation(_configured(_ipam(subnet="10.0.1.0/33"))),
    "a gateway outside the subnet": Situation(_configured(_ipam(subnet="10.0.1.0/24", gateway="10.0.2.1"))),
    "a subnet that is full": Situation(_all(_configured(_ipam(subnet="10.0.1.0/30")), _added())),
    "STATUS of a subnet that is full": Situation(
        _all(_configured(_ipam(subnet="10.0.1.0/30")), _added()), lambda runtime: runtime.status()
    ),
    "a route that is none": Situation(_configured(_ipam(subnet="10.0.1.0/24", routes=[{"dst": "everywhere"}]))),
    "a route whose gateway cannot be reached": Situation(
        _configured(_ipam(subnet="10.0.1.0/24", routes=[{"dst": "10.5.0.0/16", "gw": "10.77.0.1"}]))
    ),
    "an MTU that is too large": Situation(_configured(plugin(mtu=100_000))),
    "a switch that is neither on nor off": Situation(_configured(plugin(portIsolation="yes"))),
    "an option that only the reference plugin has": Situation(_configured(plugin(hairpinMode=True))),
    "a bridge whose name is taken": Situation(
        _all(_configured(), _on_node("ip link add cni0 type veth peer name other")),
    ),
    "a bridge with a name that cannot be": Situation(_configured(plugin(bridge="a bridge"))),
    "two main plugins in one chain": Situation(_all(_with_bridge, _configured(plugin(), plugin("lab-ptp")))),
    "an interface that is there": Situation(
        _all(_configured(), _added("web"), lambda runtime: runtime.configure(network(plugin(bridge="b"), name="other")))
    ),
    # --- what is kept
    "ADD twice": Situation(_all(_configured(), _added("web"))),
    "CHECK without ADD": Situation(_configured(), lambda runtime: runtime.check("web")),
    "a result that cannot be read, then CHECK": Situation(
        _all(_configured(), _added("web"), _on_node(f"echo '{{' >{_NET}/results/pods-web-eth0")),
        lambda runtime: runtime.check("web"),
    ),
    "a result that cannot be read, then GC": Situation(
        _all(_configured(), _added("web"), _on_node(f"echo '{{' >{_NET}/results/pods-web-eth0")),
        lambda runtime: runtime.gc(),
    ),
    "a disk that is full when the address is noted": Situation(_all(_configured(), _on_node(_FULL))),
    "a disk that is full when the result is kept": Situation(_all(_with_bridge, _on_node(_FULL_FOR_RESULTS))),
    "CHECK of a pod that lost its address": Situation(
        _all(_configured(), _added("web"), _on_node("ip -n cni-web address flush dev eth0")),
        lambda runtime: runtime.check("web"),
    ),
    "CHECK of a pod that lost its interface": Situation(
        _all(_configured(), _added("web"), _on_node("ip -n cni-web link delete eth0")),
        lambda runtime: runtime.check("web"),
    ),
    "CHECK of a pod that was unplugged": Situation(
        _all(_configured(), _added("web"), _on_node("ip link set $(ls /sys/class/net | grep veth) nomaster")),
        lambda runtime: runtime.check("web"),
    ),
    "a pod that is not there": Situation(_configured(), lambda runtime: runtime["web"]),
    # --- what no runtime does
    "by hand: a namespace that is gone": Situation(_all(), _by_hand()),
    "by hand: a namespace that is a plain file": Situation(_all(), _by_hand(CNI_NETNS="/etc/hostname")),
    "by hand: an interface name of 16 bytes": Situation(
        _all(), _by_hand(CNI_NETNS="/proc/self/ns/net", CNI_IFNAME="sixteen-letters0")
    ),
    "by hand: an interface name with a slash": Situation(
        _all(), _by_hand(CNI_NETNS="/proc/self/ns/net", CNI_IFNAME="a/b")
    ),
    "by hand: a container id with odd characters": Situation(
        _all(), _by_hand(CNI_NETNS="/proc/self/ns/net", CNI_CONTAINERID="a b")
    ),
    "by hand: nothing in the environment": Situation(
        _all(), _by_hand(CNI_CONTAINERID=None, CNI_NETNS=None, CNI_IFNAME=None, CNI_PATH=None)
    ),
    "by hand: no command": Situation(_all(), _by_hand(CNI_COMMAND=None)),
    "by hand: nothing on standard input": Situation(_all(), _by_hand(stdin="", CNI_NETNS="/proc/self/ns/net")),
    "by hand: a configuration that is cut off": Situation(
        _all(), _by_hand(stdin='{"cniVersion": "1.1.0", ', CNI_NETNS="/proc/self/ns/net")
    ),
    "by hand: an IPAM plugin without its part": Situation(
        _all(),
        _by_hand("lab-host-local", '{"cniVersion": "0.4.0", "name": "pods"}', CNI_NETNS="/proc/self/ns/net"),
    ),
}  # fmt: skip


def _golden() -> dict[str, str]:
    blocks = (block.strip().partition("\n") for block in TEXTS.read_text().split("\n\n"))
    return {first[2:]: rest for first, _, rest in blocks if first.startswith("> ")}


@pytest.fixture
def runtime(lab: Lab) -> Iterator[Runtime]:
    node = lab.node("node-1")
    yield Runtime(node, folders=("/opt/cni/bin", "/run/plugins"), timeout=3, observe=False)
    lab.reset()


def _kept(node: Node) -> tuple[object, ...]:
    """What a runtime and an IPAM plugin have on the node's disk, and the names of namespaces."""
    found = []
    for folder in ("/run", "/run/netns", "/var/lib/cni", "/var/lib/cni/results", "/var/lib/cni/networks"):
        path = Path(f"{node.root}{folder}")
        found += [sorted(os.listdir(path)) if path.is_dir() else []]
    return (*found, leases(node), results(node))


def _said(situation: Situation, runtime: Runtime) -> str:
    """What a notebook would show, and what the plugin wrote that failed."""
    try:
        result = situation.act(runtime)
    except LabError as error:
        lines = error._render_traceback_()
        operation: Any = getattr(error, "operation", None)
        failed = [one for one in operation.exchanges if not one.ok] if operation is not None else []
        lines += [f"  The plugin wrote: {one.stdout.strip()}" for one in failed if one.failure]
        text = "\n".join(lines)
    else:
        text = result if isinstance(result, str) else f"no error, but {result!r}"
    return _KERNELS_WORDS.sub(r"\1(the kernel's words)", text)


def test_every_situation_has_its_text_and_every_text_its_situation() -> None:
    assert list(_golden()) == list(SITUATIONS)


@pytest.mark.parametrize("name", SITUATIONS)
def test_it_is_said_and_nothing_is_half_built(lab: Lab, runtime: Runtime, name: str) -> None:
    situation = SITUATIONS[name]
    situation.prepare(runtime)
    # what a runtime makes with its first operation and keeps
    on_node(runtime.node, "mkdir", "-p", "/run/cni-locks", "/run/netns", f"{_NET}/results", f"{_NET}/networks")
    before, kept = Everything.now(lab), _kept(runtime.node)
    assert _said(situation, runtime) == _golden()[name]
    assert Everything.now(lab) == before
    assert _without_books(_kept(runtime.node)) == _without_books(kept)


def _without_books(kept: tuple[object, ...]) -> tuple[object, ...]:
    """The folder of a network's books stays when the last address is given back."""
    return (*kept[:4], *kept[5:])


def test_an_error_object_is_what_the_specification_says() -> None:
    """Of every refusal of the course's own plugins: the version asked in, a code that is defined, two texts."""
    seen = set()
    for name, text in _golden().items():
        for line in text.splitlines():
            if 'The plugin wrote: {"cniVersion' in line:
                error = json.loads(line.partition("wrote: ")[2])
                assert list(error) == ["cniVersion", "code", "msg", "details"], name
                assert error["msg"], name
                seen.add(error["code"])
    assert seen == {2, 4, 5, 6, 7, 11, 50, 100}, "1 is tried in the unit tests, 51 is for plugins with a daemon"
