"""API objects, their versions and watches.  Touches no kernel and starts no thread.

``Store`` is the interface that the kubelet, the controllers and every network's agent speak to; ``MemoryStore`` is the
one that the embedded cluster has.  ::

    store = MemoryStore()
    store.create(PODS, {"metadata": {"name": "web", "namespace": "default"}, "spec": {…}})
    with store.watch(PODS, fields="spec.nodeName=node-1") as watch:
        for event in watch:                      # first what is there, then every change
            pod = store.get(PODS, …)             # decide by what is there now
            pod["status"] = {…}
            store.update(PODS, pod, subresource="status")   # raises Conflict if somebody was faster
"""

from __future__ import annotations

from labhelpers.store.changes import Event, Watch
from labhelpers.store.memory import MemoryStore
from labhelpers.store.naming import Naming, hashed, safe_encoded
from labhelpers.store.objects import Object, controller_of, copied, key_of, timestamp
from labhelpers.store.patches import json_patch, merge_patch
from labhelpers.store.protocol import Listing, Store, Watching
from labhelpers.store.refused import BadRequest, Conflict, Gone, Invalid, ObjectExists, ObjectNotFound, Refused
from labhelpers.store.resources import (
    CONFIGMAPS,
    CONTROLLERREVISIONS,
    DAEMONSETS,
    DEPLOYMENTS,
    ENDPOINTS,
    ENDPOINTSLICES,
    EVENTS,
    NAMESPACES,
    NETWORKPOLICIES,
    NODES,
    PODS,
    REPLICASETS,
    RESOURCES,
    SERVICEACCOUNTS,
    SERVICES,
    Resource,
)
from labhelpers.store.selectors import by_fields, by_labels, by_selector

__all__ = [
    "CONFIGMAPS",
    "CONTROLLERREVISIONS",
    "DAEMONSETS",
    "DEPLOYMENTS",
    "ENDPOINTS",
    "ENDPOINTSLICES",
    "EVENTS",
    "NAMESPACES",
    "NETWORKPOLICIES",
    "NODES",
    "PODS",
    "REPLICASETS",
    "RESOURCES",
    "SERVICEACCOUNTS",
    "SERVICES",
    "BadRequest",
    "Conflict",
    "Event",
    "Gone",
    "Invalid",
    "Listing",
    "MemoryStore",
    "Naming",
    "Object",
    "ObjectExists",
    "ObjectNotFound",
    "Refused",
    "Resource",
    "Store",
    "Watch",
    "Watching",
    "by_fields",
    "by_labels",
    "by_selector",
    "controller_of",
    "copied",
    "hashed",
    "json_patch",
    "key_of",
    "merge_patch",
    "safe_encoded",
    "timestamp",
]
