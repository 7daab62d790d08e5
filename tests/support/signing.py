"""Keys and certificates by openssl, and signatures by `model_signing`, as people make them."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """An elliptic key."""

    private: Path
    public: Path


@dataclass(frozen=True)
class Authority:
    """An authority's certificate, and one that it gave to whoever holds a key."""

    root: Path
    private: Path
    certificate: Path


def _openssl(*args: str | Path) -> None:
    subprocess.run(["openssl", *args], check=True, capture_output=True)


def make_pair(folder: Path, name: str) -> Pair:
    """A new pair of keys."""
    pair = Pair(folder / f"{name}.key.pem", folder / f"{name}.pub.pem")
    _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", pair.private)
    _openssl("ec", "-in", pair.private, "-pubout", "-out", pair.public)
    return pair


def make_authority(folder: Path, name: str) -> Authority:
    """A new authority, and a certificate of its that may sign."""
    ca, leaf = make_pair(folder, name), make_pair(folder, f"{name}-leaf")
    root, certificate, request = (folder / f"{name}{end}" for end in (".pem", "-leaf.pem", "-leaf.csr"))
    usage = folder / f"{name}.ext"
    usage.write_text("keyUsage=critical,digitalSignature\n")
    _openssl("req", "-x509", "-new", "-key", ca.private, "-subj", f"/CN={name}", "-days", "9", "-out", root)
    _openssl("req", "-new", "-key", leaf.private, "-subj", f"/CN={name} signer", "-out", request)
    _openssl(
        *("x509", "-req", "-in", request, "-CA", root, "-CAkey", ca.private, "-CAcreateserial", "-days", "5"),
        *("-extfile", usage, "-out", certificate),
    )
    return Authority(root, leaf.private, certificate)


def sign(artifact: Path, signature: Path, by: Pair | Authority) -> Path:
    """Sign an artifact as `model_signing sign` does, which leaves the signature itself out."""
    from model_signing import hashing, signing

    config = signing.Config()  # type: ignore[no-untyped-call]
    if isinstance(by, Pair):
        config.use_elliptic_key_signer(private_key=by.private)
    else:
        config.use_certificate_signer(
            private_key=by.private, signing_certificate=by.certificate, certificate_chain=[by.root]
        )
    ignored = [signature.relative_to(artifact)] if signature.is_relative_to(artifact) else []
    config.set_hashing_config(hashing.Config().set_ignored_paths(paths=ignored))  # type: ignore[no-untyped-call]
    config.sign(artifact, signature)
    return signature
