"""Compile the eBPF programs of the course: ``make bpf``.

The results are committed, so that nobody else needs a compiler; a test compiles them again and compares every byte.
For that the compiler must be the same: clang 14 of Debian 12.

usage: python tools/bpf.py [FOLDER]     where the results go; beside the sources by default
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["COMPILER", "SOURCES", "compile_all"]

CLONE = Path(__file__).resolve().parent.parent
SOURCES = sorted((CLONE / "labhelpers").rglob("*.bpf.c"))
COMPILER = "clang-14"
OPTIONS = (
    *("-target", "bpfel", "-O2"),  # little-endian, as x86-64 and arm64 are
    *("-g1", "-fdebug-compilation-dir=.", "-fno-ident", "-fno-addrsig"),  # lines of the source, but no paths or dates
    *("-Wall", "-Wextra", "-Werror", "-Wno-unused-variable", "-Wno-missing-field-initializers"),
)


def compile_all(folder: Path | None = None) -> list[Path]:
    """Compile every program.

    Raises:
        FileNotFoundError: there is no such compiler.
        subprocess.CalledProcessError: it refused.
    """
    headers = sorted(Path("/usr/include").glob("*-linux-gnu"))  # where Debian has asm/types.h
    made = []
    for source in SOURCES:
        target = (folder or source.parent) / source.with_suffix(".o").name
        command = [COMPILER, *OPTIONS, *(f"-I{one}" for one in headers), "-c", source.name, "-o", str(target)]
        subprocess.run(command, cwd=source.parent, check=True)
        made.append(target)
    return made


if __name__ == "__main__":
    if not shutil.which(COMPILER):
        sys.exit(f"There is no {COMPILER}. On Debian 12: apt-get install clang-14 linux-libc-dev.")
    for path in compile_all(Path(sys.argv[1]) if sys.argv[1:] else None):
        print(path)
