"""A plugin is started for each call, so what it imports is what it costs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.samples.cni_plugins import CLONE

PLUGINS = CLONE / "labhelpers/cni/plugins"
#: but what learners write with, which is made to be read
PARTS = sorted({path.stem for path in (CLONE / "labhelpers/cni/plugin").glob("[a-z]*.py")} - {"workbench"})
#: each would take longer to import than a plugin's own work
HEAVY = {
    *("argparse", "asyncio", "collections", "contextlib", "dataclasses", "datetime", "enum", "functools", "inspect"),
    *("ipaddress", "json", "logging", "pathlib", "random", "re", "shlex", "shutil", "signal", "site", "socket"),
    *("subprocess", "tempfile", "threading", "traceback", "typing", "urllib"),
}


def _imported(*arguments: str, **environment: str) -> set[str]:
    """The modules that a Python program imports, by Python's own account."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-I", "-S", *arguments],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    assert len(lines) > 10, done.stderr
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize("plugin", sorted(os.listdir(PLUGINS)))
def test_an_executable_imports_nothing_heavy(plugin: str) -> None:
    assert _imported(str(PLUGINS / plugin), CNI_COMMAND="VERSION") & HEAVY == set()


@pytest.mark.parametrize("part", PARTS)
def test_no_part_of_a_plugin_imports_anything_heavy(part: str) -> None:
    code = f"import sys; sys.path.insert(0, {str(CLONE)!r}); import labhelpers.cni.plugin.{part}"
    assert _imported("-c", code) & HEAVY == set()


def test_a_heavy_import_would_be_noticed(tmp_path: Path) -> None:
    (tmp_path / "heavy.py").write_text("import json, dataclasses\n")
    assert {"json", "dataclasses", "re", "functools"} <= _imported(str(tmp_path / "heavy.py")) & HEAVY
