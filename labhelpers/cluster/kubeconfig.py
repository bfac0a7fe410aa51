"""The file by which kubectl finds the cluster and proves that it may use it."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

from labhelpers.errors import LabError

__all__ = ["NAME", "place", "remove", "write"]

#: of the cluster, the user and the context
NAME = "pod-networking"


def place() -> Path:
    """Where kubectl looks: the first file of ``KUBECONFIG``, which the sandbox sets, or ``~/.kube/config``."""
    first = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    return Path(first) if first else Path("~/.kube/config").expanduser()


def write(url: str, certificate: bytes, token: str) -> Path:
    """Write the file, which then names this cluster alone.  JSON is YAML.

    Raises:
        LabError: it could not be written.
    """
    cluster = {"server": url, "certificate-authority-data": base64.b64encode(certificate).decode()}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": cluster}],
        "users": [{"name": NAME, "user": {"token": token}}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME, "namespace": "default"}}],
        "current-context": NAME,
    }
    path = place()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"{path.name}.new")
        new.touch(mode=0o600)
        new.write_text(json.dumps(content, indent=2) + "\n")
        new.replace(path)  # so that no kubectl reads half of it
    except OSError as error:
        raise LabError(f"{path} could not be written: {error.strerror}.", "See whether its folder is yours.") from None
    return path


def remove(url: str) -> None:
    """Remove the file if it is this cluster's."""
    path = place()
    try:
        if json.loads(path.read_text())["clusters"][0]["cluster"]["server"] == url:
            path.unlink()
    except (OSError, ValueError, LookupError, TypeError):
        pass
