"""An API server with its controllers and scheduler in a process of their own, to be killed and begun again.

usage: api_process.py FILE PORT     each write is in the file before it is answered, as an etcd would have it
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

from labhelpers.cluster.api.serving import Serving, listen
from labhelpers.cluster.controllers import Manager, controllers
from labhelpers.cluster.scheduler import Scheduler
from labhelpers.store import NAMESPACES, MemoryStore

if __name__ == "__main__":
    file, port = Path(sys.argv[1]), int(sys.argv[2])
    store = MemoryStore()
    if file.exists():
        store.load(json.loads(file.read_text()))

    def keep() -> None:
        new = file.with_suffix(".new")
        new.write_text(json.dumps(store.dump()))
        os.replace(new, file)

    store.on_change(keep)
    if not file.exists():
        store.create(NAMESPACES, {"metadata": {"name": "default"}, "spec": {"finalizers": ["kubernetes"]}})
    Manager(store, [*controllers(store), Scheduler(store)])
    serving = Serving(store, {}, listen(port))
    print(serving.url, flush=True)
    threading.Event().wait()
