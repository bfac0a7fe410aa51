"""Put a kubectl into a folder: Debian's, downloaded, checked and unpacked.  usage: python tools/kubectl.py FOLDER

For a machine that has none.  It needs neither apt nor dpkg; the program runs on any Linux with glibc 2.34.
"""

from __future__ import annotations

import hashlib
import io
import os
import platform
import sys
import tarfile
import urllib.request
from pathlib import Path

__all__ = ["main", "member", "unpack"]

VERSION = "1.32.3+ds-2"
POOL = "http://deb.debian.org/debian/pool/main/k/kubernetes"
#: as Debian's index has them, whose signature apt has checked
SHA256 = {
    "amd64": "9825aaf4c14913027aae04af8688e580459f781c829bd5de00cc4dc2cc5a867f",
    "arm64": "b85800b5e2d2ecc958e2b9dfa7d4ce13b14e1175242de1f71acb4fa4b0b63212",
}
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_MAGIC, _HEADER = b"!<arch>\n", 60
_PATIENCE = 60  # seconds without a byte


def member(archive: bytes, name: str) -> bytes:
    """A file of an ``ar`` archive, which is what a Debian package is."""
    if not archive.startswith(_MAGIC):
        raise ValueError("this is no Debian package")
    at = len(_MAGIC)
    while at + _HEADER <= len(archive):
        header = archive[at : at + _HEADER]
        size = int(header[48:58])
        at += _HEADER
        if header[:16].decode().strip().rstrip("/") == name:
            return archive[at : at + size]
        at += size + size % 2
    raise ValueError(f"there is no {name} in it")


def unpack(package: bytes, path: str, target: Path) -> None:
    """Write one file of a Debian package, executable, in one step."""
    with tarfile.open(fileobj=io.BytesIO(member(package, "data.tar.xz")), mode="r:xz") as data:
        content = data.extractfile(path)
        if content is None:
            raise ValueError(f"{path} is no file")
        new = target.with_name(f"{target.name}.new")
        new.write_bytes(content.read())
    new.chmod(0o755)
    new.replace(target)


def main() -> None:
    """Download, check, unpack; one sentence if that is not possible."""
    architecture = _MACHINES.get(platform.machine(), platform.machine())
    if architecture not in SHA256:
        sys.exit(f"There is no kubectl to download for {architecture}: put one on the PATH.")
    url = f"{POOL}/kubectl_{VERSION}_{architecture}.deb"
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE) as answer:
            package: bytes = answer.read()
    except OSError as error:
        sys.exit(f"{url} could not be downloaded ({error}): put a kubectl on the PATH.")
    if hashlib.sha256(package).hexdigest() != SHA256[architecture]:
        sys.exit(f"{url} is not the file it was: its SHA-256 differs.  Put a kubectl on the PATH.")
    folder = Path(sys.argv[1])
    unpack(package, "./usr/bin/kubectl", folder / "kubectl")
    print(f"    kubectl {VERSION.partition('+')[0]} is {os.path.join(folder, 'kubectl')}")


if __name__ == "__main__":
    main()
