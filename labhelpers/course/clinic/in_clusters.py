"""Faults that only a cluster can have: policies, names, the plugin's configuration, addresses."""

from __future__ import annotations

import json
from typing import Any

from labhelpers.course.clinic.fault import Fault, Step

__all__ = ["FAULTS"]

#: seconds: agents hear of a policy from the API server, and a pod takes its time to end
_LAG = 4.0
_CONFIG = "/etc/cni/net.d/10-calico.conflist"


def _patch(policy: str, path: str, value: Any) -> tuple[Step, ...]:
    patch = json.dumps([{"op": "replace", "path": path, "value": value}])
    return (Step("kubectl", f"kubectl patch networkpolicy -n shop {policy} --type=json -p '{patch}'"),)


def _edit(node: str, old: str, new: str) -> tuple[Step, ...]:
    return (Step(node, f"sed -i 's#{old}#{new}#' {_CONFIG}"),)


def _scale(replicas: int) -> tuple[Step, ...]:
    wait = "kubectl rollout status -n kube-system deployment/kube-dns --timeout=50s"
    scale = Step("kubectl", f"kubectl scale -n kube-system deployment/kube-dns --replicas={replicas}")
    return (scale, Step("kubectl", wait)) if replicas else (scale,)


def _serve_on(old: str, new: str) -> tuple[Step, ...]:
    edit = f"sed -i s/{old}/{new}/ /etc/nginx/conf.d/default.conf && nginx -s reload"
    return (Step("kubectl", f"kubectl exec -n shop api -- sh -c '{edit}'"),)


_RESOLVER = "kubectl exec -n shop web -- sh -c"
_LABEL = "/spec/ingress/0/from/0/podSelector/matchLabels/app"

FAULTS = (
    Fault(
        "closed-port", 2, "policy", "shop/api-from-web", "shop",
        "shop/web gets no page from shop/api: timeout.", ("shop/web", "shop/api"),
        _patch("api-from-web", "/spec/ingress/0/ports/0/port", 8080),
        _patch("api-from-web", "/spec/ingress/0/ports/0/port", 80),
        "The policy lets shop/web in on port 8080. shop/api listens on 80, and is closed for the rest.",
        ("Timeout, not refused: something drops.", "Who decides? `explain(cluster, 'shop/web', 'shop/api', 80)`"),
        "kubectl get networkpolicy -n shop api-from-web -o yaml", also=("node-2", "shop/api"), lag=_LAG,
    ),
    Fault(
        "wrong-label", 2, "policy", "shop/db-from-api", "shop",
        "shop/api gets no page from shop/db. Nobody does.", ("shop/api", "shop/db"),
        _patch("db-from-api", _LABEL, "backend"), _patch("db-from-api", _LABEL, "api"),
        "The policy lets in pods with app=backend. There are none: a selector that selects nobody is no error.",
        ("Whom does the `from` of the policy that isolates shop/db select?", "`kubectl get pods -A --show-labels`"),
        "kubectl get networkpolicy -n shop db-from-api -o yaml", also=("node-1", "shop/db"), lag=_LAG,
    ),
    Fault(
        "no-names-out", 3, "policy", "shop/web-out", "shop",
        "In shop/web, `curl http://api.shop` times out. By its address shop/api answers.", ("shop/web", "dns"),
        _patch("web-out", "/spec/egress/1/ports/0/port", 5353), _patch("web-out", "/spec/egress/1/ports/0/port", 53),
        "shop/web is isolated for egress, and what it may send to the DNS is port 5353. Names are asked on 53.",
        ("What does a client do before it opens a connection?",
         "Whom may shop/web send to, and on which port? `kubectl describe networkpolicy -n shop`."),
        "kubectl get networkpolicy -n shop web-out -o yaml", also=("node-1", "shop/web"), lag=_LAG, udp=53,
    ),
    Fault(
        "names-asleep", 2, "dns", "kube-system/kube-dns", "shop",
        "No pod finds any name. By address everything is as it was.", (),
        _scale(0), _scale(1),
        "The deployment of the DNS has no replicas, so no process answers for names. In this cluster a pod's "
        "/etc/resolv.conf has the address of the DNS's pod, and there is none to write into it.",
        ("Who answers for names in this cluster? Does it run?", "`kubectl get deployments,pods -n kube-system`"),
        "kubectl get deployment -n kube-system kube-dns", lag=_LAG, or_layer="process",
    ),
    Fault(
        "own-resolver", 3, "dns", "shop/web", "shop",
        "shop/web finds no names. Other pods do.", ("shop/web", "10.9.9.9"),
        (Step("kubectl", f"{_RESOLVER} 'cp /etc/resolv.conf /tmp/old; echo nameserver 10.9.9.9 > /etc/resolv.conf'"),),
        (Step("kubectl", f"{_RESOLVER} 'cat /tmp/old > /etc/resolv.conf'"),),
        "Somebody wrote another server into shop/web's /etc/resolv.conf. Nobody has that address, and the policy "
        "web-out would not let shop/web ask there either.",
        ("One pod only. What has it of its own, and the others not?",
         "Whom does it ask? `kubectl exec -n shop web -- cat /etc/resolv.conf`; and a pod of blog?"),
        "kubectl exec -n shop web -- cat /etc/resolv.conf", udp=53,
    ),
    Fault(
        "misspelt-plugin", 2, "cni", "node-2", "shop",
        "New pods on node-2 stay in ContainerCreating. Those that are there work.", (),
        _edit("node-2", '"lab-calico"', '"lab-callico"'), _edit("node-2", '"lab-callico"', '"lab-calico"'),
        "The configuration on node-2 names a plugin that is not in /opt/cni/bin, so ADD cannot be called.",
        ("`kubectl describe` a pod that hangs: what do its events say?", "On the node: `cat /etc/cni/net.d/*`."),
        f"cat {_CONFIG}", says="There is no plugin 'lab-callico'",
    ),
    Fault(
        "two-addresses", 3, "ipam", "node-2", "shop",
        "New pods on node-2 stay in ContainerCreating. On node-1 they start.", (),
        _edit("node-2", "10.0.2.0/24", "10.0.2.0/30"), _edit("node-2", "10.0.2.0/30", "10.0.2.0/24"),
        "The range on node-2 is a /30, which has two addresses, and both are taken.",
        ("`kubectl get events`: what did the plugin say?",
         "How many addresses has the range? On the node: `cat /etc/cni/net.d/*`."),
        f"cat {_CONFIG}", or_layer="cni", says="no address is left in 10.0.2.1–10.0.2.2",
    ),
    Fault(
        "wrong-door", 2, "process", "shop/api", "shop",
        "shop/web gets no page from shop/api: connection refused.", ("shop/web", "shop/api"),
        _serve_on("80", "8080"),
        _serve_on("8080", "80"),
        "shop/api's server listens on port 8080. Refused means that the packet arrived, and nobody waits there.",
        ("Refused, not timeout: policies are not it.", "Who listens in shop/api's network? `%ns shop/api ss -ltn`."),
        "kubectl exec -n shop api -- cat /etc/nginx/conf.d/default.conf", also=("node-2",),
    ),
)  # fmt: skip
