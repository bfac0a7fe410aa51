"""What ``make dist`` publishes, used as somebody uses it who has no clone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
import venv
from pathlib import Path

import pytest

from tools.dist import build

INSTALL = ("install", "--quiet", "--no-compile", "--no-input", "--disable-pip-version-check")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def unpacked(published: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(published[1]) as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extractall(folder, filter="data")
        else:
            tar.extractall(folder)
    (only,) = folder.iterdir()
    return only


@pytest.fixture(scope="module")
def clean(published: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the programs of a new environment that has the wheel, what that requires, and nothing else."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder / "venv", with_pip=True)
    programs = folder / "venv/bin"
    other = [str(programs / "pip"), *INSTALL, "--no-deps", f"--target={folder}/reached", "traitlets"]
    if subprocess.run(other, capture_output=True, check=False).returncode:
        pytest.skip("no package index answers, from which a clean environment is installed")
    done = subprocess.run([programs / "pip", *INSTALL, published[0]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return programs


def test_the_same_clone_gives_the_same_bytes(published: tuple[Path, Path], tmp_path: Path) -> None:
    assert [path.read_bytes() for path in build(tmp_path)] == [path.read_bytes() for path in published]


def test_links_of_the_chapters_lead_to_what_is_in_the_archive(unpacked: Path) -> None:
    chapters = sorted((unpacked / "notebooks").glob("*.ipynb"))
    assert len(chapters) >= 12
    seen = 0
    for path in chapters:
        for cell in json.loads(path.read_text())["cells"]:
            for target in re.findall(r"\]\(([^)\s#]+)\)", "".join(cell["source"])):
                if cell["cell_type"] == "markdown" and not target.startswith("https://"):
                    seen += 1
                    assert (path.parent / target).is_file(), f"{path.name}: {target}"
    assert seen > 20


def test_the_archive_says_how_to_begin_with_it(unpacked: Path, published: tuple[Path, Path]) -> None:
    said = (unpacked / "README.md").read_text().replace("VERSION", published[1].name.split("-")[-1][: -len(".tar.gz")])
    for path in published:
        assert path.name in said
    assert "iproute2" in (unpacked / "apt.txt").read_text().split()


def test_a_clean_environment_has_all_that_the_helpers_need(clean: Path, tmp_path: Path) -> None:
    subprocess.run([clean / "pip", "check"], check=True)
    code = "import labhelpers; [getattr(labhelpers, name) for name in labhelpers.__all__]; print(labhelpers.__file__)"
    command = [str(clean / "python"), "-I", "-c", code]
    said = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert Path(said.strip()).is_relative_to(clean.parent)


@pytest.mark.parametrize("chapter", ["00-start-here", "04-what-cni-is"])
def test_a_chapter_runs_there(chapter: str, clean: Path, unpacked: Path, tmp_path: Path) -> None:
    """Chapter 04 runs programs that are in the wheel, the course's own CNI plugins."""
    subprocess.run([clean / "python", "-m", "labhelpers.sandbox.install", "--sys-prefix"], check=True)
    listed = subprocess.run([clean / "jupyter", "kernelspec", "list", "--json"], check=True, capture_output=True)
    specs = json.loads(listed.stdout)["kernelspecs"]
    assert specs["pod-networking"]["spec"]["argv"][0] == str(clean / "python")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "POD_", "PYTHON"))}
    environment = {
        **kept,
        "PATH": f"{clean}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "POD_NETWORKING_PROGRESS": str(tmp_path / "progress.json"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [clean / "jupyter", "execute", "--timeout=120", f"{chapter}.ipynb"],
        cwd=unpacked / "notebooks",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
