"""The exercises of chapter 08: network policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from labhelpers.cluster import Cluster
from labhelpers.conformance.policy import TruthTable
from labhelpers.course.exercise import Exercise, Todo
from labhelpers.course.shop import PODS, who_reaches_whom

__all__ = ["EXERCISES"]

_START = """
    from labhelpers.course.shop import apply, new_shop
    from labhelpers.networks import Calico

    cluster = new_shop(Calico("vxlan"))
"""
#: who reaches whom on which TCP port, by destination
_Wanted = Mapping[tuple[str, int], set[str]]


def _everybody_but(*names: str) -> set[str]:
    return set(PODS) - set(names)


def _reached(table: TruthTable, destination: str, port: int) -> set[str]:
    """Who got a connection to the pod's port, as the packets said."""
    cells = (cell for cell in table.cells if (cell.destination, cell.port) == (destination, port))
    return {cell.source for cell in cells if cell.seen == "allowed"}


def _in_words(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "nobody"


def _compared(wanted: _Wanted) -> Iterator[Todo]:
    """Try all connections, once the nodes enforce what the API says, and compare with what was asked for."""
    ports = sorted({port for _, port in wanted})
    table = who_reaches_whom(Cluster.running(), [("TCP", port) for port in ports])
    yield Todo(table.ok, "the nodes enforce the policies", "they do not: is the agent of a node gone?")
    for (destination, port), sources in wanted.items():
        seen = _reached(table, destination, port)
        what = f"{destination} is reached on TCP {port} by {_in_words(sources)}"
        yield Todo(seen == sources, what, f"by {_in_words(seen)}")


def _table() -> Iterator[Todo]:
    yield from _compared({
        ("shop/db", 80): {"shop/api"},
        ("shop/db", 81): set(),
        ("shop/api", 80): {"shop/web"},
        ("shop/api", 81): set(),
        ("shop/web", 80): _everybody_but("shop/web"),
        ("blog/web", 80): _everybody_but("blog/web"),
        ("blog/cron", 80): _everybody_but("blog/cron"),
    })  # fmt: skip


def _blocks() -> Iterator[Todo]:
    yield from _compared({
        ("shop/api", 80): {"shop/web"},
        ("shop/db", 80): {"shop/api"},
        ("shop/web", 80): set(),
        ("blog/web", 80): _everybody_but("blog/web", "shop/web"),
        ("blog/cron", 80): _everybody_but("blog/cron", "shop/web"),
    })  # fmt: skip


def _one_entry() -> Iterator[Todo]:
    yield from _compared({
        ("shop/db", 80): {"blog/web"},
        ("shop/api", 80): _everybody_but("shop/api"),
        ("blog/web", 80): _everybody_but("blog/web"),
    })  # fmt: skip


EXERCISES = (
    Exercise(
        id="8.1",
        title="policies for a table",
        task="Only shop/api reaches shop/db, only shop/web reaches shop/api, both on TCP 80 and on no other port. "
        "All else stays open.",
        rows=_table,
        start=_START,
        gives=("cluster",),
        hints=(
            "Two pods are to be isolated, and each lets in somebody else. How many policies is that?",
            "Both policies are of the namespace shop. Each selects one app, and has one rule with `from` and `ports`.",
            "In the policy of db: `podSelector: {matchLabels: {app: db}}`, and under `ingress` one entry with "
            "`from: [{podSelector: {matchLabels: {app: api}}}]` and `ports: [{port: 80}]`.",
        ),
        solution="""
            %%bash
            allow() { kubectl apply -f - <<END
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: $1-from-$2, namespace: shop}
            spec:
              podSelector: {matchLabels: {app: $1}}
              ingress: [{from: [{podSelector: {matchLabels: {app: $2}}}], ports: [{port: 80}]}]
            END
            }
            allow db api
            allow api web
        """,
        broken="""
            %%bash
            allow() { kubectl apply -f - <<END
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: $1-from-$2, namespace: shop}
            spec:
              podSelector: {matchLabels: {app: $1}}
              ingress: [{from: [{podSelector: {matchLabels: {app: $2}}}]}, {ports: [{port: 80}]}]
            END
            }
            allow db api
            allow api web
        """,
    ),
    Exercise(
        id="8.2",
        title="find the rule that blocks",
        task="Four policies are in force, and shop/web does not reach shop/api on TCP 80. Mend that, and open nothing "
        "else.",
        rows=_blocks,
        start=_START
        + """
    def policy(name, app, **spec):
        selector = {"matchLabels": {"app": app}} if app else {}
        about = {"name": name, "namespace": "shop"}
        spec = {"podSelector": selector, **spec}
        return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": about, "spec": spec}

    def peers(app):
        return [{"podSelector": {"matchLabels": {"app": app}}}]

    said = apply([
        policy("deny-all", "", policyTypes=["Ingress"]),
        policy("api-from-web", "api", ingress=[{"from": peers("web"), "ports": [{"port": 80}]}]),
        policy("db-from-api", "db", ingress=[{"from": peers("api"), "ports": [{"port": 80}]}]),
        policy("web-to-api", "web", policyTypes=["Egress"], egress=[{"to": peers("api"), "ports": [{"port": 8080}]}]),
    ])
""",
        gives=("cluster",),
        hints=(
            "Both ends are asked. Which of them says no? `explain` knows.",
            '`explain(cluster, "shop/web", "shop/api", 80)` names the policy, and what of its rule does not fit.',
            "web-to-api allows port 8080, and api listens on 80. `kubectl edit` it, or apply it anew. Deleting it "
            "would open web's way to everybody.",
        ),
        solution="""
            %%bash
            kubectl patch networkpolicy web-to-api -n shop --type=json \\
                -p '[{"op": "replace", "path": "/spec/egress/0/ports/0/port", "value": 80}]'
        """,
        broken="""
            %%bash
            kubectl delete networkpolicy web-to-api -n shop
        """,
    ),
    Exercise(
        id="8.3",
        title="one entry or two",
        task="shop/db is to be reached by blog/web and by nobody else. The policy db-from-blog lets in too many.",
        rows=_one_entry,
        start=_START
        + """
    blog = {"namespaceSelector": {"matchLabels": {"team": "blog"}}}
    web = {"podSelector": {"matchLabels": {"app": "web"}}}
    said = apply([{
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "db-from-blog", "namespace": "shop"},
        "spec": {"podSelector": {"matchLabels": {"app": "db"}}, "ingress": [{"from": [blog, web]}]},
    }])
""",
        gives=("cluster",),
        hints=(
            "`kubectl get networkpolicy db-from-blog -n shop -o yaml`: how many dashes are under `from`?",
            "Each dash is an entry of its own, and one that fits is enough. What must be so at the same time, belongs "
            "in one entry.",
            "Under `from` one entry: `- namespaceSelector: {matchLabels: {team: blog}}`, and below it, without a "
            "dash, `podSelector: {matchLabels: {app: web}}`.",
        ),
        solution="""
            %%bash
            kubectl apply -f - <<END
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: db-from-blog, namespace: shop}
            spec:
              podSelector: {matchLabels: {app: db}}
              ingress:
              - from:
                - namespaceSelector: {matchLabels: {team: blog}}
                  podSelector: {matchLabels: {app: web}}
            END
        """,
        broken="""
            %%bash
            kubectl apply -f - <<END
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: db-from-blog, namespace: shop}
            spec:
              podSelector: {matchLabels: {app: db}}
              ingress:
              - from:
                - podSelector: {matchLabels: {app: web}}
            END
        """,
    ),
)
