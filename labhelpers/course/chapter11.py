"""The exercises of chapter 11, the clinic: find what is wrong, say it with evidence, and mend it."""

from __future__ import annotations

from collections.abc import Iterator

from IPython.core.getipython import get_ipython

from labhelpers.course.clinic import Case
from labhelpers.course.exercise import Exercise, Todo
from labhelpers.errors import NotFound

__all__ = ["EXERCISES"]

_START = """
    from labhelpers.course import clinic

    case = clinic.admit("{case}")
    print(case)
"""


def _discharged(name: str) -> Iterator[Todo]:
    """Was all of it found, and does the network do what a healthy one does?"""
    shell = get_ipython()
    case = shell.user_ns.get("case") if shell else None
    if not isinstance(case, Case) or case.id != name or not case.is_here:
        raise NotFound(f"Case {name} is not here.")
    yield Todo(
        case.solved, "you said what is wrong, with evidence", "case.answer(where, why, evidence) was not right yet"
    )
    for row in case.repaired():
        yield Todo(bool(row.ok), f"{row.id}: {row.why}", row.seen)


def _case(number: int, title: str, name: str, hints: tuple[str, ...], solution: str, broken: str) -> Exercise:
    return Exercise(
        id=f"11.{number}",
        title=title,
        task="Find what is wrong, answer with evidence, and mend it.",
        rows=lambda: _discharged(name),
        start=_START.format(case=name),
        gives=("case", "cluster") if name in _IN_CLUSTERS else ("case", "lab", "node_1", "node_2", "pod_a to pod_d"),
        hints=hints,
        solution=solution,
        broken=broken,
    )


_IN_CLUSTERS = ("32",)

EXERCISES = (
    _case(
        1, "no way across", "6",
        ("Follow a packet: `walk(pod_a, pod_c)`. Where is its last hop?", "Compare `ip route` of the two nodes."),
        """
            case.answer("node-1", "route", "ip route")
            node_1.add_route("10.0.2.0/24", via="192.168.1.11")
        """,
        # it is mended, and nobody has said why
        """
            node_1.add_route("10.0.2.0/24", via="192.168.1.11")
        """,
    ),
    _case(
        2, "refused", "9",
        ("Refused means that the packet arrived.", "`ss -ltn` in pod-b: who listens, and on which address?",
         "To mend it, end that server (`ss -ltnp` shows its pid) and start it for all addresses: "
         "`busybox httpd -h / -p 8080`."),
        """
            case.answer("pod-b", "process", "ss -ltn")
            listener = pod_b.run(["sh", "-c", "ss -Hltnp 'sport = :8080' | grep -o 'pid=[0-9]*' | cut -d= -f2"])
            pod_b.run(f"kill {listener}", check=True)
            pod_b.run(["sh", "-c", "until busybox httpd -h / -p 8080; do sleep 0.1; done"], check=True)
        """,
        # it is known, and not mended
        """
            case.answer("pod-b", "process", "ss -ltn")
        """,
    ),
    _case(
        3, "everything looks right", "20",
        ("Capture in pod-a and in pod-b while pod-c pings pod-b.",
         "Behind which port does node-1's bridge see pod-b's MAC? Compare `bridge fdb show br cni0` with "
         "`ip link` in pod-b.",
         "`bridge fdb delete MAC dev PORT master static` takes such an entry out."),
        """
            case.answer("node-1", "fdb", "bridge fdb show br cni0")
            node_1.run("bridge fdb delete 0a:58:0a:00:01:0b dev veth-pod-a master static", check=True)
        """,
        # the right place, and another layer
        """
            case.answer("node-1", "bridge", "bridge fdb show br cni0")
            node_1.run("bridge fdb delete 0a:58:0a:00:01:0b dev veth-pod-a master static", check=True)
        """,
    ),
    _case(
        4, "by name", "32",
        ("What does a client do before it opens a connection?",
         "Whom may shop/web send to, and on which port? "
         "`kubectl describe networkpolicy -n shop web-out` lists it."),
        """
            case.answer("shop/web-out", "policy", "kubectl get networkpolicy -n shop web-out -o yaml")
            get_ipython().run_cell_magic("bash", "", '''kubectl patch networkpolicy web-out -n shop --type=json \\
                -p '[{"op": "replace", "path": "/spec/egress/1/ports/0/port", "value": 53}]' ''')
        """,
        # without the policy names are found, and shop/web may send to everybody
        """
            case.answer("shop/web-out", "policy", "kubectl get networkpolicy -n shop web-out -o yaml")
            get_ipython().run_cell_magic("bash", "", "kubectl delete networkpolicy web-out -n shop")
        """,
    ),
    _case(
        5, "two silences", "39",
        ("Two things are wrong. The second shows when the first is mended.",
         "One of them is about one address only, and about the way back.",
         "The other is about one port only: what do the rules of nftables on node-2 say?"),
        """
            case.answer("node-2", "route", "ip route")
            case.answer("node-2", "firewall", "nft list ruleset")
            node_2.run("ip route delete blackhole 10.0.1.10", check=True)
            node_2.run("nft delete table ip guard", check=True)
        """,
        # one of two
        """
            case.answer("node-2", "route", "ip route")
            node_2.run("ip route delete blackhole 10.0.1.10", check=True)
        """,
    ),
)  # fmt: skip
