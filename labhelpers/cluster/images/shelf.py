"""The images that have been assembled, in a folder of the sandbox, which goes with it."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

from labhelpers.cluster.images.assemble import assemble, missing, origin
from labhelpers.cluster.images.catalogue import CATALOGUE, Command, Recipe, find
from labhelpers.cluster.images.reference import Reference
from labhelpers.errors import BadInput, LabError

__all__ = ["CannotPull", "Image", "Shelf"]

FOLDER = Path("/run/pod-networking/images")


class CannotPull(LabError):
    """An image that cannot be had.  ``what`` is why, in one sentence."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image as a runtime knows it."""

    reference: Reference
    #: the name of its folder on the shelf; ``""`` for one that runs in its node's own file system
    folder: str
    command: Command
    stop_signal: str
    #: the packages it was made of
    origin: str

    @property
    def id(self) -> str:
        """What stands in a container's ``imageID``: not a registry's digest, as there was none."""
        digest = hashlib.sha256(f"{self.folder} {self.origin}".encode()).hexdigest()
        return f"installed-packages/{self.folder or 'node'}@sha256:{digest}"

    @property
    def stands_in(self) -> str:
        """Which packages stand for what was asked for, in a clause."""
        return f"{self.origin}, installed on this machine, stand{'' if ', ' in self.origin else 's'} for it"


class Shelf:
    """Images, assembled when they are first asked for.  May be used from any thread."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._origins: dict[str, str] = {}
        #: the names that were asked for: a runtime has an image under each
        self._pulled: set[str] = set()

    def has(self, name: str) -> bool:
        """Was an image of exactly this name pulled?"""
        try:
            return str(Reference.parse(name)) in self._pulled
        except BadInput:
            return False

    def pull(self, name: str) -> Image:
        """The image of this name, assembled if it is not there yet.

        Raises:
            BadInput: no image can have this name.
            CannotPull: nothing here stands for it; which images there are is said.
        """
        reference = Reference.parse(name)
        recipe = find(reference.familiar)
        if recipe is None:
            raise CannotPull(
                f'nothing here stands for "{reference}", and the sandbox reaches no registry.', _there_is()
            )
        with self._lock:
            self._put(recipe)
            self._pulled.add(str(reference))
        return Image(
            reference,
            "" if recipe.in_node else recipe.name,
            recipe.stands_for[reference.familiar],
            recipe.stop_signal,
            self._origins[recipe.name],
        )

    def _put(self, recipe: Recipe) -> None:
        if recipe.in_node:
            self._origins[recipe.name] = "the agent of the course"
            return
        place = self.folder / recipe.name
        if recipe.name not in self._origins:
            self._origins[recipe.name] = origin(recipe)
        if place.is_dir():
            return
        draft = self.folder / f".{recipe.name}.{os.getpid()}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        try:
            assemble(recipe, draft)
            draft.rename(place)
        except BaseException as error:
            shutil.rmtree(draft, ignore_errors=True)
            if isinstance(error, OSError):
                raise CannotPull(
                    f"the image {recipe.name} could not be assembled: {error}.", "See `df /run`."
                ) from None
            if isinstance(error, LabError):
                raise CannotPull(error.what, error.to_do) from None
            raise


def _there_is() -> str:
    names = [name for recipe in CATALOGUE if not missing(recipe) for name in recipe.stands_for]
    return f"There is {', '.join(names) or 'none: install busybox-static'}."
