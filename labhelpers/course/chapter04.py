"""The exercises of chapter 04: what CNI is."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from labhelpers.cni import CniPod, Runtime
from labhelpers.course.exercise import Exercise, Todo
from labhelpers.course.questions import lab_of_notebook
from labhelpers.errors import LabError, NotFound

__all__ = ["EXERCISES"]

_START = """
    from labhelpers import checkpoint
    from labhelpers.cni import Runtime

    lab = checkpoint("04")
    node_1, underlay = lab["node-1"], lab["underlay"]
    runtime = Runtime(node_1)
"""
_BRIDGE = """
    bridge = {
        "type": "lab-bridge",
        "isGateway": True,
        "ipam": {"type": "lab-host-local", "subnet": "10.0.1.0/24", "routes": [{"dst": "0.0.0.0/0"}]},
    }
"""
_GIVES = ("lab", "node_1", "underlay", "runtime")


def _runtime() -> Runtime:
    nodes = lab_of_notebook().nodes
    if not nodes:
        raise NotFound("The lab has no node.", "The exercise begins with one.")
    return Runtime(nodes[0])


def _attached(runtime: Runtime, container: str, block: str) -> Iterator[Todo]:
    """Was the pod attached by the runtime, does CHECK agree, and is its address in the block?"""
    yield _there(runtime, container)
    pod = runtime[container]
    yield _checked(runtime, container)
    yield Todo(
        ip_address(pod.address) in ip_network(block), f"{container} has an address of {block}", f"it has {pod.address}"
    )


def _there(runtime: Runtime, container: str) -> Todo:
    what = f"node-1 has the pod {container}"
    try:
        return Todo(bool(runtime[container].netns), what)
    except NotFound as error:
        return Todo(False, what, error.what)


def _checked(runtime: Runtime, container: str) -> Todo:
    what = f"{container} was attached by the runtime, and CHECK finds nothing wrong"
    try:
        return Todo(bool(runtime.check(container)), what)
    except LabError as error:
        return Todo(False, what, error.what)


def _reaches(pod: CniPod, address: str) -> Todo:
    reply = pod.ping(address, timeout=0.5)
    return Todo(reply.ok, f"{pod.name} reaches {address}", str(reply))


def _own() -> Iterator[Todo]:
    runtime = _runtime()
    yield from _attached(runtime, "shop", "10.0.9.0/24")
    shop = runtime["shop"]
    mtu = shop.links()["eth0"].mtu
    yield Todo(mtu == 1400, "the MTU of its eth0 is 1400 bytes", f"it is {mtu}")
    gateway = next((route.via for route in shop.routes() if route.destination == "default"), "")
    yield Todo(bool(gateway), "it has a default route", "it has none")
    if gateway:
        yield _reaches(shop, gateway)


def _no_room() -> Iterator[Todo]:
    runtime = _runtime()
    for number, address in _RUNNING.items():
        yield _there(runtime, f"pod-{number}")
        seen = runtime[f"pod-{number}"].address
        yield Todo(seen == address, f"pod-{number} still has {address}", f"it has {seen}")
        yield _checked(runtime, f"pod-{number}")
    yield from _attached(runtime, "late", "10.0.7.0/29")


#: the pods of exercise 4.2 that are left, and their addresses
_RUNNING = {2: "10.0.7.3", 4: "10.0.7.5"}


def _port() -> Iterator[Todo]:
    runtime = _runtime()
    yield _there(runtime, "web")
    web = runtime["web"]
    reply = web.connect(web.address, 80, timeout=0.5)
    yield Todo(reply.ok, "in web, a server listens on port 80", str(reply))
    reply = lab_of_notebook()["underlay"].connect("192.168.1.10", 8080, timeout=0.5)
    yield Todo(reply.ok, "192.168.1.1 reaches it at 192.168.1.10, port 8080", str(reply))
    yield Todo(
        any(plugin.type == "portmap" for plugin in runtime.network.plugins),
        "the network's configuration has portmap in its chain",
        ", ".join(plugin.type for plugin in runtime.network.plugins),
    )


def _wrong_network() -> Iterator[Todo]:
    runtime = _runtime()
    try:
        network = runtime.network
    except LabError as error:
        yield Todo(False, "the runtime can read a configuration", error.what)
        return
    seen = f"it uses {network.name}, from {network.source}"
    yield Todo(network.name == "pods", "the runtime uses the network pods", seen)
    yield from _attached(runtime, "blue", "10.0.5.0/24")


EXERCISES = (
    Exercise(
        id="4.1",
        title="a network of your own",
        task="A pod shop, attached by CNI: an address of 10.0.9.0/24, an MTU of 1400 bytes, a default route, "
        "and a gateway that answers.",
        rows=_own,
        start=_START + _BRIDGE,
        gives=(*_GIVES, "bridge"),
        hints=(
            "Begin with the dictionary `bridge`. What must be different?",
            "The block is the subnet of `ipam`. The MTU belongs to the main plugin: `mtu`.",
            'Without `"isGateway": True` the bridge has no address, and without `routes` there is no default route.',
        ),
        solution="""
            shop_bridge = {
                "type": "lab-bridge",
                "isGateway": True,
                "mtu": 1400,
                "ipam": {"type": "lab-host-local", "subnet": "10.0.9.0/24", "routes": [{"dst": "0.0.0.0/0"}]},
            }
            runtime.configure({"cniVersion": "1.1.0", "name": "shops", "plugins": [shop_bridge]})
            runtime.add("shop")
        """,
        broken="""
            shop_bridge = {
                "type": "lab-bridge",
                "mtu": 1400,
                "ipam": {"type": "lab-host-local", "subnet": "10.0.9.0/24", "routes": [{"dst": "0.0.0.0/0"}]},
            }
            runtime.configure({"cniVersion": "1.1.0", "name": "shops", "plugins": [shop_bridge]})
            runtime.add("shop")
        """,
    ),
    Exercise(
        id="4.2",
        title="no room",
        task="The pod late is attached, and the pods that were running keep their addresses.",
        rows=_no_room,
        start=_START
        + """
    bridge = {"type": "lab-bridge", "ipam": {"type": "lab-host-local", "subnet": "10.0.7.0/29"}}
    runtime.configure({"cniVersion": "1.1.0", "name": "small", "plugins": [bridge]})
    for number in range(1, 6):
        runtime.add(f"pod-{number}")
    for number in (1, 3, 5):
        node_1.run(f"ip netns delete cni-pod-{number}", check=True)
    node_1.run("rm -r /var/lib/cni/results", check=True)
    for number in (2, 4):
        runtime.delete(f"pod-{number}")
        runtime.add(f"pod-{number}")
""",
        gives=_GIVES,
        hints=(
            "How many pods has the node (`ip netns list` on node-1), and how many addresses are taken in the books?",
            "Some addresses belong to pods that are gone. Which operation is for that?",
            "`runtime.gc()` first, then `runtime.add`.",
        ),
        solution="""
            runtime.gc()
            runtime.add("late")
        """,
        broken="""
            node_1.run("rm -r /var/lib/cni/networks/small")
            runtime.add("late")
        """,
    ),
    Exercise(
        id="4.3",
        title="a port of the node",
        task="A client outside reaches port 80 of the pod web at port 8080 of node-1.",
        rows=_port,
        start=_START + _BRIDGE,
        gives=(*_GIVES, "bridge"),
        hints=(
            "Two plugins in a chain, and version 1.0.0. Which values are in the file, and which come with the pod?",
            "`portmap` gets the ports only if its part of the list says so: `capabilities`.",
            'The pod\'s values: `{"portMappings": [{"hostPort": …, "containerPort": …, "protocol": "tcp"}]}`.',
        ),
        solution="""
            chain = [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}]
            runtime.configure({"cniVersion": "1.0.0", "name": "ports", "plugins": chain})
            port_80 = {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}
            runtime.add("web", capabilities={"portMappings": [port_80]})
            runtime["web"].listen(80)
        """,
        broken="""
            chain = [bridge, {"type": "portmap"}]
            runtime.configure({"cniVersion": "1.0.0", "name": "ports", "plugins": chain})
            port_80 = {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}
            runtime.add("web", capabilities={"portMappings": [port_80]})
            runtime["web"].listen(80)
        """,
    ),
    Exercise(
        id="4.4",
        title="the wrong network",
        task="New pods get addresses of 10.0.5.0/24, as 50-pods.conflist says, and the pod blue is attached.",
        rows=_wrong_network,
        start=_START
        + """
    for file, name, block in (("20-old", "old", "10.0.4.0/24"), ("50-pods", "pods", "10.0.5.0/24")):
        ipam = {"type": "lab-host-local", "subnet": block, "routes": [{"dst": "0.0.0.0/0"}]}
        plugin = {"type": "lab-bridge", "bridge": f"{name}0", "isGateway": True, "ipam": ipam}
        runtime.configure({"cniVersion": "1.1.0", "name": name, "plugins": [plugin]}, f"{file}.conflist")
""",
        gives=_GIVES,
        hints=(
            "Which file does the runtime use? `runtime.network.source` says it.",
            "Several files in /etc/cni/net.d: the first by name is used.",
            "Delete the file that nobody wants, or give it a name that ends in something else. Then attach `blue`.",
        ),
        solution="""
            node_1.run("rm /etc/cni/net.d/20-old.conflist", check=True)
            runtime.add("blue")
        """,
        broken="""
            node_1.run("mv /etc/cni/net.d/20-old.conflist /etc/cni/net.d/30-old.conflist", check=True)
            runtime.add("blue")
        """,
    ),
)
