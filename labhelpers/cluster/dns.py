"""The cluster's DNS: a Deployment in kube-system, and in it a real dnsmasq.

Real clusters run CoreDNS behind a service's ClusterIP.  Here no service has one, so pods are told the address of the
DNS's pod; the kubelets write another one into resolv.conf when there is another.
Source: https://thekelleys.org.uk/dnsmasq/docs/dnsmasq-man.html
"""

from __future__ import annotations

from typing import Any

__all__ = ["DOMAIN", "NAME", "NAMESPACE", "deployment"]

NAMESPACE, NAME, DOMAIN = "kube-system", "kube-dns", "cluster.local"
_RECORDS = "/etc/records"
_LABELS = {"k8s-app": NAME}
_ARGUMENTS = (
    "--user=root",
    "--no-resolv",
    "--no-hosts",
    f"--hostsdir={_RECORDS}",  # it reads a file again when the kubelet has written it
    f"--local=/{DOMAIN}/",
    "--address=/#/",  # nothing else can be known here: say so at once
    "--log-facility=-",
    "--log-queries",
)


def deployment() -> dict[str, Any]:
    """What ``kubectl get -n kube-system deployment kube-dns`` shows.  The ConfigMap it mounts a controller writes."""
    container = {
        "name": "dnsmasq",
        "image": "andyshinn/dnsmasq",
        "args": list(_ARGUMENTS),
        "ports": [
            {"name": "dns", "containerPort": 53, "protocol": "UDP"},
            {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"},
        ],
        "readinessProbe": {"tcpSocket": {"port": 53}, "periodSeconds": 2},
        "volumeMounts": [{"name": "records", "mountPath": _RECORDS}],
    }
    spec = {
        "dnsPolicy": "Default",
        "containers": [container],
        "volumes": [{"name": "records", "configMap": {"name": NAME, "optional": True}}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": _LABELS},
        "spec": {
            "selector": {"matchLabels": _LABELS},
            "template": {"metadata": {"labels": _LABELS}, "spec": spec},
        },
    }
