"""Where a machine refuses the sandbox, nothing is run, and which cause it is and what to do is said."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from labhelpers.sandbox.run import REFUSED
from tests.sandbox.family import Family
from tests.sandbox.machine import kernel_on, machine
from tests.sandbox.notebook import JupyterNotebook

KINDS = ("user", "net", "mnt", "pid", "uts", "ipc")
OPTIONS = (
    "Start it with --security-opt seccomp=unconfined --security-opt apparmor=unconfined "
    "--security-opt systempaths=unconfined, or --privileged."
)
FILTER = [sys.executable, str(Path(__file__).with_name("forbid.py"))]

#: prefix of a machine that refuses, what is said first, and what is said to do
MACHINES: dict[str, tuple[list[str], str, str]] = {
    **{
        f"limit of {kind} namespaces": (
            machine(f"echo 0 >/proc/sys/user/max_{kind}_namespaces", without=("sys_admin",) if kind == "user" else ()),
            "[unshare: ENOSPC",
            f"sudo sysctl -w user.max_{kind}_namespaces=10000",
        )
        for kind in KINDS
    },
    "two limits": (
        machine("cd /proc/sys/user; echo 0 >max_net_namespaces; echo 0 >max_uts_namespaces; cd - >/dev/null"),
        "A limit forbids namespaces.",
        "user.max_net_namespaces=10000; sudo sysctl -w user.max_uts_namespaces=10000",
    ),
    "limit used up": (
        [*machine("echo 1 >/proc/sys/user/max_net_namespaces"), "unshare", "--net"],
        "[unshare: ENOSPC",
        "is used up (end other kernels)",
    ),
    "nested too deeply": (
        [*(["unshare", "--user", "--map-root-user"] * 33), "setpriv", "--bounding-set=-sys_admin", "--"],
        "[unshare: ENOSPC",
        "nested too deeply",
    ),
    "seccomp": (FILTER, "[unshare: EPERM", f"A seccomp filter forbids it, as containers have by default. {OPTIONS}"),
    "masked /proc": (
        machine("mount -t tmpfs tmpfs /proc/sys/kernel", without=("sys_admin",)),
        "[mount proc on /proc: EPERM",
        f"the container hides parts of /proc. {OPTIONS}",
    ),
    "masked /sys": (
        machine("mount -t tmpfs tmpfs /sys/kernel", without=("sys_admin",)),
        "[mount sysfs on /sys: EPERM",
        f"the container hides parts of /sys. {OPTIONS}",
    ),
    "root without CAP_SETFCAP": (
        machine(without=("sys_admin", "setfcap")),
        "[uid_map: EPERM",
        "Run Jupyter as an ordinary user.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MACHINES)
def test_a_command_is_not_run_and_the_cause_is_said(name: str, family: Family, tmp_path: Path) -> None:
    prefix, cause, cure = MACHINES[name]
    command = [sys.executable, "-m", "labhelpers.sandbox.run", "--", "touch", str(tmp_path / "run")]
    done = subprocess.run([*prefix, *command], capture_output=True, text=True, timeout=60)
    assert done.returncode == REFUSED, done.stderr
    assert not (tmp_path / "run").exists()
    assert done.stderr.startswith("This machine does not allow a sandbox, so no cell is run.")
    assert cause in done.stderr
    assert cure in done.stderr
    assert "Facts: kernel" in done.stderr


def test_in_a_chroot(family: Family, tmp_path: Path) -> None:
    """A plain folder as root: user namespaces are forbidden there."""
    root = tmp_path / "root"
    binds = [str(root), sys.prefix, sys.base_prefix, "/usr", "/etc", "/proc", "/dev", str(Path.cwd())]
    prepare = "".join(f"mkdir -p '{root}{path}'; mount --rbind '{path}' '{root}{path}'\n" for path in binds[1:])
    prepare += f"for one in bin lib lib64 sbin; do ! test -L /$one || cp -P /$one '{root}'; done\n"
    where = ["chroot", str(root), "sh", "-ec", f"cd '{Path.cwd()}'; exec \"$@\"", "sh"]
    command = [sys.executable, "-m", "labhelpers.sandbox.run", "--", "touch", "/run"]
    prefix = machine(prepare, without=("sys_admin",))
    done = subprocess.run([*prefix, *where, *command], capture_output=True, text=True, timeout=60)
    assert done.returncode == REFUSED, done.stderr
    assert "[unshare: EPERM" in done.stderr
    assert "This runs in a chroot" in done.stderr


@pytest.fixture(params=["limit of net namespaces", "seccomp", "masked /proc", "root without CAP_SETFCAP"])
def refused(
    request: pytest.FixtureRequest, family: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[JupyterNotebook, str]]:
    """A notebook on a machine that refuses the sandbox, and what it must say to do."""
    prefix, _, cure = MACHINES[request.param]
    one = JupyterNotebook(kernel_on(tmp_path / "share", prefix, monkeypatch))
    yield one, cure
    one.end()


def test_no_cell_is_run_and_every_cell_says_why(
    refused: tuple[JupyterNotebook, str], family: Family, tmp_path: Path
) -> None:
    notebook, cure = refused
    file = tmp_path / "run"
    touch = f"open({str(file)!r}, 'w').close()"
    for cell in (touch, f"!touch {file}", f"%%bash\ntouch {file}", f"doctor()\n{touch}", f"doctor({touch})"):
        answer = notebook.run(cell)
        assert answer.error.startswith("SandboxUnavailable: This machine does not allow a sandbox")
        assert cure in answer.error
        assert not file.exists()
    notebook.start_cell(touch, silent=True)._reply()
    notebook.run("", user_expressions={"x": touch})
    notebook.run("doctor()", user_expressions={"x": touch})
    debug = {"type": "request", "seq": 1, "command": "evaluate", "arguments": {"expression": touch}}
    reply = _ask(notebook, "debug_request", debug)
    assert not reply["success"]
    assert cure in reply["message"]
    assert not file.exists()
    assert len(family.alive()) == 2, "the supervisor, and the kernel that refuses"
    kernel = family.child(notebook.supervisor)
    assert kernel
    assert kernel.net == os.readlink("/proc/self/ns/net"), "it is where every program of the user is"


def test_other_front_ends_show_it_too(family: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix, _, cure = MACHINES["seccomp"]
    kernel = kernel_on(tmp_path / "share", prefix, monkeypatch)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(f"!touch {tmp_path}/run")])
    with pytest.raises(CellExecutionError, match="does not allow a sandbox"):
        NotebookClient(notebook, kernel_name=kernel, timeout=60).execute()
    (shown,) = notebook.cells[0].outputs
    assert cure in "\n".join(shown.traceback)
    assert not (tmp_path / "run").exists()


def test_the_doctor_is_the_one_cell_that_runs(refused: tuple[JupyterNotebook, str]) -> None:
    notebook, cure = refused
    answer = notebook.run("from labhelpers import doctor\ndoctor()")
    assert answer.status == "ok", answer
    assert " ".join(cure.split()) in " ".join(answer.result.split()), "the doctor names the same cure"


def test_it_is_interrupted_and_restarted_like_any_kernel(refused: tuple[JupyterNotebook, str], family: Family) -> None:
    notebook, cure = refused
    notebook.interrupt()
    notebook.restart()
    assert cure in notebook.run("1").error
    assert len(family.alive()) == 2


def _ask(notebook: JupyterNotebook, kind: str, content: dict[str, Any]) -> dict[str, Any]:
    client = notebook.client
    message = client.session.msg(kind, content)
    client.control_channel.send(message)
    reply: dict[str, Any] = client.get_control_msg(timeout=60)["content"]
    return reply
