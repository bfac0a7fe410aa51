"""The names of images, as people write them and as a runtime writes them out.

Source: https://github.com/distribution/reference, ``reference.go`` and ``normalize.go``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from labhelpers.errors import BadInput

__all__ = ["Reference"]

_DOCKER, _LIBRARY = "docker.io", "library"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"\w[\w.-]{0,127}")
_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}")
_LONGEST = 255


@dataclass(frozen=True, slots=True)
class Reference:
    """``nginx`` is ``docker.io/library/nginx:latest``."""

    registry: str
    repository: str
    tag: str
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read a name.

        Raises:
            BadInput: no runtime would take it.
        """
        name, _, digest = text.partition("@")
        first, slash, rest = name.partition("/")
        has_registry = bool(slash) and ("." in first or ":" in first or first == "localhost")
        registry, path = (first, rest) if has_registry else (_DOCKER, name)
        path, colon, tag = path.partition(":")
        if registry in (_DOCKER, "index.docker.io"):
            registry = _DOCKER
            path = path if "/" in path else f"{_LIBRARY}/{path}"
        fine = (
            _PATH.fullmatch(path)
            and len(path) <= _LONGEST
            and (_TAG.fullmatch(tag) if colon else True)
            and (_DIGEST.fullmatch(digest) if "@" in text else True)
        )
        if not fine:
            raise BadInput(
                f'couldn\'t parse image name "{text}": invalid reference format',
                "Write it like nginx:1.27; a repository's name has no capital letters.",
            )
        return cls(registry, path, tag or ("" if digest else "latest"), digest)

    @property
    def familiar(self) -> str:
        """The repository as people write it: without the registry and the folder that are understood."""
        if self.registry != _DOCKER:
            return f"{self.registry}/{self.repository}"
        return self.repository.removeprefix(f"{_LIBRARY}/")

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.registry}/{self.repository}{tag}{f'@{self.digest}' if self.digest else ''}"
