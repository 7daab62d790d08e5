"""A mail server for one machine: it keeps every mail it gets as a file that one can read."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as modern
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail, and the addresses that the envelope named, which the header need not."""

    path: Path
    sender: str
    recipients: tuple[str, ...]
    subject: str
    text: str
    html: str


class Mailbox:
    """The mails in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def mails(self) -> tuple[Mail, ...]:
        """Every mail, in the order they came."""
        return tuple(_read(path) for path in sorted(self.folder.glob("*.eml")))

    @contextmanager
    def listening(self) -> Iterator[int]:
        """Take mail on a free port of this machine; gives the port."""
        self.folder.mkdir(parents=True, exist_ok=True)
        server = Controller(_Keeper(self.folder), hostname="127.0.0.1", port=_free_port(), server_hostname="localhost")
        server.start()
        try:
            yield server.port
        finally:
            server.stop()


class _Keeper:
    """What aiosmtpd calls for each mail."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        # Delivered-To is what a mail server adds for the address it was told, RFC 9228
        head = "".join(f"Delivered-To: {address}\r\n" for address in envelope.rcpt_tos)
        number = len(list(self.folder.glob("*.eml"))) + 1
        content = f"Return-Path: <{envelope.mail_from}>\r\n{head}".encode() + envelope.content
        (self.folder / f"{number:03}.eml").write_bytes(content)
        return "250 kept"


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _read(path: Path) -> Mail:
    message = message_from_bytes(path.read_bytes(), policy=modern)
    recipients = tuple(str(address) for address in message.get_all("Delivered-To", []))
    text, html = (_part(message, kind) for kind in ("plain", "html"))
    return Mail(path, str(message["From"]), recipients, str(message["Subject"]), text, html)


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part is not None else ""
