"""The controllers: each makes one kind of object's world as it should be, again and again.

``controllers(store)`` are all of them, in the order in which they are named in a real controller manager's help.
"""

from __future__ import annotations

from labhelpers.cluster.controllers.daemonset import DaemonSetController
from labhelpers.cluster.controllers.deployment import DeploymentController
from labhelpers.cluster.controllers.dns_records import DnsRecords
from labhelpers.cluster.controllers.endpoints import EndpointsController
from labhelpers.cluster.controllers.garbage import GarbageCollector
from labhelpers.cluster.controllers.loop import Controller, Manager
from labhelpers.cluster.controllers.namespaces import NamespaceController
from labhelpers.cluster.controllers.node_lifecycle import NodeLifecycleController
from labhelpers.cluster.controllers.replicaset import ReplicaSetController
from labhelpers.store import Store

__all__ = ["Manager", "controllers"]


def controllers(store: Store) -> list[Controller]:
    """One of each, for a ``Manager``."""
    return [
        DaemonSetController(store),
        DeploymentController(store),
        DnsRecords(store),
        EndpointsController(store),
        GarbageCollector(store),
        NamespaceController(store),
        NodeLifecycleController(store),
        ReplicaSetController(store),
    ]
