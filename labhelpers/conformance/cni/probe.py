"""A CNI plugin that writes down how it is called, and answers as it is told.

It is copied into a node under several names and started there as any plugin: it knows nothing of the course.  Beside
its folder are ``orders.json``, what to do at which call, and the folder ``calls``, where each call leaves a file.
"""

from __future__ import annotations

import json
import os
import sys
import time

__all__: list[str] = []

_VERSIONS = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]


def _inode(path: str) -> int:
    """The number of a network namespace, 0 if there is none at this path."""
    try:
        found = os.stat(path)
    except OSError:
        return 0
    return found.st_ino if found.st_dev == os.stat("/proc/self/ns/net").st_dev else 0


def _main() -> None:
    began = time.monotonic_ns()
    folder, name = os.path.split(os.path.realpath(__file__))
    home = os.path.dirname(folder)
    text = sys.stdin.read()
    environment = {key: value for key, value in os.environ.items() if key.startswith("CNI_")}
    command = environment.get("CNI_COMMAND", "")
    with open(f"{home}/orders.json") as file:
        order = json.load(file).get(f"{name} {command}", {})
    seen = {
        "own": _inode("/proc/self/ns/net"),
        "container": _inode(environment.get("CNI_NETNS", "")),
        "kept": os.listdir("/var/lib/cni/results") if os.path.isdir("/var/lib/cni/results") else [],
    }
    time.sleep(order.get("sleep", 0))
    call = {
        "plugin": name,
        "environment": environment,
        "stdin": text,
        "began": began,
        "ended": time.monotonic_ns(),
        **seen,
    }
    draft = f"{home}/draft-{os.getpid()}"
    with open(draft, "w") as file:
        json.dump(call, file)
    os.rename(draft, f"{home}/calls/{began:020}-{name}")
    if "error" in order:
        sys.stderr.write("a note that is not for the runtime\n")
        sys.stdout.write(json.dumps(order["error"]))
        sys.exit(1)
    if command == "ADD":
        sys.stdout.write(json.dumps(_result(json.loads(text), name, environment)))
    elif command == "VERSION":
        sys.stdout.write(json.dumps({"cniVersion": json.loads(text)["cniVersion"], "supportedVersions": _VERSIONS}))


def _result(request: dict[str, object], name: str, environment: dict[str, str]) -> dict[str, object]:
    """The result so far, and an interface that is called like the plugin."""
    before = request.get("prevResult")
    result = dict(before) if isinstance(before, dict) else {}
    mine = {"name": name, "sandbox": environment["CNI_NETNS"]}
    return {**result, "cniVersion": request["cniVersion"], "interfaces": [*result.get("interfaces", []), mine]}


if __name__ == "__main__":
    _main()
