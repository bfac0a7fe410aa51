"""``doctor()`` inside the sandbox: it leaves nothing, and says the truth where something is taken away.

That nothing is left, neither here nor in the kernel, is checked after every test by ``conftest.py``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from signal import SIGINT, pthread_kill
from typing import Any

import pytest

from labhelpers.course.catalogue import CHAPTERS
from labhelpers.doctor import ask, doctor
from labhelpers.doctor.features import FEATURES
from labhelpers.doctor.programs import PROGRAMS
from labhelpers.doctor.sentences import spans
from labhelpers.doctor.verdict import ANOTHER_WAY, MISSING, NOT_TRIED, WORKS
from labhelpers.errors import NotFound
from tests.netns.leaks import State

ORDINARY = Path("/proc/self/uid_map").read_text().split()[2] == "1"
WRITTEN = f"Chapters {spans([chapter.number for chapter in CHAPTERS if chapter.file])}"
DOCTOR = [sys.executable, "-m", "labhelpers.doctor", "--json"]


def as_json(command: list[str], **options: Any) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode in (0, 1), done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_the_written_chapters_run_here_as_do_these_tests() -> None:
    report = doctor()
    assert report.ok
    assert report.sentences[0] == f"{WRITTEN} run here."
    assert not report.refusal
    assert not report.trouble


def test_every_probe_has_a_row_and_nothing_stays_untried_where_a_kernel_has_no_modules() -> None:
    report = doctor()
    assert [row.id for row in report.rows] == [probe.id for probe in (*FEATURES, *PROGRAMS)]
    if not Path("/proc/modules").exists():
        assert all(row.status != NOT_TRIED for row in report.rows)


def test_no_moment_of_it_shows_in_the_sandbox() -> None:
    """Not only afterwards: while it runs, no interface, name, table or setting of ours is touched."""
    before = State.now()
    seen: set[str] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.update(State.now().since(before))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        doctor()
    finally:
        done.set()
        watcher.join()
    kinds = {difference.split(" more:")[0].split(" less:")[0] for difference in seen}
    assert kinds <= {"process", "namespace", "file", "thread"}


def test_one_chapter_shows_only_what_it_needs() -> None:
    report = doctor("02")
    assert all("02" in row.chapters for row in report.rows)
    assert {"bridge", "packet-sockets"} <= {row.id for row in report.rows}
    assert report.sentences == ("Chapter 02, veth and bridge, runs here.",)
    with pytest.raises(NotFound):
        report["nft-nat"]
    assert repr(doctor(2)) == repr(report) == repr(doctor(chapter="02"))  # type: ignore[arg-type]


def test_on_a_path_without_programs_all_are_missing_and_the_kernel_is_as_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = {row.id: row.status for row in doctor().rows if not row.package}
    monkeypatch.setenv("PATH", str(tmp_path))
    report = doctor()
    on_the_path = [program.id for program in PROGRAMS if not program.folders]
    assert all(report[id].status in (MISSING, ANOTHER_WAY) for id in on_the_path)
    assert {row.id: row.status for row in report.rows if not row.package and row.id != "wireguard"} == {
        id: status for id, status in before.items() if id != "wireguard"
    }
    assert not report.ok
    assert report.sentences[0] == "Chapter 00 does not run here. It lacks the program ip."
    assert report["ip"].to_do == "not installed: sudo apt-get install iproute2"
    assert report.packages[:2] == ("iproute2", "nftables")


def test_a_program_that_may_not_be_run_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bird").write_text("#!/bin/sh\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor()["bird"].status == MISSING
    (tmp_path / "bird").chmod(0o755)
    assert doctor()["bird"].status == WORKS


@pytest.mark.skipif(not ORDINARY, reason="needs an ordinary user's sandbox, where limits can be set")
def test_where_a_limit_forbids_namespaces_it_says_which_and_tries_nothing_in_the_sandbox_itself() -> None:
    limit = "echo 0 > /proc/sys/user/max_net_namespaces; exec"
    report = as_json(["unshare", "--user", "--map-root-user", "sh", "-ec", f'{limit} "$@"', "sh", *DOCTOR])
    rows = {row["id"]: row for row in report["rows"]}
    assert rows["namespaces"]["status"] == MISSING
    assert rows["namespaces"]["to_do"] == "a limit forbids it: sudo sysctl -w user.max_net_namespaces=10000"
    assert rows["veth"]["status"] == NOT_TRIED
    assert {rows[feature.id]["status"] for feature in FEATURES if feature.in_namespace} == {NOT_TRIED}
    assert rows["ip"]["status"] == WORKS
    assert not report["ok"]
    assert report["sentences"][0].startswith(f"{WRITTEN} do not run here. They lack network, mount, pid")


def test_a_notebooks_folder_cannot_disturb_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("json.py", "socket.py", "labhelpers.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong module')\n")
    monkeypatch.chdir(tmp_path)
    assert doctor().ok


def test_trials_that_hang_are_ended_and_what_was_answered_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = '{"id": "veth", "ok": true, "said": "", "errno": 0, "subject": ""}'
    monkeypatch.setattr(ask, "_TRY", ["sh", "-c", f"echo '{answer}'; printf '{{\"id\": \"bri'; sleep 600 & wait"])
    monkeypatch.setattr(ask, "_PATIENCE", 0.5)
    report = doctor()
    assert report["veth"].status == WORKS
    assert report["bridge"].status == NOT_TRIED
    assert not report.ok
    assert "took over 0.5 seconds" in report.sentences[0]


def test_trials_that_end_early_are_told_with_their_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask, "_TRY", ["sh", "-c", "echo first >&2; echo 'out of luck' >&2; exit 3"])
    report = doctor("01")
    assert report.sentences == ("Whether chapter 01 runs here is not known: the trials ended early (out of luck).",)
    assert "Not tried" in repr(report)


def test_an_interrupt_ends_the_trials_and_their_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask, "_TRY", ["sh", "-c", "sleep 600 & wait"])
    main = threading.main_thread().ident or 0
    timer = threading.Timer(0.3, lambda: pthread_kill(main, SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        doctor()
    timer.join()


def test_the_trials_refuse_to_run_outside_a_sandbox() -> None:
    """In a network namespace that the sandbox did not make, as on a bare machine."""
    child = [sys.executable, "-m", "labhelpers.doctor.child"]
    done = subprocess.run(["unshare", "--net", *child], capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 1
    assert done.stdout == ""
    assert "not inside a sandbox" in done.stderr
