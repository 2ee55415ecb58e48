"""The settings of a process, for the processes it starts."""

import contextlib
import pickle
from typing import IO

from app.config import Settings, SettingsError


def hand_over(settings: Settings, pipe: IO[bytes]) -> None:
    """Give a process we started the very settings we have; closes ``pipe``, its standard input.

    A process that has ended already is the concern of whoever watches it.
    """
    with contextlib.suppress(BrokenPipeError), pipe:
        pickle.dump(settings, pipe)


def handed_over(pipe: IO[bytes]) -> Settings:
    """The settings that the process which started us handed over.

    Raises:
        SettingsError: nothing of the kind came.
    """
    try:
        settings = pickle.load(pipe)  # noqa: S301 - our standard input, from our own parent
    except Exception as error:  # noqa: BLE001 - what else it may raise is left open by pickle
        raise SettingsError(f"no settings were handed over: {error}") from None
    if not isinstance(settings, Settings):
        raise SettingsError("what was handed over are no settings")
    return settings
