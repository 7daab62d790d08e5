"""What webhooks keep secret: a file each in the state folder, for this user's eyes only, or the environment.

The environment comes first, so that a fresh CI runner needs no state folder: `STAGEDOOR_WEBHOOK_SECRET_<ID>`,
`STAGEDOOR_WEBHOOK_AUTHORIZATION_<ID>` and `STAGEDOOR_WEBHOOK_ACCESS_TOKEN_<ID>`, the id in upper case.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final, get_args

from stagedoor.core.webhooks import SecretName
from stagedoor.errors import BadInput

NAMES: Final[tuple[SecretName, ...]] = get_args(SecretName)
MAX_SECRET: Final = 4096


class Keyring:
    """The secrets of the webhooks of one repository. `folder` is its state folder."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder / "webhooks"
        self._environment = environment

    def secrets(self, id_: str) -> dict[SecretName, str]:
        """What is known for a webhook, by name."""
        return self._kept(id_) | self._from_environment(id_)

    def keep(self, id_: str, changed: Mapping[SecretName, str | None]) -> None:
        """Put some of a webhook's secrets, and take away those that are None."""
        kept = {**self._kept(id_), **changed}
        left = {name: value for name, value in kept.items() if value}
        if left:
            self._write(self._path(id_), json.dumps(left).encode())
        else:
            self.forget(id_)

    def forget(self, id_: str) -> None:
        """Take all of a webhook's secrets away."""
        self._path(id_).unlink(missing_ok=True)

    def _kept(self, id_: str) -> dict[SecretName, str]:
        try:
            found = json.loads(self._path(id_).read_bytes())
        except (FileNotFoundError, PermissionError, ValueError):
            # a file of another user's is as good as none: the call says what it lacks
            return {}
        return {name: str(found[name]) for name in NAMES if found.get(name)} if isinstance(found, dict) else {}

    def _from_environment(self, id_: str) -> dict[SecretName, str]:
        spelled = ((name, self._environment.get(variable(name, id_), "")) for name in NAMES)
        return {name: value for name, value in spelled if value}

    def _path(self, id_: str) -> Path:
        if not re.fullmatch(r"[0-9a-f]{32}", id_):
            raise BadInput(f"{id_!r} is no webhook's id", fix="stagedoor webhooks list")
        return self._folder / f"{id_}.json"

    def _write(self, path: Path, data: bytes) -> None:
        """A whole new file under the old name; mkstemp makes it with mode 0600."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._folder, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def variable(name: SecretName, id_: str) -> str:
    """The environment variable that holds a secret of a webhook."""
    return f"STAGEDOOR_WEBHOOK_{name.upper()}_{id_.upper()}"


def checked_secret(name: SecretName, value: str) -> str:
    """The secret, or `BadInput`. What becomes a header may not end a line; the value itself is never shown."""
    if not value or len(value) > MAX_SECRET:
        raise BadInput(f"the {name} is empty, or has more than {MAX_SECRET:,} characters")
    if name != "secret" and not all(32 <= ord(char) < 127 for char in value):
        raise BadInput(f"the {name} has a character in it that cannot stand in a header")
    return value
