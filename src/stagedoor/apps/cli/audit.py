"""Commands that prove: the audit of main, and the evidence of one version."""

from __future__ import annotations

import hashlib
from pathlib import Path

import click

from stagedoor.apps.cli.complete import complete_ref
from stagedoor.apps.cli.main import Door
from stagedoor.apps.cli.output import echo_json, echo_lines, json_option
from stagedoor.core.checkpoints import MAX_BYTES, Checkpoint, decode, encode
from stagedoor.core.views import audits
from stagedoor.core.views.plain import counted, sized, visible
from stagedoor.errors import BadInput
from stagedoor.workflows import auditing

_FILE = click.Path(path_type=Path)


@click.group()
def audit() -> None:
    """Prove that every change of main was legal and agreed to."""


@audit.command()
@click.option("--since", metavar="REV", help="Only what came after this commit of main.")
@click.option("--allowed-signers", "signers", type=_FILE, metavar="FILE", help="Instead of the registry's own file.")
@click.option("--checkpoint", "kept", type=_FILE, metavar="FILE", help="Main still has to hold what this remembers.")
@click.option("--write-checkpoint", "written", type=_FILE, metavar="FILE", help="Remember main as it is, if it holds.")
@click.option("--strict", is_flag=True, help="The word of a merge is not enough: signed, or in its request.")
@json_option
@click.pass_obj
def verify(
    door: Door,
    since: str | None,
    signers: Path | None,
    kept: Path | None,
    written: Path | None,
    strict: bool,
    as_json: bool,
) -> None:
    """Judge every commit of main by the policy that stood before it.

    Was it legal, and had those agreed who had to? Offline, in any full clone, bare ones too. Where the requests are
    (refs/pull/*), merges are compared with them. Exit code 8 when something does not hold.

    \b
    stagedoor audit verify
    stagedoor audit verify --checkpoint march.json --write-checkpoint april.json
    """
    terms = auditing.Terms(since, _read(signers, 8 * MAX_BYTES) if signers else None, _checkpoint(kept), strict)
    world = door.world
    found = auditing.audit(world, terms)
    if written and found.holds:
        _write(written, encode(auditing.checkpoint(world)).encode())
    if as_json:
        echo_json(audits.data(found))
    else:
        echo_lines(audits.text(found))
        if written:
            click.echo(f"Checkpoint written to {written}." if found.holds else "No checkpoint was written.")
    if not found.holds:
        click.get_current_context().exit(8)


def _checkpoint(path: Path | None) -> Checkpoint | None:
    return decode(_read(path, MAX_BYTES), str(path)) if path else None


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(most + 1)
    except OSError as error:
        raise BadInput(f"the file cannot be read: {error.strerror}", where=str(path), fix="name another file") from None
    if len(raw) > most:
        raise BadInput(f"the file has more than {most:,} bytes", where=str(path), fix="name another file")
    return raw


def _write(path: Path, raw: bytes) -> None:
    """All of it or nothing: an old file is not lost when the disk is full."""
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_bytes(raw)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise BadInput(
            f"the file cannot be written: {error.strerror}", where=str(path), fix="name another file"
        ) from None


@click.command()
@click.argument("ref", shell_complete=complete_ref)
@click.option("-o", "--output", type=_FILE, metavar="FILE", help="Where to (default: evidence-NAME-3.tar.gz).")
@json_option
@click.pass_obj
def evidence(door: Door, ref: str, output: Path | None, as_json: bool) -> None:
    """Write an archive that proves where a version was and who agreed.

    It verifies with git and Python alone: unpack it and run verify.py. A version that was deleted has evidence too.

    \b
    stagedoor evidence power-forecasting/3 -o evidence.tar.gz
    """
    from stagedoor.workflows.proving import archive, prove

    proof = prove(door.world, ref)
    path = output or Path(f"{proof.folder}.tar.gz")
    raw = archive(proof)
    _write(path, raw)
    if as_json:
        echo_json(
            {"file": str(path), "bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest(), "ref": proof.ref,
             "first": proof.first, "last": proof.last, "steps": proof.steps}
        )  # fmt: skip
        return
    click.echo(f"{path}: {sized(len(raw))}, {counted(proof.steps, 'step')} of {visible(proof.ref)} up to {proof.last}.")
    click.echo(f"Verify it: tar xf {path} && python3 {proof.folder}/verify.py")
