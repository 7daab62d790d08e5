"""OpenSSF model signatures, checked offline. The extra `signing` brings the library.

https://github.com/sigstore/model-transparency
"""

from __future__ import annotations

import ast
import sys
import tempfile
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

from stagedoor.core.views.plain import shortened
from stagedoor.errors import BadInput

if TYPE_CHECKING:
    from model_signing.verifying import Config

SIGNATURE_FILE: Final = "model.sig"
MAX_SIGNATURE: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A PEM file with the public part of an elliptic key: P-256, P-384 or P-521."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files with the authorities whose certificates may sign."""

    paths: tuple[Path, ...]

    def __str__(self) -> str:
        return ", ".join(map(str, self.paths))


Key: TypeAlias = PublicKey | Certificates


@dataclass(frozen=True, slots=True)
class Signed:
    """The artifact is as it was signed, by who holds this key."""

    by: str


@dataclass(frozen=True, slots=True)
class NotSigned:
    """The signature does not vouch for the artifact."""

    reason: str


def signature_beside(artifact: Path) -> Path:
    """Where the signature of an artifact stands: `model.sig` in its folder, else beside it."""
    inside = artifact / SIGNATURE_FILE
    return inside if inside.is_file() else artifact.parent / SIGNATURE_FILE


def verify_signature(artifact: Path, signature: Path | bytes, key: Key) -> Signed | NotSigned:
    """Whether a signature was made with a key, for exactly these files.

    Files of git's own (`.git`, `.gitignore` …) and those that the signer left out are not covered. A key that does not
    read is `BadInput`; whatever is wrong with the signature is an answer.
    """
    config = _config(key)
    if isinstance(signature, bytes):
        with tempfile.TemporaryDirectory(prefix="stagedoor-") as folder:
            file = Path(folder, SIGNATURE_FILE)
            file.write_bytes(signature)
            return _verified(config, artifact, file, key)
    return _verified(config, artifact, signature, key)


def _verified(config: Config, artifact: Path, signature: Path, key: Key) -> Signed | NotSigned:
    if not signature.is_file():
        return NotSigned(f"{signature} is not there")
    if signature.stat().st_size > MAX_SIGNATURE:
        return NotSigned(f"{signature} has more than {MAX_SIGNATURE:,} bytes")
    try:
        # the library prints a warning about old signatures, and stdout is for what was asked
        with redirect_stdout(sys.stderr):
            config.verify(artifact.resolve(), signature)
    except Exception as error:  # the file is a stranger's, and the library says no in many ways
        return NotSigned(_said(error, signature, key))
    return Signed(str(key))


def _said(error: Exception, signature: Path, key: Key) -> str:
    said = str(error).strip()
    if said.startswith("Signature mismatch: "):
        return f"the files are not those that were signed: {_differences(said.partition(': ')[2])}"
    if said.startswith("Key mismatch"):
        return f"{signature} was made with another key than {key}"
    if type(error).__name__ == "InvalidSignature":
        return f"{signature} was changed, or was made with another key than {key}"
    return f"{signature} is no signature that {key} vouches for: {' '.join(said.split()) or type(error).__name__}"


def _differences(said: str) -> str:
    """The library writes a list of sentences as Python does, each with the digests as raw bytes at its end."""
    try:
        sentences = [str(one).partition(": Expected ")[0] for one in ast.literal_eval(said)]
    except (ValueError, SyntaxError, TypeError):
        return shortened(said, 500)
    return shortened("; ".join(one[:1].lower() + one[1:] for one in sentences), 500)


def _new() -> Config:
    try:
        from model_signing.verifying import Config
    except ImportError as error:
        fix = "pip install 'stagedoor[signing]'"
        raise BadInput(f"signatures need a package that is not installed: {error.name}", fix=fix) from None
    return Config()  # type: ignore[no-untyped-call]


def _config(key: Key) -> Config:
    try:
        match key:
            case PublicKey(path):
                return _new().use_elliptic_key_verifier(public_key=path)
            case Certificates(paths):
                return _new().use_certificate_verifier(certificate_chain=_at_least_one(paths))
            case never:
                assert_never(never)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        # another kind of key has no curve, which the library takes for granted
        raise BadInput("the key does not read", where=str(key), fix=_cure(key, error)) from error


def _at_least_one(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """Without any, the library takes the authorities of the web, and whoever owns a web site could sign."""
    if not paths:
        raise BadInput("no authority is named", fix="give --certificate-chain CA.pem")
    return paths


def _cure(key: Key, error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.strerror or error}"
    if isinstance(key, Certificates):
        return "give PEM files with certificates"
    return "give the public key, as PEM, of a pair made with: openssl ecparam -name prime256v1 -genkey"
