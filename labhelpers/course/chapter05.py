"""The exercises of chapter 05: from kubectl run to a pod IP."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from labhelpers.course.exercise import Exercise, Todo
from labhelpers.course.kubectl import ask, reasons_of
from labhelpers.course.pods import runs

__all__ = ["EXERCISES"]

_START = """
    from labhelpers.course.kubectl import kubectl, new_cluster, until

    cluster = new_cluster(nodes=2)
    node_1, node_2 = cluster.nodes
"""
_GIVES = ("cluster", "node_1", "node_2")
_ON_NODE_2 = '{"spec": {"nodeName": "node-2"}}'


def _without_scheduler() -> Iterator[Todo]:
    for node in ask("get", "nodes")["items"]:
        name = node["metadata"]["name"]
        yield Todo(
            bool(node["spec"].get("unschedulable")), f"{name} is still cordoned", "new pods may be scheduled to it"
        )
    yield from runs("direct", "node-2")
    reasons = reasons_of("direct")
    yield Todo(
        bool(reasons) and "Scheduled" not in reasons, "no scheduler chose its node", "there is an event Scheduled"
    )


def _full() -> Iterator[Todo]:
    yield from runs("late", "node-1")
    address = ask("get", "pod", "late").get("status", {}).get("podIP", "")
    inside = bool(address) and ip_address(address) in ip_network("10.0.1.0/24")
    yield Todo(inside, "late has an address of 10.0.1.0/24", f"it has {address or 'none'}")
    yield from runs("first", "node-1")
    seen = ask("get", "pod", "first").get("status", {}).get("podIP", "none")
    yield Todo(seen == "10.0.1.2", "first still has 10.0.1.2", f"it has {seen}")
    times = sum(reason == "SandboxCreated" for reason in reasons_of("first"))
    yield Todo(times == 1, "first is the pod it was, in the namespace it had", f"its namespace was made {times} times")


def _not_ready() -> Iterator[Todo]:
    node = ask("get", "node", "node-2")
    said: dict[str, str] = next((one for one in node["status"]["conditions"] if one["type"] == "Ready"), {})
    yield Todo(said.get("status") == "True", "node-2 is ready", said.get("message", ""))
    yield from runs("patient", "node-2")


def _three() -> Iterator[Todo]:
    for name in ("red", "green", "blue"):
        yield from runs(name)
    red = ask("get", "pod", "red")
    wanted = red["spec"].get("nodeSelector")
    yield Todo(wanted == {"disk": "ssd"}, "red still asks for a node with an SSD", f"it asks for {wanted}")


EXERCISES = (
    Exercise(
        id="5.1",
        title="a pod that nobody schedules",
        task="A pod direct with the image nginx is ready on node-2, although both nodes are cordoned and stay so.",
        rows=_without_scheduler,
        start=_START
        + """
    for node in ("node-1", "node-2"):
        kubectl("cordon", node)
""",
        gives=_GIVES,
        hints=(
            "Which arrow does `kubectl cordon` forbid? Who reads the mark that it makes?",
            "The scheduler does one thing: it writes a node's name into the pod. A pod can be made with that name.",
            "`kubectl run` takes `--overrides`, JSON that is laid over the pod. The field is `spec.nodeName`.",
        ),
        solution=f"""
            %%bash
            kubectl run direct --image=nginx --overrides='{_ON_NODE_2}'
            kubectl wait --for=condition=Ready pod/direct --timeout=30s
        """,
        broken="""
            %%bash
            kubectl uncordon node-2
            kubectl run direct --image=nginx
            kubectl wait --for=condition=Ready pod/direct --timeout=30s
        """,
    ),
    Exercise(
        id="5.2",
        title="no address left",
        task="On node-1, late is ready with an address of 10.0.1.0/24. first keeps running, with the address it has.",
        rows=_full,
        start=_START
        + """
    kubectl("cordon", "node-2")
    one = 's|"subnet": "10.0.1.0/24"|&, "rangeEnd": "10.0.1.2"|'
    node_1.run(["sed", "-i", one, "/etc/cni/net.d/10-bridge.conflist"], check=True)
    kubectl("run", "first", "--image=nginx")
    kubectl("wait", "--for=condition=Ready", "pod/first", "--timeout=15s")
    kubectl("run", "late", "--image=nginx")
    until("late", "ContainerCreating")
""",
        gives=_GIVES,
        hints=(
            "`kubectl get pods` says that late hangs. `kubectl describe pod late` says what the plugin said.",
            "The plugin's addresses come from its configuration, /etc/cni/net.d/10-bridge.conflist on node-1. Which "
            "ones may it give? 10.0.1.1 is the gateway's.",
            "Write a later `rangeEnd` into the file. The kubelet tries again by itself, after at most ten seconds.",
        ),
        solution="""
            later = 's,"rangeEnd": "10.0.1.2","rangeEnd": "10.0.1.254",'
            node_1.run(["sed", "-i", later, "/etc/cni/net.d/10-bridge.conflist"], check=True)
            print(kubectl("wait", "--for=condition=Ready", "pod/late", "--timeout=30s"))
        """,
        broken="""
            kubectl("delete", "pod", "first", "--grace-period=1")
            print(kubectl("wait", "--for=condition=Ready", "pod/late", "--timeout=30s"))
        """,
    ),
    Exercise(
        id="5.3",
        title="a node that is not ready",
        task="node-2 is ready, and the pod patient, which waits there, runs there.",
        rows=_not_ready,
        start=_START
        + f"""
    node_2.run("mv /etc/cni/net.d/10-bridge.conflist /etc/cni/net.d/10-bridge.conflist.bak", check=True)
    kubectl("wait", "--for=condition=Ready=false", "node/node-2", "--timeout=15s")
    kubectl("run", "patient", "--image=nginx", '--overrides={_ON_NODE_2}')
    until("patient", "ContainerCreating")
""",
        gives=_GIVES,
        hints=(
            "`kubectl describe node node-2` says why it is not ready, in the condition Ready.",
            "A runtime takes files that end in .conflist, .conf or .json. Which are there? `%%ns node-2`, and `ls`.",
            "Give the file its name back. The kubelet looks by itself.",
        ),
        solution="""
            node_2.run("mv /etc/cni/net.d/10-bridge.conflist.bak /etc/cni/net.d/10-bridge.conflist", check=True)
            print(kubectl("wait", "--for=condition=Ready", "pod/patient", "--timeout=30s"))
        """,
        broken="""
            kubectl("delete", "pod", "patient", "--grace-period=1")
            kubectl("run", "patient", "--image=nginx")
            print(kubectl("wait", "--for=condition=Ready", "pod/patient", "--timeout=30s"))
        """,
    ),
    Exercise(
        id="5.4",
        title="three pods, three arrows",
        task="red, green and blue are ready. red may still run only on a node with the label disk=ssd.",
        rows=_three,
        start=_START
        + """
    kubectl("run", "red", "--image=nginx", '--overrides={"spec": {"nodeSelector": {"disk": "ssd"}}}')
    kubectl("run", "green", "--image=ngnix")
    kubectl("run", "blue", "--image=busybox", "--command", "--", "slep", "3600")
    until("green", "ImagePullBackOff")
    until("blue", "CrashLoopBackOff")
""",
        gives=_GIVES,
        hints=(
            "`kubectl get pods` gives each a status, and each status belongs to another arrow.",
            "`kubectl describe pod NAME`: red is refused by every node, green asks for something that does not exist, "
            "and blue's program is not there.",
            "Label a node. Set green's image. blue's command cannot be changed in place: delete it and run it again.",
        ),
        solution="""
            %%bash
            kubectl label node node-1 disk=ssd
            kubectl set image pod/green green=nginx
            kubectl delete pod blue --grace-period=1
            kubectl run blue --image=busybox --command -- sleep 3600
            kubectl wait --for=condition=Ready pod/red pod/green pod/blue --timeout=30s
        """,
        broken="""
            %%bash
            kubectl label node node-1 disk=hdd
            kubectl set image pod/green green=nginx
            kubectl delete pod blue --grace-period=1
            kubectl run blue --image=busybox --command -- sleep 3600
            kubectl wait --for=condition=Ready pod/green pod/blue --timeout=30s
        """,
    ),
)
