"""The counting of the test runner: nothing that failed, was not found or was skipped gets lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.__main__ import STAGES, main
from tests.runner.nobody import as_nobody
from tests.runner.stage import CLONE, Stage
from tests.runner.tally import Skip, Tally, allowed_reasons, count

REPORT = """<testsuites><testsuite>
<testcase classname="a" name="good"/>
<testcase classname="a" name="bad"><failure message="no"/></testcase>
<testcase classname="a" name="broken"><error message="no"/></testcase>
<testcase classname="a" name="bad-and-broken"><failure/><error/></testcase>
<testcase classname="a" name="skipped"><skipped type="pytest.skip" message="no bird"/></testcase>
<testcase classname="a" name="expected"><skipped type="pytest.xfail" message="known"/></testcase>
</testsuite></testsuites>"""


def test_a_report_is_counted(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(REPORT)
    tally = count(report, 1)
    assert tally.passed == 1
    assert tally.failed == ("a::bad", "a::broken", "a::bad-and-broken")
    assert tally.skipped == (Skip("a::skipped", "no bird"), Skip("a::expected", "known"))
    assert str(tally) == "3 failed, 1 passed, 2 skipped"


def test_no_report_no_test_and_a_bad_end_are_failures(tmp_path: Path) -> None:
    assert len(count(tmp_path / "missing.xml", 0).failed) == 1
    empty = tmp_path / "empty.xml"
    empty.write_text("<testsuites/>")
    assert count(empty, 0).failed == ("found no test",)
    good = tmp_path / "good.xml"
    good.write_text('<testsuites><testcase classname="a" name="good"/></testsuites>')
    assert count(good, 0) == Tally(passed=1)
    assert count(good, 3).failed == ("exit status 3",)


def test_a_skip_needs_an_allowed_reason() -> None:
    allowed = allowed_reasons("# bird is not in every distribution\nno bird\n")
    tally = Tally(1, (), (Skip("a", "no bird"), Skip("b", "no bird either")))
    judged = tally.judged(allowed)
    assert judged.skipped == (Skip("a", "no bird"),)
    assert judged.failed == ("b: skipped for a reason not allowed: no bird either",)


def test_an_allowed_reason_needs_a_comment() -> None:
    with pytest.raises(ValueError, match="no bird"):
        allowed_reasons("# about something else\n\nno bird\n")
    allowed_reasons((CLONE / "tests/allowed-skips.txt").read_text())


def test_every_folder_of_tests_has_a_stage() -> None:
    folders = {str(path.parent.relative_to(CLONE)) for path in (CLONE / "tests").rglob("test_*.py")}
    named = {word for stage in STAGES for word in stage.command if word.startswith("tests/")}
    assert folders == named


def test_an_unknown_stage_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["netnss"]) == 2
    assert "netnss" in capsys.readouterr().out


def stage_of(tmp_path: Path, test: str, **options: str) -> Tally:
    file = tmp_path / "test_it.py"
    file.write_text(test)
    command = (sys.executable, "-m", "pytest", "-q", "--rootdir", str(tmp_path), str(file))
    return Stage("one", command, **options).run()  # type: ignore[arg-type]


def test_a_stage_runs_and_counts(tmp_path: Path) -> None:
    test = "import pytest\ndef test_a(): pass\ndef test_b(): assert 0\ndef test_c(): pytest.skip('why')\n"
    tally = stage_of(tmp_path, test)
    assert str(tally) == "1 failed, 1 passed, 1 skipped"


def test_what_fails_once_is_named_and_what_fails_twice_has_failed(tmp_path: Path) -> None:
    marker = tmp_path / "been here"
    once = (
        f"import pathlib\ndef test_a(): pass\ndef test_b():\n    been = pathlib.Path({str(marker)!r})\n"
        "    there = been.exists()\n    been.touch()\n    assert there\n"
    )
    tally = stage_of(tmp_path, once)
    assert (tally.passed, tally.failed, tally.unsteady) == (2, (), ("test_it::test_b",))
    marker.unlink()
    both = stage_of(tmp_path, once + "def test_c(): assert 0\n")
    assert (both.passed, both.failed, both.unsteady) == (2, ("test_it::test_c",), ("test_it::test_b",))


def test_a_second_run_that_is_not_whole_excuses_nothing() -> None:
    first = Tally(5, ("a", "b"))
    assert first.after(Tally(1)) == first  # one did not run
    assert first.after(Tally(failed=("no report was written, exit status 2",))) == first
    assert first.after(Tally(1, ("c",))) == first


def test_a_stage_has_a_home_of_its_own(tmp_path: Path) -> None:
    test = f"import os\ndef test_home(): assert os.environ['HOME'] != {os.environ.get('HOME')!r}\n"
    assert stage_of(tmp_path, test) == Tally(passed=1)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_runs_a_stage_as_an_ordinary_user_even_from_a_closed_folder(tmp_path: Path) -> None:
    (closed := tmp_path / "closed").mkdir(mode=0o700)
    (clone := closed / "a clone").mkdir()
    (clone / "file").write_text("readable")
    (scratch := tmp_path / "scratch").mkdir()
    prefix = as_nobody(clone, scratch)
    code = f"import os; print(os.getuid(), open({str(clone / 'file')!r}).read())"
    done = subprocess.run([*prefix, sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "65534 readable\n"
    assert list(closed.iterdir()) == [clone]
