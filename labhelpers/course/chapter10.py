"""The exercises of chapter 10, the capstone: a CNI plugin of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from textwrap import dedent

from labhelpers.cni import Runtime
from labhelpers.conformance import Row
from labhelpers.conformance.cni import plugin
from labhelpers.course import chapter10_cluster as in_cluster
from labhelpers.course import workshop
from labhelpers.course.exercise import Exercise, Todo
from labhelpers.course.questions import lab_of_notebook
from labhelpers.errors import NotFound
from labhelpers.lab import Node

__all__ = ["CONFIG", "EXERCISES", "begin"]

#: what the suite gives the plugin; the networks and their addresses are the suite's own
CONFIG = {"type": workshop.NAME, "isGateway": True, "ipam": {"type": "lab-host-local"}}

#: what the chapter gives: DEL and GC must find what ADD made, and a plugin remembers nothing between two calls
_HOST_END = '''
    def host_end(request):
        """The name of the node's end of the cable, and whose it is: both follow from the request."""
        owner = f"{request.network} {request.container} {request.ifname}"
        return f"my{zlib.crc32(owner.encode()):08x}", owner
'''
#: a plugin that keeps every requirement, function by function
_ADD = """
    def add(request):
        bridge, (host, owner) = request.config.get("bridge", "my0"), host_end(request)
        if request.ifname in [link["ifname"] for link in ip_table("link", at=request.netns)]:
            raise PluginError(100, f"{request.ifname} is there already")
        try:
            answer = ipam(request)
            # with a MAC of its own; there since the first container
            ip(f"link add {bridge} address 02:00:00:00:00:01 type bridge", check=False)
            ip(f"link set {bridge} up")
            ip(f"link add {host} type veth peer name {request.ifname} netns {request.netns}")
            ip(f"link set {host} alias '{owner}' master {bridge} up")
            ip(f"link set {request.ifname} up", at=request.netns)
            for one in answer["ips"]:
                ip(f"address add {one['address']} dev {request.ifname}", at=request.netns)
                if request.config.get("isGateway"):
                    prefix = one["address"].split("/")[1]
                    ip(f"address add {one['gateway']}/{prefix} dev {bridge}", check=False)
                for route in answer.get("routes", []):
                    ip(f"route add {route['dst']} via {route.get('gw', one['gateway'])}", at=request.netns)
        except BaseException:
            ip(f"link delete {host}", check=False)
            ipam(request, "DEL")
            raise
        mac = ip_table(f"link show {request.ifname}", at=request.netns)[0]["address"]
        return {
            "interfaces": [
                {"name": host},
                {"name": request.ifname, "mac": mac, "sandbox": request.netns},
            ],
            "ips": [{**one, "interface": 1} for one in answer["ips"]],
            "routes": answer.get("routes", []),
        }
"""
_DELETE = """
    def delete(request):
        ip(f"link delete {host_end(request)[0]}", check=False)  # the end in the container goes with it
        ipam(request)
"""
_CHECK = """
    def check(request):
        found = [one for one in ip_table("address", at=request.netns) if one["ifname"] == request.ifname]
        if not found:
            raise PluginError(100, f"{request.ifname} is gone")
        has = [f"{one['local']}/{one['prefixlen']}" for one in found[0]["addr_info"]]
        for one in request.previous["ips"]:
            if one["address"] not in has:
                raise PluginError(100, f"{request.ifname} does not have {one['address']}")
        routes = [route["dst"] for route in ip_table("route", at=request.netns)]
        for route in request.previous.get("routes", []):
            if route["dst"].replace("0.0.0.0/0", "default") not in routes:
                raise PluginError(100, f"there is no route to {route['dst']}")
        ipam(request)
"""
_STATUS_GC = """
    def status(request):
        ipam(request)


    def gc(request):
        for link in ip_table("link"):
            owner = link.get("ifalias", "").split()
            if len(owner) == 3 and owner[0] == request.network and tuple(owner[1:]) not in request.valid_attachments:
                ip(f"link delete {link['ifname']}", check=False)
        ipam(request)
"""

_START = """
    from labhelpers import checkpoint
    from labhelpers.cni import Runtime
    from labhelpers.course.chapter10 import begin

    lab = checkpoint("10")
    node_1 = lab["node-1"]
    runtime = Runtime(node_1)
    begin("{id}")
"""
_GIVES = ("lab", "node_1", "runtime")
#: what the suite asks about ADD and tries with DEL, which the learner writes in the second step
_WITH_DEL = ("add.every-version", "add.used-up")


def _node() -> Node:
    nodes = lab_of_notebook().nodes
    if not nodes:
        raise NotFound("The lab has no node.", "The exercise begins with one.")
    return nodes[0]


def _written(function: str, *, mine: bool) -> Todo:
    """Is there such a function, and, of what this step is about, did the learner write it?"""
    if workshop.missing([function]):
        return Todo(False, f"{workshop.NAME} has a function {function}", "no cell with %%plugin defines it")
    if mine:
        seen = "it is the course's own: write yours, or go on to the exercise that you started"
        return Todo(not workshop.is_the_courses(function), f"{function} is yours", seen)
    return Todo(True, f"{workshop.NAME} has a function {function}")


def _together(rows: Iterable[Row]) -> Iterator[Todo]:
    """A line for each requirement; those that fail for the same reason share one."""
    by_reason: dict[str, list[Row]] = {}
    for row in rows:
        if row.ok:
            yield Todo(True, f"{row.why.rstrip('.')} ({row.id})")
        else:
            by_reason.setdefault(row.seen, []).append(row)
    for seen, (first, *more) in by_reason.items():
        others = f", and {len(more)} more" if more else ""
        yield Todo(False, f"{first.why.rstrip('.')} ({first.id}{others})", f"{seen} [{first.source}]")


def _judged(
    functions: tuple[str, ...], *prefixes: str, mine: tuple[str, ...] = (), without: tuple[str, ...] = ()
) -> Callable[[], Iterator[Todo]]:
    """A to-do list of what the specification asks, by the conformance suite.

    Args:
        functions: what the plugin must have for it.
        prefixes: how the ids of the requirements begin.
        mine: which of the functions the learner must have written.
        without: requirements that are not judged yet.
    """

    def rows() -> Iterator[Todo]:
        node = _node()
        for function in functions:
            yield _written(function, mine=function in mine)
            if workshop.missing([function]):
                return
        judged = (row for prefix in prefixes for row in plugin(node, CONFIG, only=prefix))
        yield from _together(row for row in judged if row.id not in without)

    return rows


def _in_use() -> Iterator[Todo]:
    yield from _judged(tuple(workshop.VERBS), "version.", "errors.", "crowd.")()
    runtime = Runtime(_node())
    try:
        kinds = [one.type for one in runtime.network.plugins]
    except NotFound as error:
        yield Todo(False, "the node has a network configuration", error.what)
        return
    yield Todo(workshop.NAME in kinds, f"the node's network is made by {workshop.NAME}", f"by {', '.join(kinds)}")
    pods = dict(runtime.attachments())
    yield Todo(len(pods) >= 2, "two pods or more are attached to it", f"there are {len(pods)}")
    for one in pods:
        pod = runtime[one]
        gateway = next((route.via for route in pod.routes() if route.destination == "default"), "")
        others = [runtime[other].address for other in pods if other != one]
        for name, address in [("its gateway", gateway), *(("another pod", address) for address in others[:1])]:
            reply = pod.ping(address, timeout=0.5) if address else None
            seen = "it has no default route" if reply is None else str(reply)
            yield Todo(bool(reply), f"{one} reaches {name}", seen)


def _cell(source: str) -> str:
    return f"%%plugin\n{dedent(source).strip()}"


def _broken(source: str, right: str, wrong: str) -> str:
    assert right in source
    return _cell(source.replace(right, wrong))


EXERCISES = (
    Exercise(
        id="10.1",
        title="ADD",
        task="ADD makes an interface with an address, says what it made, and leaves nothing behind if it fails.",
        rows=_judged(("add",), "add.", mine=("add",), without=_WITH_DEL),
        start=_START.format(id="10.1"),
        gives=_GIVES,
        hints=(
            "Do the steps by hand first: which `ip` commands connect a namespace to a bridge? Chapter 02 has them.",
            "`ipam(request)` returns the IPAM plugin's answer: `ips`, each with `address` and `gateway`, and `routes`.",
            'try and except around everything: on an error delete the cable, call `ipam(request, "DEL")`, raise again.',
        ),
        solution=_cell(_ADD),
        broken=_broken(_ADD, '            ipam(request, "DEL")\n', ""),
    ),
    Exercise(
        id="10.2",
        title="DEL",
        task="DEL removes what ADD made, gives the address back, and never minds that something is gone.",
        rows=_judged(("add", "delete"), "del.", *_WITH_DEL, mine=("delete",)),
        start=_START.format(id="10.2"),
        gives=_GIVES,
        hints=(
            "Which of the two ends of the cable can DEL find when the container's namespace is gone?",
            "The node's end: `host_end(request)` says its name again. With one end of a cable goes the other.",
            "`ip(…, check=False)` does not mind a failure. The IPAM plugin has to hear of DEL too.",
        ),
        solution=_cell(_DELETE),
        broken=_broken(_DELETE, ", check=False", ""),
    ),
    Exercise(
        id="10.3",
        title="CHECK",
        task="CHECK says what is not as ADD left it: interface, addresses, routes, and the books of IPAM.",
        rows=_judged(("add", "delete", "check"), "check.", mine=("check",)),
        start=_START.format(id="10.3"),
        gives=_GIVES,
        hints=(
            "What ADD answered comes back as `request.previous`: `interfaces`, `ips`, `routes`.",
            '`ip_table("address", at=request.netns)` lists what is there: `ifname` and `addr_info`.',
            "What is wrong becomes a PluginError with a code of your own, from 100 on. The IPAM plugin has CHECK too.",
        ),
        solution=_cell(_CHECK),
        broken=_broken(_CHECK, "        ipam(request)\n", ""),
    ),
    Exercise(
        id="10.4",
        title="STATUS and GC",
        task="STATUS says whether ADD would work; GC removes what belongs to nobody, and touches nothing else.",
        rows=_judged(("add", "delete", "status", "gc"), "status.", "gc.", mine=("status", "gc")),
        start=_START.format(id="10.4"),
        gives=_GIVES,
        hints=(
            "STATUS of a main plugin is mostly that of its IPAM plugin.",
            "`request.valid_attachments` is a set of (container, interface) pairs. How does GC know whose a cable is?",
            'An interface can carry a text: `ip link set … alias …`. `ip_table("link")` shows it as `ifalias`.',
        ),
        solution=_cell(_STATUS_GC),
        broken=_broken(_STATUS_GC, " and tuple(owner[1:]) not in request.valid_attachments", ""),
    ),
    Exercise(
        id="10.5",
        title="in use",
        task="Your plugin makes the network of node-1: two pods that reach each other and their gateway.",
        rows=_in_use,
        start=_START.format(id="10.5"),
        gives=_GIVES,
        hints=(
            "The configuration list of chapter 04, with your plugin's name as `type`.",
            "`isGateway` gives the bridge an address. A default route comes from `routes` of the IPAM plugin. "
            "Two bridges with one address? Look at the picture.",
            'Then `runtime.add("one")` and `runtime.add("two")`.',
        ),
        solution="""
            ipam = {"type": "lab-host-local", "subnet": "10.0.1.0/24", "routes": [{"dst": "0.0.0.0/0"}]}
            mine = {"type": "my-plugin", "bridge": "my0", "isGateway": True, "ipam": ipam}
            runtime.configure({"cniVersion": "1.1.0", "name": "mine", "plugins": [mine]})
            runtime.add("one")
            runtime.add("two")
        """,
        broken="""
            ipam = {"type": "lab-host-local", "subnet": "10.0.1.0/24", "routes": [{"dst": "0.0.0.0/0"}]}
            mine = {"type": "my-plugin", "bridge": "my0", "ipam": ipam}
            runtime.configure({"cniVersion": "1.1.0", "name": "mine", "plugins": [mine]})
            runtime.add("one")
            runtime.add("two")
        """,
    ),
    Exercise(
        id="10.6",
        title="a cluster of three nodes",
        task="Your plugin makes the network of a cluster: three nodes, six pods, and the network model.",
        rows=in_cluster.cluster_of_three,
        start=in_cluster.START.format(id="10.6"),
        gives=("cluster", "node_1 to node_3"),
        hints=(
            "Each node needs a configuration list with its own `node.pod_cidr` as subnet.",
            "`kubectl get nodes`: a node is ready when it has one. Make the pods after that.",
            "Your plugin connects the pods of one node. Who brings packets to the other nodes? See chapter 03.",
        ),
        solution=in_cluster.NETWORK,
        broken=in_cluster.ISLANDS,
    ),
    Exercise(
        id="10.7",
        title="a ghost in the cluster",
        task="A container on node-2 was forgotten by its runtime. Your GC removes what is left, and the pods go on.",
        rows=in_cluster.no_ghost,
        start=in_cluster.START.format(id="10.7") + in_cluster.NETWORK + in_cluster.HAUNTED,
        gives=("cluster", "node_1 to node_3"),
        hints=(
            "`Runtime(node_2)` is the runtime of node-2. Which operation of CNI is for what nobody knows any more?",
            "`Runtime(node_2).gc()` tells your plugin which attachments are valid. The others are to go.",
        ),
        solution="""
            Runtime(node_2).gc()
        """,
        # the cable goes, and the address stays taken for ever
        broken="""
            [cable] = [link.name for link in node_2.links() if "ghost" in link.alias]
            node_2.run(f"ip link delete {cable}", check=True)
        """,
    ),
)
#: which functions each step writes, and the course's own
_STEPS = {
    "10.0": (("host_end",), _HOST_END),
    "10.1": (("add",), _ADD),
    "10.2": (("delete",), _DELETE),
    "10.3": (("check",), _CHECK),
    "10.4": (("status", "gc"), _STATUS_GC),
}


def begin(id: str) -> None:
    """Make the plugin ready for exercise ``id``: with what earlier steps write, and without what this one is to write.

    What the learner wrote for an earlier step is kept; what is missing of it is the course's own.
    """
    workshop.load()
    own, _ = _STEPS.get(id, ((), ""))
    if learners := workshop.drop(own):
        print(f"Your {' and '.join(learners)} was taken out. Run the cell again to have it back.")
    taken: list[str] = []
    for step, (functions, source) in _STEPS.items():
        if step < id and workshop.missing(functions):
            workshop.write(dedent(source), from_course=True)
            taken += functions
    if taken:
        print(f"Your plugin lacked {', '.join(taken)}, and got the course's own.")
