"""``WithModes``: a network that can do the same in several ways, of which a machine may lack one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

from labhelpers.errors import KernelFeatureMissing, ToolMissing
from labhelpers.lab import Lab
from labhelpers.networks.installed import Installed
from labhelpers.networks.network import Network
from labhelpers.networks.route.carrier import Carrier

__all__ = ["WithModes", "or_another_mode"]


class WithModes(Network):
    """A network whose carrier is chosen by name."""

    #: by name
    modes: ClassVar[Mapping[str, type[Carrier]]]

    def install(self, lab: Lab) -> Installed:
        """See ``Network.install``: an error names the modes that need nothing of what is missing."""
        with or_another_mode(self):
            return super().install(lab)

    @property
    def other_modes(self) -> list[str]:
        """The modes that do not need anything that this one needs beyond every kernel's own.  Touches no kernel."""
        return [name for name, carrier in self.modes.items() if not carrier.needs & self.route.needs]


@contextmanager
def or_another_mode(network: Network) -> Iterator[None]:
    """Let an error about what a mode needs and the machine lacks name the modes that do without.

    Raises:
        KernelFeatureMissing, ToolMissing: as they came, and with more to do.
    """
    try:
        yield
    except (KernelFeatureMissing, ToolMissing) as error:
        others = network.other_modes if isinstance(network, WithModes) else []
        if not others:
            raise
        words = f"{error.to_do} Or choose a mode of {network.name} that does without: {', '.join(others)}."
        raise type(error)(error.what, words.strip(), command=error.command, errno=error.errno) from None
