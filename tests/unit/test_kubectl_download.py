"""tools/kubectl.py reads Debian packages by itself."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from tools.kubectl import member, unpack


def archive(**members: bytes) -> bytes:
    made = b"!<arch>\n"
    for name, content in members.items():
        made += f"{name.replace('_', '.'):<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
        made += content + b"\n" * (len(content) % 2)
    return made


def tar(path: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:xz") as made:
        entry = tarfile.TarInfo(path)
        entry.size = len(content)
        made.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def test_a_file_comes_out_as_it_went_in_and_can_be_run(tmp_path: Path) -> None:
    package = archive(
        **{"debian-binary": b"2.0\n", "control_tar_xz": b"odd", "data_tar_xz": tar("./usr/bin/x", b"#!/bin/sh\n")}
    )
    unpack(package, "./usr/bin/x", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"#!/bin/sh\n"
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o755
    assert [one.name for one in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize(
    "content", [b"", b"<html>not found</html>", archive(other=b"x"), archive(data_tar_xz=b"")[:-30]]
)
def test_what_is_no_package_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"this is no Debian package|there is no"):
        member(content, "data.tar.xz")
