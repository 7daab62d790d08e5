"""OpenSSF model signatures, made by the library's own signer with real keys."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from signing import Authority, Pair, make_authority, make_pair, sign
from stagedoor.artifacts.signatures import (
    Certificates,
    Key,
    NotSigned,
    PublicKey,
    Signed,
    signature_beside,
    verify_signature,
)
from stagedoor.errors import BadInput


@dataclass(frozen=True)
class Case:
    """A folder, its signature beside it, and the pair of keys that made it."""

    model: Path
    signature: Path
    pair: Pair
    folder: Path

    def verify(self, key: Path | None = None, signature: Path | bytes | None = None) -> Signed | NotSigned:
        chosen = self.signature if signature is None else signature
        return verify_signature(self.model, chosen, PublicKey(key or self.pair.public))


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A signed model."""
    model = tmp_path / "model"
    (model / "env").mkdir(parents=True)
    (model / "MLmodel").write_text("flavors: {}\n")
    (model / "weights.bin").write_bytes(b"\0" * 100_000)
    (model / "env/conda.yaml").write_text("name: x\n")
    pair = make_pair(tmp_path, "release")
    return Case(model, sign(model, tmp_path / "model.sig", pair), pair, tmp_path)


def refused(found: Signed | NotSigned, *said: str) -> None:
    assert isinstance(found, NotSigned), found
    for text in said:
        assert text in found.reason


def test_an_artifact_that_was_signed_is_signed_by_the_key(case: Case) -> None:
    assert case.verify() == Signed(str(case.pair.public))
    assert case.verify(signature=case.signature.read_bytes()) == Signed(str(case.pair.public))


def test_one_flipped_byte_of_a_file_is_refused_by_the_file_s_name(case: Case) -> None:
    (case.model / "weights.bin").write_bytes(b"\0" * 50_000 + b"\1" + b"\0" * 49_999)
    refused(case.verify(), "weights.bin", "not those that were signed")


def test_an_added_and_a_missing_file_are_refused_by_their_names(case: Case) -> None:
    (case.model / "env/conda.yaml").rename(case.model / "env/evil.py")
    refused(case.verify(), "env/evil.py", "env/conda.yaml")


def test_another_key_is_refused(case: Case) -> None:
    other = make_pair(case.folder, "other")
    refused(case.verify(other.public), "another key", str(other.public))


def test_a_signature_with_any_byte_flipped_is_refused(case: Case) -> None:
    raw = case.signature.read_bytes()
    start = raw.index(b'"payload"')
    for at in range(0, len(raw), 37):
        flipped = bytes([*raw[:at], raw[at] ^ 1, *raw[at + 1 :]])
        found = case.verify(signature=flipped)
        # what says nothing, such as the name of a log, may change; what was signed may not
        assert at < start or isinstance(found, NotSigned) or _says_the_same(raw, flipped), raw[at - 20 : at + 20]


def _says_the_same(one: bytes, other: bytes) -> bool:
    import json

    def said(raw: bytes) -> object:
        envelope = json.loads(raw)["dsseEnvelope"]
        return envelope["payload"], envelope["signatures"][0]["sig"]

    return said(one) == said(other)


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"[]", b"null", b"\xff\xfe", b'{"verificationMaterial": {}}', b"[" * 100_000]
)
def test_what_is_no_signature_is_refused(case: Case, raw: bytes) -> None:
    refused(case.verify(signature=raw))


def test_a_signature_of_another_model_is_refused(case: Case) -> None:
    other = case.folder / "other"
    other.mkdir()
    (other / "MLmodel").write_text("other\n")
    refused(case.verify(signature=sign(other, case.folder / "other.sig", case.pair)), "MLmodel")


def test_a_signature_that_is_not_there_is_refused(case: Case) -> None:
    refused(case.verify(signature=case.folder / "no.sig"), "is not there")


def test_a_single_file_can_be_signed(case: Case) -> None:
    file = case.model / "weights.bin"
    signature = sign(file, case.folder / "weights.sig", case.pair)
    assert verify_signature(file, signature, PublicKey(case.pair.public)) == Signed(str(case.pair.public))
    file.write_bytes(b"\1" + file.read_bytes()[1:])
    refused(verify_signature(file, signature, PublicKey(case.pair.public)))


def test_the_signature_stands_in_the_folder_or_beside_it(case: Case) -> None:
    assert signature_beside(case.model) == case.signature
    inside = sign(case.model, case.model / "model.sig", case.pair)
    assert signature_beside(case.model) == inside
    assert case.verify(signature=inside) == Signed(str(case.pair.public))


def test_the_library_s_warnings_do_not_reach_stdout(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    import json

    bundle = json.loads(case.signature.read_text())
    del bundle["verificationMaterial"]["publicKey"]["hint"]
    case.verify(signature=json.dumps(bundle).encode())
    assert capsys.readouterr().out == ""


def rsa(folder: Path) -> Path:
    private, public = folder / "rsa.pem", folder / "rsa.pub"
    subprocess.run(["openssl", "genrsa", "-out", private, "2048"], check=True, capture_output=True)
    subprocess.run(["openssl", "rsa", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    return public


def test_a_key_that_does_not_read_is_bad_input(case: Case) -> None:
    (case.folder / "text.pem").write_text("no key\n")
    for key in (case.pair.private, case.folder / "text.pem", case.folder / "no.pem", case.folder, rsa(case.folder)):
        with pytest.raises(BadInput, match="the key does not read"):
            case.verify(key)


# --- certificates ---------------------------------------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority, and a certificate of its that may sign."""
    return make_authority(tmp_path, "ca")


def test_a_certificate_of_a_named_authority_may_sign(case: Case, authority: Authority) -> None:
    signature = sign(case.model, case.folder / "cert.sig", authority)
    key: Key = Certificates((authority.root,))
    assert verify_signature(case.model, signature, key) == Signed(str(authority.root))
    (case.model / "MLmodel").write_text("flavors: []\n")
    refused(verify_signature(case.model, signature, key), "MLmodel")


def test_a_certificate_of_another_authority_is_refused(case: Case, authority: Authority) -> None:
    signature = sign(case.model, case.folder / "cert.sig", authority)
    other = make_authority(case.folder, "other-ca")
    refused(verify_signature(case.model, signature, Certificates((other.root,))), "other-ca")


def test_a_signature_by_key_is_none_by_certificate(case: Case, authority: Authority) -> None:
    refused(verify_signature(case.model, case.signature, Certificates((authority.root,))))
    signature = sign(case.model, case.folder / "cert.sig", authority)
    refused(verify_signature(case.model, signature, PublicKey(case.pair.public)))


def test_without_an_authority_nobody_is_trusted(case: Case) -> None:
    with pytest.raises(BadInput, match="no authority is named"):
        verify_signature(case.model, case.signature, Certificates(()))
