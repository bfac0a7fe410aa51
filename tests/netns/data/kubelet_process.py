"""A kubelet in a process of its own, to be killed and begun again, on a node that somebody else has made.

usage: kubelet_process.py URL NODE     the API server, and the node's name, pid, address and pod_cidr as JSON
"""

from __future__ import annotations

import json
import sys
import threading

from labhelpers.cluster.client import ApiStore
from labhelpers.cluster.images import Shelf
from labhelpers.cluster.kubelet import Kubelet
from labhelpers.lab import Lab
from labhelpers.linux.container.shim import Shim

if __name__ == "__main__":
    node = Lab.beside().adopt(**json.loads(sys.argv[2]))
    with Shim() as shim:
        Kubelet(node, ApiStore(sys.argv[1]), shim, Shelf()).start()
        print("begun", flush=True)
        threading.Event().wait()
