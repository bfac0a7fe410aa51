"""The square button, and Ctrl-C: the cell ends with everything it has started, and the kernel goes on."""

from __future__ import annotations

import pytest

from tests.sandbox.family import Family, until
from tests.sandbox.notebook import Notebook

#: cell, the programs it runs, how the end shows; for shell lines and cells IPython has words of its own
CELLS = {
    "Python": ("import time\nprint('begun', flush=True)\ntime.sleep(600)", (), "KeyboardInterrupt"),
    "subprocess": (
        "import subprocess\nprint('begun', flush=True)\nsubprocess.run(['sleep', '600'])",
        ("sleep",),
        "KeyboardInterrupt",
    ),
    "shell line": ("print('begun', flush=True)\n!sleep 600; true", ("sleep", "sh"), "^C"),
    # IPython and asyncio both ask how it ended, and who is second may not see that it was SIGINT
    "shell cell": ("%%bash\necho begun\nsleep 600\ntrue", ("sleep", "bash"), "CalledProcessError"),
}


@pytest.mark.parametrize("name", CELLS)
def test_an_interrupt_ends_the_cell_and_its_children_only(any_notebook: Notebook, family: Family, name: str) -> None:
    cell, programs, shows = CELLS[name]
    for _ in range(2):
        question = any_notebook.start_cell(cell)
        question.wait_for("begun")
        until(lambda: all(map(family.named, programs)), "the programs run")
        any_notebook.interrupt()
        answer = question.answer()
        assert shows in answer.error + answer.printed
        until(lambda: not any(map(family.named, programs)), "the programs have ended")
    assert any_notebook.run("6 * 7").result == "42"
