"""Everything that says what the course needs says the same."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CLONE = Path(__file__).resolve().parent.parent.parent
PYPROJECT = tomllib.loads((CLONE / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]

ON_CONDA_FORGE = {
    "matplotlib": "matplotlib-base",  # the same library without a window toolkit
    "jupyter-client": "jupyter_client",
}
NOT_OURS = {"python", "pip"}
TOOLS_ON_CONDA_FORGE = {"procps-ng", "make"}


def conda_packages(file: str) -> set[str]:
    content: dict[str, Any] = yaml.safe_load((CLONE / file).read_text())
    return {entry for entry in content["dependencies"] if isinstance(entry, str)}


def name_of(entry: str) -> str:
    return re.split(r"[<>=]", entry, maxsplit=1)[0]


def requirements() -> set[str]:
    """What pyproject.toml requires, as conda-forge writes it."""
    found = set()
    for line in PROJECT["dependencies"]:
        requirement = Requirement(line)
        found.add(ON_CONDA_FORGE.get(requirement.name, requirement.name) + str(requirement.specifier))
    return found


@pytest.mark.parametrize("file", ["environment.yml", "binder/environment.yml"])
def test_conda_environments_require_what_pyproject_requires(file: str) -> None:
    others = NOT_OURS | TOOLS_ON_CONDA_FORGE
    assert {entry for entry in conda_packages(file) if name_of(entry) not in others} == requirements()


def test_every_python_named_is_new_enough() -> None:
    assert PROJECT["requires-python"] == ">=3.10"
    assert "python>=3.10" in conda_packages("environment.yml")
    binder = next(entry for entry in conda_packages("binder/environment.yml") if name_of(entry) == "python")
    assert tuple(int(part) for part in binder.split("=")[1].split(".")) >= (3, 10)
    assert "(3, 10)" in (CLONE / "tools/env.sh").read_text()
    assert PYPROJECT["tool"]["ruff"]["target-version"] == "py310"
    assert PYPROJECT["tool"]["mypy"]["python_version"] == "3.10"


def test_every_requirement_has_a_lower_bound_and_says_what_it_is_for() -> None:
    text = (CLONE / "pyproject.toml").read_text()
    extras = PROJECT["optional-dependencies"].values()
    for line in [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]:
        assert ">=" in line, line
        assert re.search(rf'"{re.escape(line)}",  # \w', text), line


def imported_from_outside(folder: str) -> set[str]:
    """The top-level modules that the folder's code imports, without Python's own and ours."""
    names: set[str] = set()
    for path in (CLONE / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names.add(node.module.split(".")[0])
    return names - sys.stdlib_module_names - {"benchmarks", "labhelpers", "tests", "tools", "tomli"}


@pytest.mark.parametrize(("folder", "extras"), [("labhelpers", []), ("tools", ["test"]), ("tests", ["test"])])
def test_what_is_imported_is_required(folder: str, extras: list[str]) -> None:
    lines = PROJECT["dependencies"] + [one for e in extras for one in PROJECT["optional-dependencies"][e]]
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    providers = packages_distributions()
    undeclared = {
        module
        for module in imported_from_outside(folder)
        if not declared & {canonicalize_name(name) for name in providers.get(module, [])}
    }
    assert not undeclared


def test_the_wheel_carries_every_file_of_the_package(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=CLONE, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    files = {path for path in (CLONE / "labhelpers").rglob("*") if path.is_file()}
    wanted = {str(path.relative_to(CLONE)) for path in files if "__pycache__" not in path.parts}
    assert wanted <= names
    assert all(name.startswith(("labhelpers/", "pod_networking_course-")) for name in names)
    entry_points = next(name for name in names if name.endswith("entry_points.txt"))
    assert "pod-shell = labhelpers.sandbox.shell:main" in zipfile.ZipFile(wheel).read(entry_points).decode()
