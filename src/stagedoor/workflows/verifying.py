"""Whether artifacts are still what was registered: their digests are computed again, their signatures checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias, assert_never

from stagedoor.artifacts.answers import Absent, Digested, Found, Unfit, Unreachable, Watch, unwatched
from stagedoor.artifacts.digest import Reach, digest_of, is_on_disk
from stagedoor.artifacts.places import OnDisk, place_of
from stagedoor.artifacts.signatures import Key, NotSigned, Signed, signature_beside, verify_signature
from stagedoor.core.digests import Digest, Foreign, parse
from stagedoor.core.registry import resolve, resolve_version
from stagedoor.core.spec import ARCHIVED, NO_STAGE, Version
from stagedoor.core.views.plain import counted, sized
from stagedoor.errors import BadInput, BadSpec, ChecksFailed, InvalidState, RegistryError, Unavailable
from stagedoor.workflows.world import World

State: TypeAlias = Literal["ok", "differs", "unreachable", "no_digest"]
NO_REACH = Reach()
# MLflow writes it into the folder of a model that somebody loads by models:/NAME/3, in a local store too:
# https://mlflow.org/docs/latest/api_reference/python_api/mlflow.artifacts.html
NOTE = b"registered_model_meta"

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Integrity:
    """What came of computing a version's digest again.

    `differs` also stands for an artifact that has no digest any more, such as an emptied folder; `unreachable` for
    one that is gone, or that we cannot open; `no_digest` for a version that records none that we could compute.
    """

    state: State
    text: str
    source: str
    recorded: str = ""
    found: str = ""
    files: int = 0
    size: int = 0

    @property
    def is_ok(self) -> bool:
        """The artifact is byte for byte what was registered."""
        return self.state == "ok"


@dataclass(frozen=True, slots=True)
class Verified:
    """One version, its integrity, and who signed it where that was asked."""

    ref: str
    integrity: Integrity
    signed_by: str = ""


def integrity_of(
    world: World, version: Version, *, source: str = "", reach: Reach = NO_REACH, name: str = ""
) -> Integrity:
    """Compute a version's digest again and compare. Reads the whole artifact; never raises for what it finds there."""
    return compare(version.digest, source or version.source, reach, _watch(world, name or "hashing"))


def compare(digest: str, source: str, reach: Reach = NO_REACH, watch: Watch = unwatched) -> Integrity:
    """As `integrity_of`, for a digest that was recorded and a place that is said.

    The note that MLflow leaves in a model that was loaded is no difference: nothing of the model is in it.
    """
    recorded = parse(digest)
    if not isinstance(recorded, Digest):
        return Integrity("no_digest", _no_digest(recorded), source, digest)
    found = _compared(recorded, digest_of(source, reach, watch), source)
    if found.state != "differs" or not _has_note(source, reach.base):
        return found
    without = _compared(recorded, digest_of(source, replace(reach, but=NOTE), watch), source)
    return without if without.is_ok else found


def _has_note(source: str, base: Path) -> bool:
    place = place_of(source, base)
    names = ("MLmodel", NOTE.decode())
    return isinstance(place, OnDisk) and all((place.path / name).is_file() for name in names)


def _no_digest(recorded: Foreign) -> str:
    return f"{recorded} cannot be recomputed" if recorded.text else "no digest is recorded"


def _compared(recorded: Digest, found: Found, source: str) -> Integrity:
    was = str(recorded)
    match found:
        case Digested(digest, files, size):
            now = str(digest)
            is_same = digest == recorded
            how_much = f"({counted(files, 'file')}, {sized(size)})"
            text = f"{now} {how_much}" if is_same else f"{was} was recorded, and {now} is there {how_much}"
            return Integrity("ok" if is_same else "differs", text, source, was, now, files, size)
        case Unfit(reason):
            return Integrity("differs", f"{was} was recorded, and what is there has no digest: {reason}", source, was)
        case Absent(reason) | Unreachable(reason):
            return Integrity("unreachable", reason, source, was)
        case never:
            assert_never(never)


def _watch(world: World, what: str) -> Watch:
    return lambda done, total: world.progress(what, done, total)


# --- one version ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Signing:
    """Which signature to check, with which key. Without a file it is `model.sig` in or beside the artifact."""

    key: Key
    signature: Path | None = None


def verify(
    world: World, text: str, *, source: str = "", reach: Reach = NO_REACH, signing: Signing | None = None
) -> Verified:
    """One version's integrity and, where a key is given, its signature. A signature that does not hold is refused."""
    registry = world.snapshot().registry
    ref = resolve_version(registry, text)
    version = registry.version(ref.model, ref.version or 0)
    integrity = integrity_of(world, version, source=source, reach=reach, name=str(ref))
    found = Verified(str(ref), integrity)
    if signing is None or integrity.state == "unreachable":
        return found
    return _with_signature(found, signing, reach)


def _with_signature(found: Verified, signing: Signing, reach: Reach) -> Verified:
    """Who signed it. Where the digest differs already, the signature may still know in which files."""
    integrity = found.integrity
    place = place_of(integrity.source, reach.base)
    if not isinstance(place, OnDisk):
        fix = f"download it, and stagedoor verify {found.ref} --source PATH"
        raise BadInput("a signature is checked on files of this machine", where=integrity.source, fix=fix)
    signature = signing.signature or signature_beside(place.path)
    match verify_signature(place.path, signature, signing.key):
        case Signed(by):
            return replace(found, signed_by=by)
        case NotSigned(reason) if integrity.state == "differs":
            return replace(found, integrity=replace(integrity, text=f"{integrity.text}; {reason}"))
        case NotSigned(reason):
            fix = "register what was signed, or have it signed again"
            raise ChecksFailed(f"{found.ref} is not signed: {reason}", where=integrity.source, fix=fix)


def refusal(found: Verified) -> RegistryError | None:
    """Why a version is not verified, as an error; None when it is."""
    integrity = found.integrity
    match integrity.state:
        case "ok":
            return None
        case "differs":
            fix = "put back what was registered, or register what is there as a new version"
            return ChecksFailed(f"{found.ref}: {integrity.text}", where=integrity.source, fix=fix)
        case "unreachable":
            fix = f"stagedoor verify {found.ref} --source URI says where else it is"
            return Unavailable(f"{found.ref}: {integrity.text}", where=integrity.source, fix=fix)
        case "no_digest":
            return None if found.signed_by else _without_digest(found)
        case never:
            assert_never(never)


def _without_digest(found: Verified) -> InvalidState:
    fix = "register the artifact again from a path or URI that can be read: a digest is recorded then"
    return InvalidState(f"{found.ref}: {found.integrity.text}", where=found.integrity.source, fix=fix)


# --- many -----------------------------------------------------------------------------------------------------------


def is_version(world: World, text: str) -> bool:
    """Whether `text` names a version, and not a whole model."""
    return resolve(world.snapshot().registry, text).version is not None


def verify_model(world: World, text: str, *, reach: Reach = NO_REACH) -> Iterator[Verified]:
    """Each version of a model that is in a stage other than None and Archived."""
    registry = world.snapshot().registry
    model = registry.model(resolve(registry, text).model)
    for version in model.versions:
        if version.stage not in (NO_STAGE, ARCHIVED):
            ref = f"{model.name}/{version.version}"
            yield Verified(ref, integrity_of(world, version, reach=reach, name=ref))


def verify_all(world: World, *, reach: Reach = NO_REACH) -> Iterator[Verified | BadSpec]:
    """As `verify_model` for every model; a file that does not read is told, and the others go on."""
    names = world.snapshot().registry.names
    for done, name in enumerate(names, start=1):
        try:
            yield from verify_model(world, name, reach=reach)
        except BadSpec as error:
            yield error
        world.progress("models verified", done, len(names))


# --- at registration ------------------------------------------------------------------------------------------------


def digest_to_record(world: World, source: str, said: str, base: Path) -> str:
    """The digest that a new version of this source records.

    `said` is what the person gave: nothing, `auto`, or a digest. Nothing computes it for files of this machine alone;
    `auto` for remote ones too; a digest is compared with the files where they are here.
    """
    if said != AUTO and not is_on_disk(source, base):
        return str(parse(said))
    given = parse("" if said == AUTO else said)
    if isinstance(given, Foreign) and given.text:
        return given.text
    found = digest_of(source, Reach(base, private=True), _watch(world, "hashing"))
    if not isinstance(found, Digested):
        raise _no_digest_for(source, found)
    if isinstance(given, Digest) and given != found.digest:
        what = f"the digest that was given is {given}, and {found.digest} is there"
        raise ChecksFailed(what, where=source, fix="leave --digest out, or register what has that digest")
    return str(found.digest)


def _no_digest_for(source: str, found: Absent | Unreachable | Unfit) -> BadInput:
    if isinstance(found, Unfit):
        fix = "mend it, or register it with --no-digest"
    else:
        fix = "give --digest, or register from the artifact's own URI"
    return BadInput(f"no digest can be computed for {source}: {found.reason}", where="--source", fix=fix)
