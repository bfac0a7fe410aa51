"""A real control plane on the sandbox's loopback: etcd, kube-apiserver, kube-controller-manager, kube-scheduler."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from ssl import create_default_context

from labhelpers.cluster.api.certificate import make_certificate
from tests.netns.kernel import eventually, shell

__all__ = ["FOLDER", "PROGRAMS", "control_plane", "programs"]

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
#: names a folder that has them, where they are not on the PATH
FOLDER = "POD_NETWORKING_KUBERNETES"
_PATIENCE = 120.0
_TOKEN = "administrator"


def programs() -> dict[str, str]:
    """The path of each program that is found."""
    path = os.pathsep.join(filter(None, (os.environ.get(FOLDER, ""), os.environ.get("PATH", ""))))
    return {name: found for name in PROGRAMS if (found := shutil.which(name, path=path))}


@contextmanager
def control_plane(folder: Path) -> Iterator[Path]:
    """Run one until the end of the block; gives the kubeconfig of its administrator.

    All files are in the folder, and all ports on 127.0.0.1 of the sandbox.
    """
    certificate = make_certificate(folder, "127.0.0.1")
    kubeconfig = _kubeconfig(folder, certificate.certificate.read_bytes())
    (folder / "tokens.csv").write_text(f'{_TOKEN},admin,1,"system:masters"\n')
    key = folder / "accounts.key"  # the tokens of service accounts are signed with it
    shell(f"openssl genrsa -traditional -out {key} 2048")
    address = "https://127.0.0.1:6443"
    common = [f"--kubeconfig={kubeconfig}", "--leader-elect=false"]
    commands = {
        "etcd": [f"--data-dir={folder}/etcd", "--unsafe-no-fsync", "--listen-peer-urls=http://127.0.0.1:2380"],
        "kube-apiserver": [
            "--etcd-servers=http://127.0.0.1:2379", "--bind-address=127.0.0.1", "--secure-port=6443",
            f"--tls-cert-file={certificate.certificate}", f"--tls-private-key-file={certificate.key}",
            f"--token-auth-file={folder}/tokens.csv", "--authorization-mode=RBAC",
            f"--service-account-issuer={address}", f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}", "--service-cluster-ip-range=10.96.0.0/16",
            # nobody is told where it is: there is no default route to find it by
            "--advertise-address=192.0.2.1", "--endpoint-reconciler-type=none", f"--cert-dir={folder}",
        ],
        "kube-controller-manager": [
            *common, f"--service-account-private-key-file={key}", f"--root-ca-file={certificate.certificate}",
            "--bind-address=127.0.0.1", f"--cert-dir={folder}",
        ],
        "kube-scheduler": [*common, "--bind-address=127.0.0.1", f"--cert-dir={folder}"],
    }  # fmt: skip
    context = create_default_context(cafile=str(certificate.certificate))

    def answers() -> bool:
        try:
            with urllib.request.urlopen(_ready(address), context=context, timeout=5) as answer:
                return bool(answer.read() == b"ok")
        except OSError:
            return False

    with ExitStack() as ends:
        _start("etcd", commands, folder, ends)
        server = _start("kube-apiserver", commands, folder, ends)
        assert eventually(lambda: server.poll() is not None or answers(), _PATIENCE), _end_of(folder)
        assert server.poll() is None, _end_of(folder)
        _start("kube-controller-manager", commands, folder, ends)
        _start("kube-scheduler", commands, folder, ends)
        yield kubeconfig


def _end_of(folder: Path) -> str:
    return (folder / "kube-apiserver.log").read_text()[-2000:]


def _ready(address: str) -> urllib.request.Request:
    return urllib.request.Request(f"{address}/readyz", headers={"Authorization": f"Bearer {_TOKEN}"})


def _start(name: str, commands: Mapping[str, list[str]], folder: Path, ends: ExitStack) -> subprocess.Popen[bytes]:
    with open(folder / f"{name}.log", "wb") as log:
        process = subprocess.Popen(
            [programs()[name], *commands[name]], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    ends.callback(process.wait)
    ends.callback(process.kill)  # what it has written goes with the folder
    return process


def _kubeconfig(folder: Path, authority: bytes) -> Path:
    cluster = {"server": "https://127.0.0.1:6443", "certificate-authority-data": base64.b64encode(authority).decode()}
    path = folder / "kubeconfig"
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "real", "cluster": cluster}],
                "users": [{"name": "admin", "user": {"token": _TOKEN}}],
                "contexts": [{"name": "real", "context": {"cluster": "real", "user": "admin"}}],
                "current-context": "real",
            }
        )
    )
    return path
