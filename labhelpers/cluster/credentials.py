"""How to reach any Kubernetes API server, and who we are to it: out of a kubeconfig, as kubectl reads it.

Source: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labhelpers.cluster.client import ApiStore
from labhelpers.errors import BadInput, ToolMissing

__all__ = ["store_of"]

_PATIENCE = 30.0
#: the ways of saying who one is that are understood
_KNOWN = frozenset({"token", "client-certificate-data", "client-key-data"})


def store_of(path: str | os.PathLike[str]) -> ApiStore:
    """The API server that a kubeconfig's current context names, as a store.  Changes nothing.

    Files may be YAML or JSON and may name other files: kubectl itself puts them together.

    Raises:
        ToolMissing: there is no kubectl.
        BadInput: kubectl cannot read it, or it asks for something that is not understood here.

    Shell: ``kubectl --kubeconfig FILE config view --raw --minify --flatten -o json``.
    """
    content = _read(path)
    try:
        cluster = dict(content["clusters"][0]["cluster"])
        user = dict((content["users"] or [{}])[0].get("user") or {})
        url = str(cluster["server"])
    except (LookupError, TypeError):
        raise BadInput(
            f"{path} does not say which cluster is meant, or how to reach it.",
            "Choose one: kubectl config use-context NAME.",
        ) from None
    strange = sorted(user.keys() - _KNOWN)
    if strange:
        raise BadInput(
            f"{path} says who you are by {', '.join(strange)}, which is not understood here.",
            "Use a kubeconfig with a token or a client certificate.",
        )
    for key in ("proxy-url", "tls-server-name"):
        if cluster.get(key):
            raise BadInput(f"{path} wants {key}, which is not understood here.", "Use a kubeconfig without it.")
    return ApiStore(url, token=str(user.get("token", "")), context=_context(path, cluster, user))


def _read(path: str | os.PathLike[str]) -> dict[str, Any]:
    if not Path(path).is_file():  # kubectl would take it for an empty one
        raise BadInput(f"There is no kubeconfig {path}.", "Give the path of a file.")
    command = [
        "kubectl", "--kubeconfig", str(path), "config", "view", "--raw", "--minify", "--flatten", "-o", "json",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=_PATIENCE, check=False
        )
    except FileNotFoundError:
        raise ToolMissing("The program 'kubectl' is not installed.", "See doctor().") from None
    if done.returncode:
        raise BadInput(f"kubectl cannot read {path}: {done.stderr.strip()}", "Look at the file.")
    return dict(json.loads(done.stdout))


def _context(
    path: str | os.PathLike[str], cluster: Mapping[str, Any], user: Mapping[str, Any]
) -> ssl.SSLContext | None:
    """Whom to trust, and the certificate to show."""
    if not str(cluster["server"]).startswith("https:"):
        return None
    try:
        if authority := cluster.get("certificate-authority-data"):
            context = ssl.create_default_context(cadata=base64.b64decode(authority).decode())
        else:
            context = ssl.create_default_context()
        if cluster.get("insecure-skip-tls-verify"):
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if "client-certificate-data" in user:
            _show(context, user)
    except (ssl.SSLError, ValueError, LookupError) as error:
        raise BadInput(f"A certificate or key in {path} cannot be read: {error}.", "Look at the file.") from None
    return context


def _show(context: ssl.SSLContext, user: Mapping[str, Any]) -> None:
    """Let the context show the client certificate.  Python takes it from a file only, so it is in one for a moment."""
    with tempfile.NamedTemporaryFile(prefix="client-", suffix=".pem") as file:  # readable by us alone
        file.write(base64.b64decode(user["client-certificate-data"]))
        file.write(b"\n" + base64.b64decode(user["client-key-data"]))
        file.flush()
        context.load_cert_chain(file.name)
