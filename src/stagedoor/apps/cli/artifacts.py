"""The command that asks whether an artifact is still what was registered."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from stagedoor.apps.cli.complete import complete_ref
from stagedoor.apps.cli.main import Door
from stagedoor.apps.cli.output import echo_json, json_option
from stagedoor.artifacts.digest import Reach
from stagedoor.artifacts.signatures import Certificates, Key, PublicKey
from stagedoor.core.views.plain import visible
from stagedoor.errors import BadInput, BadSpec, ChecksFailed, RegistryError, Unavailable
from stagedoor.workflows import verifying
from stagedoor.workflows.verifying import Signing, Verified

_FILE = click.Path(path_type=Path)
_COLOURS = {"ok": "green", "differs": "red", "unreachable": "red", "no_digest": "yellow"}


@click.command()
@click.argument("ref", required=False, default="", shell_complete=complete_ref)
@click.option("--all", "everything", is_flag=True, help="Every model.")
@click.option("--source", default="", metavar="URI", help="Where the artifact is now, if not where it was registered.")
@click.option("--signature", type=_FILE, metavar="FILE", help="The signature (default: model.sig in or beside it).")
@click.option("--key", type=_FILE, metavar="PUB.PEM", help="Check the signature with this public key.")
@click.option(
    "--certificate-chain", "chain", type=_FILE, multiple=True, metavar="CA.PEM",
    help="Check it with these authorities; may be given again.",
)  # fmt: skip
@click.option("--private", is_flag=True, help="Let an http source lead into the own network.")
@json_option
@click.pass_obj
def verify(
    door: Door, ref: str, everything: bool, source: str, signature: Path | None, key: Path | None,
    chain: tuple[Path, ...], private: bool, as_json: bool,
) -> None:  # fmt: skip
    """Compute the digest of an artifact again, and compare.

    A whole model is verified in each stage but None and Archived. The artifact is read to its end, from where the
    version says it is. Exit code 8 when one byte differs, 11 when it cannot be read.

    \b
    stagedoor verify power-forecasting/3
    stagedoor verify power-forecasting/3 --key release.pem
    stagedoor verify --all
    """
    reach = Reach(door.directory, private)
    signing = _signing(door.directory, signature, key, chain)
    if everything == bool(ref):
        raise BadInput("one version, one model or --all is verified", fix="stagedoor verify NAME/3, or --all")
    world = door.world
    if everything or not verifying.is_version(world, ref):
        if source or signing:
            raise BadInput("a source and a signature are of one version", where=ref or "--all", fix="name it: NAME/3")
        _show_many(
            verifying.verify_all(world, reach=reach) if everything else verifying.verify_model(world, ref, reach=reach),
            as_json=as_json,
        )
        return
    found = verifying.verify(world, ref, source=source, reach=reach, signing=signing)
    refused = verifying.refusal(found)
    if as_json:
        echo_json(found)
    elif refused is None:
        _show(found)
    if refused is not None:
        raise refused


def _signing(base: Path, signature: Path | None, key: Path | None, chain: tuple[Path, ...]) -> Signing | None:
    if key and chain:
        raise BadInput("--key and --certificate-chain are two ways to sign", fix="give one of the two")
    chosen: Key | None = PublicKey(base / key) if key else None
    if chain:
        chosen = Certificates(tuple(base / path for path in chain))
    if chosen is None and signature is not None:
        raise BadInput("a signature is checked with a key", fix="add --key PUB.pem, or --certificate-chain CA.pem")
    return Signing(chosen, base / signature if signature else None) if chosen else None


def _show(found: Verified) -> None:
    state = found.integrity.state
    click.secho(f"{state.replace('_', ' '):<11} ", fg=_COLOURS[state], nl=False)
    click.echo(visible(f"{found.ref} {found.integrity.text}"))
    if found.signed_by:
        click.echo(visible(f"signed      {found.ref} by {found.signed_by}"))


def _show_many(all_found: Iterable[Verified | BadSpec], *, as_json: bool) -> None:
    """Each as it comes; what is worst is raised at the end."""
    shown: list[Verified] = []
    refused: list[RegistryError] = []
    for found in all_found:
        if isinstance(found, BadSpec):
            refused.append(found)
            continue
        shown.append(found)
        if not as_json:
            _show(found)
        refused += _refusals(found)
    if as_json:
        echo_json(shown)
    elif not shown:
        click.echo("No version is in a stage.")
    for worst in (ChecksFailed, Unavailable, BadSpec):
        for error in refused:
            if isinstance(error, worst):
                raise error


def _refusals(found: Verified) -> tuple[RegistryError, ...]:
    """A version without a digest is shown and nothing more: it may be older than the habit of recording one."""
    refused = verifying.refusal(found)
    return () if refused is None or found.integrity.state == "no_digest" else (refused,)
