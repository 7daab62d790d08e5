"""Calling a target: real sockets, and the guard that decides where they may lead."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from receiver import Receiver, receiving
from stagedoor.effects.keyring import Keyring, checked_secret, variable
from stagedoor.effects.webhooks import MAX_ANSWER, Answer, Caller, NoAnswer, Refused, checked_addresses
from stagedoor.errors import BadInput

ID = "0123456789abcdef" * 2


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def certified(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context for a certificate of its own making, and a client's that trusts it."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(secret + pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem")
    client = ssl.create_default_context(cadata=pem.decode())
    return server, client


def test_a_private_target_is_refused_and_nothing_is_sent(receiver: Receiver) -> None:
    answer = Caller().post(f"https://127.0.0.1:{receiver.port}/", {}, b"{}")
    assert answer == NoAnswer("127.0.0.1 leads to 127.0.0.1, which is not a public address", is_refused=True)
    assert receiver.taken == []


def test_the_switch_lets_it_call_its_own_network(receiver: Receiver) -> None:
    answer = Caller(allow_private=True).post(receiver.url, {"X-Mine": "1"}, b"{}")
    assert answer == Answer(200, b"thanks")
    [taken] = receiver.taken
    assert (taken.path, taken.headers["x-mine"], taken.body) == ("/hook", "1", b"{}")
    assert taken.headers["host"] == f"127.0.0.1:{receiver.port}"


def test_plain_http_is_refused_without_the_switch() -> None:
    answer = Caller().post("http://example.com/", {}, b"")
    assert isinstance(answer, NoAnswer)
    assert "plain http" in answer.reason


@pytest.mark.parametrize(
    "host",
    ["localhost.example", "metadata.example"],
)
@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "0.0.0.0", "10.1.2.3", "169.254.169.254", "192.168.0.1", "100.64.0.1", "224.0.0.1", "240.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1", "fec0::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "ff02::1", "2001:db8::1", "64:ff9b:1::1", "nonsense",
    ],
)  # fmt: skip
def test_a_name_that_leads_to_an_inner_address_is_refused(host: str, address: str) -> None:
    with pytest.raises(Refused, match="not a public address"):
        checked_addresses(lambda *_: ["93.184.215.14", address], host, 443, allow_private=False)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07::1", "::ffff:93.184.215.14"])
def test_a_public_address_passes(address: str) -> None:
    assert checked_addresses(lambda *_: [address], "example.com", 443, allow_private=False) == [address]


def test_a_name_that_changes_its_mind_is_not_asked_again(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: public when it is looked at, loopback when it is connected to."""
    asked: list[str] = []
    connected: list[str] = []
    real = socket.create_connection

    def look_up(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["93.184.215.14"] if len(asked) == 1 else ["127.0.0.1"]

    def connect(address: tuple[str, int], *more: object, **named: object) -> socket.socket:
        connected.append(address[0])
        if not ipaddress.ip_address(address[0]).is_loopback:
            raise ConnectionRefusedError("no network here")
        return real(address)

    monkeypatch.setattr(socket, "create_connection", connect)
    answer = Caller(look_up=look_up).post(f"https://rebound.example:{receiver.port}/", {}, b"{}")
    assert isinstance(answer, NoAnswer)
    assert asked == ["rebound.example"]
    assert connected == ["93.184.215.14"]
    assert receiver.taken == []


def test_it_connects_to_the_address_it_looked_at_and_speaks_tls_with_the_name(tmp_path: Path) -> None:
    server, client = certified(tmp_path, "hooks.example")
    with receiving(server) as receiver:
        caller = Caller(allow_private=True, look_up=lambda *_: ["127.0.0.1"], trust=client)
        url = f"https://hooks.example:{receiver.port}/x"
        assert caller.post(url, {}, b"{}") == Answer(200, b"thanks")
        assert receiver.taken[0].headers["host"] == f"hooks.example:{receiver.port}"
        other = caller.post(f"https://other.example:{receiver.port}/x", {}, b"{}")
        assert isinstance(other, NoAnswer) and "certificate" in other.reason.lower()
        assert len(receiver.taken) == 1


def test_a_certificate_nobody_knows_is_refused_unless_it_need_not_be_verified(tmp_path: Path) -> None:
    server, _ = certified(tmp_path, "hooks.example")
    with receiving(server) as receiver:
        caller = Caller(allow_private=True, look_up=lambda *_: ["127.0.0.1"])
        url = f"https://hooks.example:{receiver.port}/x"
        assert isinstance(caller.post(url, {}, b"{}"), NoAnswer)
        assert caller.post(url, {}, b"{}", verify=False) == Answer(200, b"thanks")


def test_a_redirect_is_an_answer_and_is_not_followed(receiver: Receiver) -> None:
    receiver.status, receiver.more = 302, {"Location": f"http://127.0.0.1:{receiver.port}/elsewhere"}
    answer = Caller(allow_private=True).post(receiver.url, {}, b"{}")
    assert isinstance(answer, Answer) and answer.status == 302 and not answer.is_good
    assert [one.path for one in receiver.taken] == ["/hook"]


def test_a_long_answer_is_cut(receiver: Receiver) -> None:
    receiver.answer = b"x" * (MAX_ANSWER * 20)
    answer = Caller(allow_private=True).post(receiver.url, {}, b"{}")
    assert isinstance(answer, Answer)
    assert answer.body == b"x" * MAX_ANSWER


@pytest.mark.parametrize("drip", [b"H", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"])
def test_a_target_that_never_ends_is_left_after_the_time(drip: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer_slowly() -> None:
            other, _ = listener.accept()
            with other:
                other.sendall(drip)
                # until the caller has hung up
                while other.recv(4096):
                    pass

        Thread(target=answer_slowly, daemon=True).start()
        caller = Caller(allow_private=True, total_seconds=0.3)
        answer = caller.post(f"http://127.0.0.1:{listener.getsockname()[1]}/", {}, b"{}")
    assert answer == NoAnswer("no answer within 0.3 seconds")


def test_a_port_where_nobody_listens_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    assert isinstance(Caller(allow_private=True).post(f"http://127.0.0.1:{port}/", {}, b""), NoAnswer)


def test_a_name_nobody_knows_is_no_answer() -> None:
    def look_up(host: str, port: int) -> list[str]:
        raise socket.gaierror("not known")

    answer = Caller(look_up=look_up).post("https://nowhere.example/", {}, b"")
    assert isinstance(answer, NoAnswer) and "nowhere.example is not known" in answer.reason


def test_a_header_that_cannot_be_sent_is_not_quoted(receiver: Receiver) -> None:
    for value in ("hunter2\r\nX-Evil: 1", "hunter2 §"):
        answer = Caller(allow_private=True).post(receiver.url, {"Authorization": value}, b"{}")
        assert isinstance(answer, NoAnswer)
        assert "hunter2" not in answer.reason
    assert receiver.taken == []


# --- secrets --------------------------------------------------------------------------------------------------------


def test_secrets_are_kept_for_this_user_alone(tmp_path: Path) -> None:
    ring = Keyring(tmp_path, {})
    ring.keep(ID, {"secret": "s", "authorization": "a"})
    file = tmp_path / "webhooks" / f"{ID}.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    ring.keep(ID, {"authorization": None})
    assert ring.secrets(ID) == {"secret": "s"}
    ring.forget(ID)
    assert ring.secrets(ID) == {}
    assert list(file.parent.iterdir()) == []


def test_the_environment_comes_first(tmp_path: Path) -> None:
    ring = Keyring(tmp_path, {variable("secret", ID): "new"})
    ring.keep(ID, {"secret": "old", "access_token": "t"})
    assert ring.secrets(ID) == {"secret": "new", "access_token": "t"}


def test_an_id_is_no_path(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no webhook's id"):
        Keyring(tmp_path, {}).secrets("../../etc/passwd")


def test_a_secret_that_would_end_a_header_is_refused_and_not_shown() -> None:
    with pytest.raises(BadInput) as refused:
        checked_secret("authorization", "Bearer hunter2\r\nX: 1")
    assert "hunter2" not in str(refused.value)
