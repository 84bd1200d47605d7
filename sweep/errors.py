"""The exception tree.

::

    SweepError                  something the program can say in one clear message; exit status 1
    ├── UserError               the user's input is wrong; exit status 2, nothing written
    │   ├── DefinitionError     a sweep definition, with all of its problems at once
    │   ├── DataError           a table: the message names file, column and row
    │   ├── StorageError        a storage URL, or a database that is not ours, older or newer
    │   │   └── AlreadyThereError   a sweep of that name is stored already
    │   ├── NotFoundError       no such sweep, definition or file
    │   ├── MismatchError       a resume whose definition or table is not the one that was started
    │   └── ModelError          a model folder that was changed, is incomplete, or newer than this program
    ├── LaunchError             workers cannot be reached, or are gone
    │   └── AddressError        nobody answers at the address of a cluster; exit status 2
    ├── BusyError               another run is at work on the sweep, or has taken it over
    └── StoppedError            somebody paused or cancelled the sweep while it ran

A message names the rule, the value, where it stands and what is allowed:
``space.dropout.high must be below 1, however: 1.5 (studies/x.toml)``.
"""

from __future__ import annotations

from collections.abc import Sequence


class SweepError(Exception):
    """Base of all errors whose message is written for the user. ``exit_status`` is the command line's."""

    exit_status = 1


class UserError(SweepError):
    """The user's input is wrong."""

    exit_status = 2


class DefinitionError(UserError):
    """A sweep definition that cannot be run.

    Args:
        problems: One line each, all of them at once.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class DataError(UserError):
    """A table that cannot be used."""


class StorageError(UserError):
    """A storage URL that cannot be opened, or a database that is not ours."""


class AlreadyThereError(StorageError):
    """A sweep of that name is stored already."""


class NotFoundError(UserError):
    """No sweep, definition or file of that name."""


class MismatchError(UserError):
    """The stored sweep of this name was started with another definition or another table."""


class ModelError(UserError):
    """The folder of a model cannot be used: it was changed, is incomplete, or newer than this program."""


class LaunchError(SweepError):
    """The workers cannot be reached, or are gone."""


class AddressError(LaunchError):
    """Nobody answers at the address of a cluster, or not a scheduler: most likely it is wrong."""

    exit_status = 2


class BusyError(SweepError):
    """Another run is at work on the sweep, or has taken it over."""


class StoppedError(SweepError):
    """Somebody paused, cancelled or deleted the sweep while it ran; everything finished is kept."""
