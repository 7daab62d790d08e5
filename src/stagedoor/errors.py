"""Every refusal a person may meet: what is wrong, where, and how to mend it."""

from __future__ import annotations


class RegistryError(Exception):
    """A refusal. `code` is the API's error code, `exit_code` the CLI's.

    `what` is one sentence in the reader's own names, `where` a file, line or ref, `fix` the cure.
    """

    code = "INTERNAL_ERROR"
    exit_code = 1

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"   at: {self.where}")
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        return "\n".join(lines)


class BadInput(RegistryError):
    """The caller said something that cannot be meant."""

    code = "INVALID_PARAMETER_VALUE"
    exit_code = 2


class BadSpec(RegistryError):
    """A file of the registry does not read. `where` is `file:line:column`; `also` holds the file's other faults."""

    code = "INVALID_PARAMETER_VALUE"
    exit_code = 3

    def __init__(
        self, what: str, *, where: str | None = None, fix: str | None = None, also: tuple[BadSpec, ...] = ()
    ) -> None:
        super().__init__(what, where=where, fix=fix)
        self.also = also


class NotFound(RegistryError):
    """There is no such model, version, alias, request, revision."""

    code = "RESOURCE_DOES_NOT_EXIST"
    exit_code = 4


class AlreadyExists(RegistryError):
    """The name or number is taken."""

    code = "RESOURCE_ALREADY_EXISTS"
    exit_code = 5


class Denied(RegistryError):
    """The actor may not do this."""

    code = "PERMISSION_DENIED"
    exit_code = 6


class Unauthenticated(Denied):
    """Nobody has proved who is asking: no token, or none that counts."""

    code = "UNAUTHENTICATED"


class InvalidState(RegistryError):
    """It makes no sense in the state the registry is in: a merged request, a version still in Production."""

    code = "INVALID_STATE"
    exit_code = 7


class ChecksFailed(RegistryError):
    """The change was planned and the checks refuse it."""

    code = "INVALID_STATE"
    exit_code = 8


class Conflict(RegistryError):
    """Somebody else changed the same thing first, and the two cannot both be meant."""

    code = "RESOURCE_CONFLICT"
    exit_code = 9


class BadRepository(RegistryError):
    """Git cannot give an honest answer: no repository, no registry, shallow, damaged, or a dirty checkout."""

    code = "INVALID_STATE"
    exit_code = 10


class Unavailable(RegistryError):
    """Something outside did not answer: a forge, a mail server, another reconciler holds the lease."""

    code = "TEMPORARILY_UNAVAILABLE"
    exit_code = 11
