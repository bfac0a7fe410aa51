"""The development container of Codespaces and VS Code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

CLONE = Path(__file__).resolve().parent.parent.parent
SCHEMA = json.loads((Path(__file__).parent / "data/devcontainer.schema.json").read_text())


@pytest.fixture
def container() -> dict[str, Any]:
    text = (CLONE / ".devcontainer/devcontainer.json").read_text()
    content: dict[str, Any] = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    return content


def test_the_file_is_valid(container: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(container, SCHEMA)


def test_a_misspelt_key_is_not(container: dict[str, Any]) -> None:
    container["privilegd"] = container.pop("privileged")
    with pytest.raises(jsonschema.ValidationError, match="privilegd"):
        jsonschema.validate(container, SCHEMA)


def test_the_container_may_make_namespaces_and_is_set_up(container: dict[str, Any]) -> None:
    assert container["privileged"] is True
    assert container["postCreateCommand"].endswith("make env")
