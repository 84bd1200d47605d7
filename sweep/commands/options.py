"""Options that do not go together."""

from __future__ import annotations

from sweep.errors import UserError


def check_queue(**given: bool) -> None:
    """That no option that says where to train is given beside ``queue`` or a server: by name, whether it is.

    Raises:
        UserError: One is.
    """
    for option in (option for option, is_given in given.items() if is_given):
        raise not_for_queue(option)


def not_for_queue(option: str) -> UserError:
    """For an option that says where to train, beside ``--queue``."""
    return UserError(f"{option} is for a run here: of a queued sweep it is the `sweep runner` that has workers")


def only_for_queue(option: str, value: object) -> UserError:
    """For an option that means nothing without ``--queue``."""
    return UserError(f"{option} is for a sweep that is queued (--queue, in Python queue=True), however: {value}")


def not_confirmed(name: str, yes: str) -> UserError:
    """For a sweep that is to be deleted, while nobody has said so."""
    return UserError(f"deleting {name} must be confirmed: {yes} says so where nobody can be asked")
