"""The exercises of chapter 03: the Kubernetes network model."""

from __future__ import annotations

from collections.abc import Iterator

from labhelpers.conformance import network_model
from labhelpers.course.exercise import Exercise, Todo
from labhelpers.course.questions import exists, lab_of_notebook, marked
from labhelpers.errors import NotFound
from labhelpers.lab import Namespace

__all__ = ["EXERCISES"]


def _model() -> Iterator[Todo]:
    for row in network_model(lab_of_notebook()):
        yield Todo(bool(row.ok), f"the rule {row.id} holds", row.seen)


def _changed() -> Iterator[Todo]:
    if not marked(lab_of_notebook().nodes, "3.2"):  # that of a checkpoint keeps every rule, and repairs nothing
        raise NotFound('This lab is not the one that start("3.2") built.')
    yield Todo(True, 'this is the lab that start("3.2") built')
    yield from _model()


def _third_node() -> Iterator[Todo]:
    for name in ("node-3", "pod-e"):
        yield exists(name)
    node = lab_of_notebook().pod("pod-e").node.name
    yield Todo(node == "node-3", "pod-e is on node-3", f"it is on {node}")
    yield from _model()


def _egress() -> Iterator[Todo]:
    yield from _model()
    pod = lab_of_notebook().pod("pod-a")
    with Namespace("underlay").listen(8766):
        reply = pod.connect("192.168.1.1", 8766, timeout=0.5)
    yield Todo(reply.ok, "pod-a reaches the outside, 192.168.1.1", str(reply))
    yield Todo(reply.saw == "192.168.1.10", "the outside sees node-1's address", f"it saw {reply.saw or 'nothing'}")


EXERCISES = (
    Exercise(
        id="3.1",
        title="a third node",
        task="The lab gets a node-3 with the pod pod-e, and every rule still holds.",
        rows=_third_node,
        places=("pod-e", "node-3"),
        hints=(
            "Nodes are made with `lab.node`, pods with `.pod` on the node.",
            "If pod-e reaches nobody: which routes do the three nodes have?",
            "`lab.connect_nodes()` adds the routes that are missing.",
        ),
        solution="""
            lab.node("node-3").pod("pod-e")
            lab.connect_nodes()
        """,
        broken="""
            lab.node("node-3").pod("pod-e")
        """,
    ),
    Exercise(
        id="3.2",
        title="somebody changed something",
        task="One change on one node broke the network. Find it and put it right.",
        rows=_changed,
        start="""
            from labhelpers import checkpoint
            from labhelpers.course.questions import mark

            lab = checkpoint("03")
            node_1, node_2 = lab.nodes
            pod_a, pod_b, pod_c, pod_d = lab.pods
            mark(lab.nodes, "3.2")
            node_2.run("ip route replace 10.0.1.0/24 via 192.168.1.1", check=True)
        """,
        gives=("lab", "node_1", "node_2", "pod_a to pod_d"),
        hints=(
            "Which pairs of pods fail, and which work? What do the failing ones have in common?",
            "A connection needs a way there and a way back. Compare the routes of the two nodes.",
            "node-2 sends packets for 10.0.1.0/24 to the wrong place. Which address has node-1?",
        ),
        solution="""
            lab["node-2"].delete_route("10.0.1.0/24")
            lab["node-2"].add_route("10.0.1.0/24", via="192.168.1.10")
        """,
        broken="""
            lab["node-1"].masquerade()
        """,
    ),
    Exercise(
        id="3.3",
        title="out, and only out",
        task="Pods of node-1 reach the outside with the node's address, and every rule still holds.",
        rows=_egress,
        start="""
            from labhelpers import checkpoint

            lab = checkpoint("03")
            node_1, node_2 = lab.nodes
            pod_a, pod_b, pod_c, pod_d = lab.pods
        """,
        gives=("lab", "node_1", "node_2", "pod_a to pod_d"),
        hints=(
            "`masquerade()` rewrites every packet that leaves for another machine, also those to other pods.",
            "An nft rule can match the destination too: `ip daddr != 10.0.0.0/16`.",
            "Write the masquerade rule shown further up as three `add` lines, with that match in it.",
        ),
        solution='''
            lab["node-1"].nft("""
            add table ip egress
            add chain ip egress postrouting { type nat hook postrouting priority srcnat; }
            add rule ip egress postrouting ip saddr 10.0.1.0/24 ip daddr != 10.0.0.0/16 masquerade
            """)
        ''',
        broken="""
            lab["node-1"].masquerade()
        """,
    ),
)
