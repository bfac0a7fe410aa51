"""Where there is no sandbox, only a cell that asks the doctor is run, and nothing else in it."""

from __future__ import annotations

import pytest

from labhelpers.sandbox.kernel import for_the_doctor

ASK = "from labhelpers.doctor import doctor as _doctor; _doctor"


@pytest.mark.parametrize(
    ("cell", "call"),
    [
        ("doctor()", "()"),
        ("  # first\n\ndoctor()  # what can this machine do?\n".lstrip(), "()"),
        ("from labhelpers import doctor\ndoctor()", "()"),
        ("from labhelpers import Lab, doctor, expect\ndoctor('02')", "('02')"),
        ("import labhelpers\nlabhelpers.doctor(chapter='02')", "(chapter='02')"),
    ],
)
def test_the_doctor_is_asked(cell: str, call: str) -> None:
    assert for_the_doctor(cell) == ASK + call


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "# doctor()",
        "1 + 1",
        "doctor",
        "doctor() or print(1)",
        "doctor(); print(1)",
        "print(1); doctor()",
        "x = doctor()",
        "doctor(print(1))",
        "doctor(chapter=open('/tmp/x', 'w'))",
        "doctor(*[print(1)])",
        "doctor(**{})",
        "doctor()()",
        "doctor().rows",
        "import os\ndoctor()",
        "from os import system as doctor\ndoctor('true')",
        "!ip link\ndoctor()",
        "%%bash\ndoctor()",
        "doctor()\n!ip link",
        "evil.doctor()",
        "def doctor(): print(1)\ndoctor()",
        "doctor(",
        "\0doctor()",
    ],
)
def test_everything_else_is_refused(cell: str) -> None:
    assert for_the_doctor(cell) == ""
