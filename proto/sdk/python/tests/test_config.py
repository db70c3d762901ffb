"""What a client is given, and files that are renewed while it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

import chamois
from chamois import _config
from chamois._config import Credentials, config, from_env
from fake_member import FakeMember, Identity


@pytest.mark.parametrize("endpoint", ["10.97.1.1:7441", "[fd00::1]:7441", "admin1.example:7441", "localhost:1"])
def test_endpoints_are_host_and_port(endpoint: str, identity: Identity) -> None:
    assert config(f"{endpoint},{endpoint}", identity.ca, None, None, None, None).endpoints == (endpoint, endpoint)


@pytest.mark.parametrize("endpoint", ["", "10.97.1.1", "https://10.97.1.1:7441", "a b:1", "host:99999", "u@host:1", "host:1/x"])
def test_anything_else_is_refused_with_the_right_form(endpoint: str, identity: Identity) -> None:
    with pytest.raises(chamois.ConfigError, match="write host:port"):
        chamois.Client([endpoint], identity.ca)


def test_arguments_that_contradict_or_lead_nowhere_are_named(identity: Identity, tmp_path: Path) -> None:
    for named, arguments in (
        ("endpoints: 0", {"endpoints": []}),
        ("endpoints: 33", {"endpoints": ["a:1"] * 33}),
        ("token, token_file", {"token": "a", "token_file": "b"}),
        ("cert_file, key_file", {"cert_file": "a"}),
        ("missing.pem", {"ca": tmp_path / "missing.pem"}),
        ("missing.token", {"token_file": tmp_path / "missing.token"}),
        ("characters that no token has", {"token": "two words"}),
    ):
        with pytest.raises(chamois.ConfigError, match=named):
            chamois.Client(**{"endpoints": ["a:1"], "ca": identity.ca, **arguments})  # type: ignore[arg-type]


def test_the_environment_is_that_of_the_command_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CHAMOIS_ENDPOINTS", "CHAMOIS_CA", "CHAMOIS_TOKEN", "CHAMOIS_TOKEN_FILE", "CHAMOIS_CLIENT_CERTIFICATE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(chamois.ConfigError, match="CHAMOIS_ENDPOINTS is not set"):
        from_env()
    monkeypatch.setenv("CHAMOIS_ENDPOINTS", "a:1,b:2")
    with pytest.raises(chamois.ConfigError, match="CHAMOIS_CA is not set"):
        from_env()
    monkeypatch.setenv("CHAMOIS_CA", "ca.pem")
    monkeypatch.setenv("CHAMOIS_TOKEN_FILE", "t")
    assert from_env() == {"endpoints": "a:1,b:2", "ca": "ca.pem", "token_file": "t"}
    monkeypatch.setenv("CHAMOIS_TOKEN", "abc")
    assert from_env()["token"] == "abc"
    monkeypatch.setenv("CHAMOIS_CLIENT_CERTIFICATE", "me.pem")
    assert from_env()["key_file"] == Path("me.key") and "token" not in from_env()


def test_a_renewed_token_is_read_and_a_vanished_one_is_kept(identity: Identity, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    credentials = Credentials(config("a:1", identity.ca, None, file, None, None))
    assert credentials.authorization() == [("authorization", "Bearer one")]
    (tmp_path / "new").write_text("two\n")
    (tmp_path / "new").rename(file)
    assert credentials.authorization() == [("authorization", "Bearer two")]
    file.unlink()
    assert credentials.authorization() == [("authorization", "Bearer two")]


def test_a_token_function_is_asked_for_each_attempt(identity: Identity) -> None:
    tokens = iter(["at start", "one", "two"])
    given = config("a:1", identity.ca, lambda: next(tokens).replace(" ", ""), None, None, None)
    credentials = Credentials(given)
    assert [credentials.authorization()[0][1] for _ in range(2)] == ["Bearer one", "Bearer two"]


def test_renewed_certificates_make_new_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from chamois.smd.v1 import ComponentServiceStub, GetComponentRequest

    monkeypatch.setattr(_config, "_LOOK_S", 0.0)
    identity = Identity(tmp_path)
    member = FakeMember(identity)
    arguments = {"cert_file": identity.ca, "key_file": identity.key}
    with chamois.Client([member.endpoint], identity.ca, **arguments) as client:  # type: ignore[arg-type]
        stub = ComponentServiceStub(client)
        stub.GetComponent(GetComponentRequest(id="x0"))
        identity.make()
        with pytest.raises(chamois.Error, match="CERTIFICATE_VERIFY_FAILED"):
            stub.GetComponent(GetComponentRequest(id="x0"))  # the server still has the certificate of before
        identity.ca.unlink()
        member.stop()
    assert len(member.calls) == 1
