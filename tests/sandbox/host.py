"""The state of the machine the tests run on, read by other programs than ours."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

__all__ = ["state"]

#: what the machine itself changes all the time, or what reading changes
_RESTLESS = ("_count", "/flush", "random/", "-nr", "-state", "ns_last_pid", "/pty/nr", "perf_event_max_sample_rate")
_TIMES = ("valid_life_time", "preferred_life_time", "expires", "stats64", "stats")


def state() -> dict[str, Any]:
    """Network, names, mounts, settings, and the files of system folders."""
    found: dict[str, Any] = {
        "links": _ip("-details", "link"),
        "addresses": _ip("address"),
        "routes": _ip("route", "show", "table", "all"),
        "rules": _ip("rule"),
        "named namespaces": _ip("netns"),
        "mounts": sorted(Path("/proc/self/mountinfo").read_text().splitlines()),
        "host name": socket.gethostname(),
        "settings": _settings(),
        "files": {top: _files(Path(top)) for top in ("/etc", "/var/lib/cni", "/opt", str(Path.home() / ".kube"))},
        "/run": sorted(os.listdir("/run")),
    }
    if os.geteuid() == 0:  # only root may look
        rules = subprocess.run(["nft", "list", "ruleset"], check=True, capture_output=True, text=True)
        found["firewall"] = rules.stdout
    return found


def _ip(*command: str) -> Any:
    done = subprocess.run(["ip", "-json", *command], check=True, capture_output=True, text=True)
    entries = json.loads(done.stdout or "[]")
    return [_without_times(entry) for entry in entries]


def _without_times(entry: Any) -> Any:
    if isinstance(entry, dict):
        return {key: _without_times(value) for key, value in entry.items() if key not in _TIMES}
    return [_without_times(one) for one in entry] if isinstance(entry, list) else entry


def _settings() -> dict[str, str]:
    found = {}
    for folder, _, names in os.walk("/proc/sys"):
        for path in (os.path.join(folder, name) for name in names):
            if not any(part in path for part in _RESTLESS):
                try:
                    found[path] = Path(path).read_text(errors="replace")
                except OSError:  # write-only, or for root
                    continue
    return found


def _files(top: Path) -> dict[str, tuple[int, int]]:
    found = {}
    for path in [top, *top.rglob("*")] if top.exists() else []:
        try:
            facts = path.lstat()
        except OSError:
            continue
        found[str(path)] = (facts.st_size, facts.st_mtime_ns)
    return found
