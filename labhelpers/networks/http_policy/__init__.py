"""Policies about requests of HTTP, by a proxy on the node that stands for Cilium's Envoy."""

from labhelpers.networks.http_policy.policy import HttpPolicy, Proxied
from labhelpers.networks.http_policy.rules import HttpRule, read_rules

__all__ = ["HttpPolicy", "HttpRule", "Proxied", "read_rules"]
