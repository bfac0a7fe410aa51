"""Build what is published: the wheel, and an archive with the notebooks and what they link to.

usage: python tools/dist.py [FOLDER]      default: dist

The same files in the clone give the same bytes, whoever builds them and when.
"""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

CLONE = Path(__file__).resolve().parent.parent
#: beside the chapters, whose links lead to some of them
BESIDE = ("CHANGELOG.md", "KNOWN_ISSUES.md", "LICENSE", "LICENSE-text")
_LONG_AGO = 1_600_000_000  # seconds since 1970: the day that files of the archive have


def build(folder: Path) -> tuple[Path, Path]:
    """Build the wheel and the archive into a folder.

    Raises:
        SystemExit: the changelog says nothing about this version.
        CalledProcessError: the wheel could not be built.
    """
    number = version("pod-networking-course")
    if f"\n## {number}\n" not in (CLONE / "CHANGELOG.md").read_text():
        sys.exit(f"CHANGELOG.md says nothing about {number}: write what changed below a heading `## {number}`.")
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder.resolve())]
    subprocess.run(command, cwd=CLONE, check=True, capture_output=True)
    archive = folder / f"pod-networking-notebooks-{number}.tar.gz"
    archive.write_bytes(_packed(archive.name.removesuffix(".tar.gz")))
    return folder / f"pod_networking_course-{number}-py3-none-any.whl", archive


def _packed(top: str) -> bytes:
    """The archive; everything in it is in the folder ``top``."""
    plain, packed = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, path in sorted(_content()):
            entry = tarfile.TarInfo(f"{top}/{name}")
            entry.size, entry.mtime, entry.mode = path.stat().st_size, _LONG_AGO, 0o644
            with path.open("rb") as file:
                tar.addfile(entry, file)
    with gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=_LONG_AGO) as file:
        file.write(plain.getvalue())
    return packed.getvalue()


def _content() -> Iterator[tuple[str, Path]]:
    """What the archive has, as name in it and file."""
    yield "README.md", CLONE / "docs/release.md"
    yield "apt.txt", CLONE / "binder/apt.txt"
    yield from ((name, CLONE / name) for name in BESIDE)
    for pattern in ("[0-9][0-9]-*.ipynb", "*.md"):
        yield from ((f"notebooks/{path.name}", path) for path in (CLONE / "notebooks").glob(pattern))


if __name__ == "__main__":
    print(*build(Path(sys.argv[1]) if sys.argv[1:] else CLONE / "dist"), sep="\n")
