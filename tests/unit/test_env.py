"""tools/env.sh, with programs that only write down how they were called."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

CLONE = Path(__file__).resolve().parent.parent.parent

RECORD = '#!/bin/sh\necho "$(basename "$0") $*" >>"$CALLS"\n'
PYTHON = """#!/bin/sh
echo "python $*" >>"$CALLS"
case "$*" in
    --version) echo "Python 3.99.0" ;;
    "-c import sys; sys.exit"*) exit ${TOO_OLD:-0} ;;
    "-m venv"*) mkdir -p .venv/bin; cp "$0" .venv/bin/python; echo "#!$PWD/.venv/bin/python" >.venv/bin/pip ;;
    "tools/kubectl.py"*) [ -z "${OFFLINE:-}" ] || { echo "No network." >&2; exit 1; }; cp "$0" "$2/kubectl" ;;
    "-m playwright"*) mkdir -p .venv/browsers; : >.venv/browsers/chrome; chmod +x .venv/browsers/chrome ;;
esac
"""


@dataclass
class Machine:
    """A pretended machine: its programs, the clone on it, and what was called."""

    folder: Path

    def program(self, name: str, text: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def run(self, kind: str, **environment: str) -> subprocess.CompletedProcess[str]:
        self.calls_file.unlink(missing_ok=True)
        return subprocess.run(
            [str(self.folder / "clone/tools/env.sh"), kind],
            env={
                "PATH": f"{self.folder}/bin:/usr/bin:/bin",
                "CALLS": str(self.calls_file),
                "PYTHON": f"{self.folder}/bin/python",
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def calls_file(self) -> Path:
        return self.folder / "calls"

    @property
    def calls(self) -> str:
        return self.calls_file.read_text() if self.calls_file.exists() else ""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """An ordinary user without sudo, everything installed but tcpdump and nftables."""
    (tmp_path / "bin").mkdir()
    made = Machine(tmp_path)
    made.program("id", "#!/bin/sh\necho 1000\n")
    made.program("sudo", "#!/bin/sh\nexit 1\n")
    made.program("apt-get", RECORD)
    made.program("chromium", RECORD)
    made.program("kubectl", RECORD)
    made.program("python", PYTHON)
    made.program(
        "dpkg-query",
        '#!/bin/sh\nfor last; do :; done\ncase "$last" in tcpdump|nftables) ;; *) echo installed ;; esac\n',
    )
    for name in ("tools", "binder"):
        shutil.copytree(CLONE / name, tmp_path / "clone" / name)
    for name in ("pyproject.toml", "tests/apt.txt", "labhelpers/sandbox/install.py"):
        (tmp_path / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CLONE / name, tmp_path / "clone" / name)
    return made


def test_without_rights_one_sentence_names_what_is_missing_and_the_rest_is_done(machine: Machine) -> None:
    done = machine.run("lab")
    assert done.returncode == 0
    sentences = [line for line in done.stdout.splitlines() if "apt-get" in line]
    (command,) = [line.split("sudo ")[1] for line in sentences]
    assert command.split() == ["apt-get", "install", "--no-install-recommends", "nftables", "tcpdump"]
    assert "apt-get" not in machine.calls
    assert "python -m labhelpers.sandbox.install --sys-prefix" in machine.calls


@pytest.mark.parametrize("who", ["root", "sudo"])
def test_with_rights_only_what_is_missing_is_installed(machine: Machine, who: str) -> None:
    if who == "root":
        machine.program("id", "#!/bin/sh\necho 0\n")
    else:
        machine.program("sudo", '#!/bin/sh\n[ "$1" = -n ] && shift && exec "$@"\n')
    assert machine.run("lab").returncode == 0
    install = "apt-get install -y --no-install-recommends nftables tcpdump"
    assert install in machine.calls


@pytest.mark.parametrize("missing", ["bird2", "nginx-light", "tcpdump"])
def test_a_server_that_was_there_before_is_left_alone(machine: Machine, missing: str) -> None:
    machine.program("id", "#!/bin/sh\necho 0\n")
    machine.program("systemctl", RECORD)
    machine.program(
        "dpkg-query",
        f'#!/bin/sh\nfor last; do :; done\ncase "$last" in {missing}) ;; *) echo installed ;; esac\n',
    )
    assert machine.run("lab").returncode == 0
    assert f"--no-install-recommends {missing}" in machine.calls
    assert ("systemctl disable --now bird.service" in machine.calls) == (missing == "bird2")
    assert ("systemctl disable --now nginx.service" in machine.calls) == (missing == "nginx-light")


def test_a_second_run_does_nothing(machine: Machine) -> None:
    machine.program("dpkg-query", "#!/bin/sh\necho installed\n")
    machine.run("test")
    for kind in ("test", "lab", "site"):
        again = machine.run(kind)
        assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
        assert "-m" not in machine.calls


@pytest.mark.parametrize(("kind", "installed"), [("lab", "."), ("site", ".[site]"), ("test", ".[test,site]")])
def test_who_builds_the_site_gets_what_that_takes(machine: Machine, kind: str, installed: str) -> None:
    machine.run(kind)
    (call,) = [line for line in machine.calls.splitlines() if "-m pip install" in line]
    assert call.split()[-2:] == ["-e", installed]


def test_a_change_of_the_requirements_installs_again(machine: Machine) -> None:
    machine.run("lab")
    with (machine.folder / "clone/pyproject.toml").open("a") as file:
        file.write("# changed\n")
    machine.run("lab")
    assert "-m pip install" in machine.calls
    assert "-m venv" not in machine.calls


def test_a_moved_clone_gets_a_new_environment(machine: Machine) -> None:
    machine.run("lab")
    moved = machine.folder / "a b"
    (machine.folder / "clone").rename(moved)
    moved.rename(machine.folder / "moved clone")
    (machine.folder / "clone").symlink_to(machine.folder / "moved clone")
    assert machine.run("lab").returncode == 0
    assert "-m venv --clear .venv" in machine.calls


def test_a_python_too_old_is_refused_in_a_sentence(machine: Machine) -> None:
    done = machine.run("lab", TOO_OLD="1")
    assert done.returncode != 0
    assert "Python 3.10 or newer" in done.stderr
    assert not (machine.folder / "clone/.venv").exists()


def test_what_pip_said_is_shown_when_it_fails(machine: Machine) -> None:
    failing = PYTHON.replace("case", 'case "$*" in "-m pip install"*) echo "no such thing"; exit 1 ;; esac\ncase', 1)
    machine.program("python", failing)
    done = machine.run("lab")
    assert done.returncode != 0
    assert "no such thing" in done.stderr
    assert "pip could not install the course" in done.stderr


def test_tests_fetch_a_chromium_where_there_is_none(machine: Machine) -> None:
    (machine.folder / "bin/chromium").unlink()
    if shutil.which("chromium", path="/usr/bin:/bin"):
        machine.program("grep", '#!/bin/sh\ncase "$*" in *os-release) exit 0 ;; esac\nexec /usr/bin/grep "$@"\n')
    done = machine.run("test")
    assert "-m playwright install chromium" in machine.calls
    assert os.access(machine.folder / "clone/.venv/bin/chromium", os.X_OK), done.stderr


@pytest.fixture
def without_kubectl(machine: Machine) -> str:
    """A PATH with all of this machine's programs but kubectl."""
    (machine.folder / "bin/kubectl").unlink()
    programs = machine.folder / "programs"
    programs.mkdir()
    for one in Path("/usr/bin").iterdir():
        if one.name != "kubectl":
            (programs / one.name).symlink_to(one)
    return f"{machine.folder}/bin:{programs}"


def test_a_machine_without_kubectl_gets_one_below_the_environment(machine: Machine, without_kubectl: str) -> None:
    machine.program("dpkg-query", "#!/bin/sh\necho installed\n")
    assert "kubectl" in machine.run("lab", PATH=without_kubectl).stdout
    assert "python tools/kubectl.py .venv/bin" in machine.calls
    assert os.access(machine.folder / "clone/.venv/bin/kubectl", os.X_OK)
    again = machine.run("lab", PATH=without_kubectl)
    assert (again.stdout, machine.calls.count("kubectl.py")) == ("", 0)


def test_without_a_network_it_says_what_needs_kubectl(machine: Machine, without_kubectl: str) -> None:
    done = machine.run("lab", PATH=without_kubectl, OFFLINE="yes")
    assert done.returncode == 0
    assert "No network. Chapters 05, 08 and 09 need it." in done.stdout


def test_a_machine_with_kubectl_keeps_its_own(machine: Machine) -> None:
    machine.run("lab")
    assert "kubectl.py" not in machine.calls
