"""Who is calling: a token, or a header that an authenticating proxy sets."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers

from stagedoor.errors import BadInput, Unauthenticated
from stagedoor.workflows.tokens import Tokens
from stagedoor.workflows.world import checked_email

Network = IPv4Network | IPv6Network
LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """Networks as people write them: `10.0.0.0/8`."""
    found: list[Network] = []
    for text in texts:
        try:
            found.append(ip_network(text))
        except ValueError as error:
            raise BadInput(
                f"{text!r} is no network: {error}", where="--trusted-proxy", fix="write 10.0.0.0/8"
            ) from None
    return tuple(found)


@dataclass(frozen=True)
class Doorkeeper:
    """Says who is calling, or refuses. `header` is believed from the `proxies` alone."""

    tokens: Tokens
    header: str = ""
    proxies: tuple[Network, ...] = ()

    def email(self, headers: Headers, peer: str, *, only_reads: bool = False) -> str:
        """The address of the caller."""
        said = headers.getlist(self.header) if self.header else []
        if said and self.believes(peer):
            # a browser is logged in at the proxy, so a page of another site could make it write here
            # https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site
            if not only_reads and headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
                raise Unauthenticated("a page of another site made this call", fix="call from a page of this one")
            return _named(said)
        kind, _, rest = headers.get("authorization", "").strip().partition(" ")
        if kind.lower() == "bearer":
            return self.tokens.who(rest.strip())
        if kind.lower() == "basic":
            return self.tokens.who(_password(rest.strip()))
        raise Unauthenticated(
            "nobody said who is calling", fix="send Authorization: Bearer TOKEN; stagedoor token create EMAIL makes one"
        )

    def believes(self, peer: str) -> bool:
        """Whether the header counts when it comes from this address."""
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self.proxies)


def _named(said: list[str]) -> str:
    if len(said) > 1:
        # a proxy that adds its header to one that a stranger sent proves nothing
        raise Unauthenticated("the header that names the caller came twice", fix="let the proxy replace it")
    try:
        return checked_email(said[0].strip())
    except BadInput as error:
        raise Unauthenticated(f"the proxy named nobody: {error.what}") from None


def _password(said: str) -> str:
    """The password of Basic: the token. Any user name will do."""
    try:
        return base64.b64decode(said, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        raise Unauthenticated("the Authorization header does not read", fix="send Bearer TOKEN") from None
