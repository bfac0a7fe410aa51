"""A certificate for the API server, made anew for each cluster by ``openssl``."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from labhelpers.errors import LabError, ToolMissing

__all__ = ["Certificate", "make_certificate"]

_DAYS = 30  # a cluster ends with its sandbox


@dataclass(frozen=True, slots=True)
class Certificate:
    """Two files: the certificate, which is its own authority, and its key."""

    certificate: Path
    key: Path


def make_certificate(folder: Path, address: str) -> Certificate:
    """Write a new key and a certificate for an address into a folder.

    Raises:
        ToolMissing: there is no openssl.
        LabError: it refused.
    """
    made = Certificate(folder / "apiserver.crt", folder / "apiserver.key")
    command = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-keyout", str(made.key), "-out", str(made.certificate), "-days", str(_DAYS), "-subj", "/CN=pod-networking",
        "-addext", f"subjectAltName=IP:{address},DNS:localhost",
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    except FileNotFoundError:
        raise ToolMissing(
            "The program 'openssl' is not installed.", "Install it: `sudo apt-get install openssl`."
        ) from None
    if done.returncode:
        raise LabError(f"openssl made no certificate: {done.stderr.strip()}", "Look at what it says.")
    made.key.chmod(0o600)
    return made
