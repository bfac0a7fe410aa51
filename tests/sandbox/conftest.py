"""Every test has a mark and a home of its own, and leaves no process behind."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.sandbox.family import VARIABLE, Family
from tests.sandbox.notebook import EditorNotebook, JupyterNotebook, Notebook


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The learner's home folder: nothing is read from or left in that of whoever runs the tests."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(("JUPYTER", "JPY_", "IPYTHON", "XDG_", "POD_NETWORKING", "PYTEST_ADDOPTS")):
                patch.delenv(name)
        patch.setenv("HOME", str(folder))
        (folder / ".kube").mkdir()
        (folder / ".kube/config").write_text("the learner's own\n")
        yield folder


@pytest.fixture(scope="module")
def module_family() -> Iterator[Family]:
    """What the fixtures of a module start; none of it is left in the end."""
    yield from _family()


@pytest.fixture(autouse=True)
def family(home: Path) -> Iterator[Family]:
    """What the test starts; none of it is left in the end."""
    yield from _family()


def _family() -> Iterator[Family]:
    mark = uuid.uuid4().hex
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, mark)
        family = Family(mark)
        yield family
        try:
            family.wait_for_end()
        finally:
            family.kill()


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder for sockets: their names may have 107 characters and no more."""
    with TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def notebook(family: Family) -> Iterator[JupyterNotebook]:
    """A sandbox kernel behind jupyter_client."""
    one = JupyterNotebook()
    yield one
    one.end()


@pytest.fixture(params=["jupyter_client", "an editor"])
def any_notebook(request: pytest.FixtureRequest, family: Family, tmp_path: Path) -> Iterator[Notebook]:
    """A sandbox kernel behind each kind of front end."""
    make: dict[str, Callable[[], Notebook]] = {
        "jupyter_client": JupyterNotebook,
        "an editor": lambda: EditorNotebook(tmp_path),
    }
    one = make[request.param]()
    yield one
    one.end()
