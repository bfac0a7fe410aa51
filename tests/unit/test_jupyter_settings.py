"""JupyterLab's settings: ours are written, those of others stay."""

from __future__ import annotations

import json
from pathlib import Path

from tools.jupyter_settings import SETTINGS, write

OVERRIDES = "share/jupyter/lab/settings/overrides.json"
SERVER = "etc/jupyter/jupyter_server_config.json"


def test_a_fresh_environment_gets_every_setting(tmp_path: Path) -> None:
    write(tmp_path)
    for name, settings in SETTINGS.items():
        assert json.loads((tmp_path / name).read_text()) == settings


def test_widgets_are_saved_and_no_news_fetched(tmp_path: Path) -> None:
    write(tmp_path)
    overrides = json.loads((tmp_path / OVERRIDES).read_text())
    assert overrides["@jupyter-widgets/jupyterlab-manager:plugin"]["saveState"] is True
    assert overrides["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"


def test_only_kernels_with_a_guard_are_offered(tmp_path: Path) -> None:
    write(tmp_path)
    server = json.loads((tmp_path / SERVER).read_text())
    assert server["KernelSpecManager"]["allowed_kernelspecs"] == ["pod-networking", "pod-networking-cluster"]


def test_what_others_set_stays_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / OVERRIDES
    path.parent.mkdir(parents=True)
    widgets = "@jupyter-widgets/jupyterlab-manager:plugin"
    path.write_text(json.dumps({"theirs": {"a": 1}, widgets: {"saveState": False, "theirs": 2}}))
    write(tmp_path)
    once = path.read_text()
    assert json.loads(once)["theirs"] == {"a": 1}
    assert json.loads(once)[widgets] == {"saveState": True, "theirs": 2}
    write(tmp_path)
    assert path.read_text() == once
