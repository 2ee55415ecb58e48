"""Issuers that would weaken verification cannot be described at all."""

import pytest
from app.tokens.issuers import IssuersInvalid, IssuerSpec, parse_configured
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pydantic import ValidationError

from fakes.signers import signer

HS = {"name": "portal", "algorithms": ["HS256"], "secrets": ["s" * 32]}


def spec(**changed) -> IssuerSpec:
    return IssuerSpec.model_validate(HS | changed)


def problem(**changed) -> str:
    with pytest.raises(ValidationError) as refused:
        spec(**changed)
    return str(refused.value)


def test_plain_issuer_pins_safe_defaults():
    made = spec()
    assert made.expected_issuer == "portal"
    assert (made.require_exp, made.leeway_s, made.max_lifetime_s) == (True, 60, 86400)


@pytest.mark.parametrize("algorithms", [[], ["none"], ["HS256", "none"], ["hs256"], ["RS1"]])
def test_algorithms_must_be_named_and_none_is_none(algorithms):
    assert "algorithms" in problem(algorithms=algorithms)


@pytest.mark.parametrize("algorithms", [["HS256", "RS256"], ["RS256"]])
def test_shared_secrets_go_only_with_hmac(algorithms):
    assert "HS256/384/512 go with secrets" in problem(algorithms=algorithms)


@pytest.mark.parametrize("algorithms", [["HS256"], ["RS256", "HS256"]])
def test_public_keys_never_go_with_hmac(algorithms):
    pem = signer("RS256").pem
    assert "HS256/384/512" in problem(algorithms=algorithms, secrets=[], public_keys=[pem])
    url = "https://issuer.example/jwks"
    assert "HS256/384/512" in problem(algorithms=algorithms, secrets=[], jwks_url=url)


@pytest.mark.parametrize(
    ("algorithm", "chars"), [("HS256", 31), ("HS384", 47), ("HS512", 63), ("HS256", 0)]
)
def test_short_secrets_are_refused(algorithm, chars):
    problem(algorithms=[algorithm], secrets=["s" * chars])
    spec(algorithms=[algorithm], secrets=["s" * (chars + 1)]) if chars else None


def test_secret_may_be_bytes_in_base64():
    spec(secrets=["base64:" + "AAAA" * 11])
    assert "32 bytes" in problem(secrets=["base64:" + "AAAA" * 10])
    assert "not base64" in problem(secrets=["base64:" + "!" * 50])


def test_public_key_given_as_a_shared_secret_is_refused():
    assert "another algorithm" in problem(secrets=[signer("RS256").pem])


def test_exactly_one_source_of_keys():
    assert "exactly one" in problem(secrets=[])
    assert "exactly one" in problem(jwks_url="https://issuer.example/jwks")


def test_private_keys_are_refused():
    private = signer("ES256").private.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    keys = {"secrets": [], "algorithms": ["ES256"]}
    assert "private key" in problem(**keys, public_keys=[private.decode()])
    jwk = signer("ES256").jwk("a") | {"d": "AAAA"}
    assert "holds a secret" in problem(**keys, public_keys=[{"jwk": jwk}])
    assert "holds a secret" in problem(**keys, public_keys=[{"jwk": {"kty": "oct", "k": "AA"}}])


@pytest.mark.parametrize(
    "jwk",
    [
        {},
        {"kty": "RSA"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
        {"kty": "nonsense"},
        signer("RS256").jwk("a") | {"use": "enc"},
        signer("RS256").jwk("a") | {"key_ops": ["encrypt"]},
    ],
)
def test_damaged_and_unsuitable_jwks_are_refused(jwk):
    problem(secrets=[], algorithms=["RS256", "ES256"], public_keys=[{"jwk": jwk}])


def test_jwk_verifies_only_with_the_algorithm_it_names():
    jwk = signer("RS256").jwk("a") | {"alg": "RS256"}
    spec(secrets=[], algorithms=["RS256"], public_keys=[{"jwk": jwk}])
    text = problem(secrets=[], algorithms=["PS256"], public_keys=[{"jwk": jwk}])
    assert "no key given can verify PS256" in text


def test_weak_rsa_keys_are_refused():
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()
    pem = weak.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert "2048" in problem(secrets=[], algorithms=["RS256"], public_keys=[pem])


def test_algorithm_without_a_key_for_it_is_refused():
    pem = signer("ES256").pem
    text = problem(secrets=[], algorithms=["ES256", "ES384"], public_keys=[pem])
    assert "no key given can verify ES384" in text


@pytest.mark.parametrize("name", ["", "A", "a b", "a|b", "-a", "a\0", "x" * 81])
def test_names_are_plain(name):
    problem(name=name)


@pytest.mark.parametrize(
    "url", ["ftp://x/", "https://user@host/", "issuer.example", "https://x/#f"]
)
def test_key_set_addresses_are_plain(url):
    problem(secrets=[], algorithms=["RS256"], jwks_url=url)


def test_channel_needs_a_pattern_that_matches_something():
    channel = {"kind": "channel", "algorithms": [], "secrets": []}
    assert spec(**channel, pattern="wx[0-9]+").pattern
    problem(**channel)
    assert "empty id" in problem(**channel, pattern=".*")
    assert "pattern" in problem(**channel, pattern="(")
    assert "pattern" in problem(pattern="wx")
    assert "no keys" in problem(kind="channel", pattern="wx")


def test_shared_secrets_stay_out_of_what_is_shown():
    assert "ssss" not in str(spec().public())
    assert "ssss" not in repr(spec())
    assert "secrets" not in spec().public()


def test_configuration_is_read_with_its_secret_files(tmp_path):
    path = tmp_path / "secret"
    path.write_text("f" * 40 + "\n")
    item = {"name": "portal", "algorithms": ["HS256"], "secret_files": str(path)}
    (made,) = parse_configured([item])
    assert made.secrets[0].get_secret_value() == "f" * 40


def test_configuration_reports_every_problem_and_no_secret():
    with pytest.raises(IssuersInvalid) as refused:
        parse_configured(
            [
                HS | {"algorithms": ["none"]},
                HS | {"name": "b", "colour": "red", "secrets": ["tooshort"]},
                {"name": "c", "algorithms": ["HS256"], "secret_files": ["/no/such/file"]},
                {"name": "local", "kind": "opaque"},
            ]
        )
    text = refused.value.message
    for part in ("issuers[portal]", "issuers[b].colour", "issuers[c]", "issuers[local]"):
        assert part in text
    assert "tooshort" not in text


def test_two_configured_issuers_may_not_share_a_name_or_an_iss():
    with pytest.raises(IssuersInvalid, match="two issuers"):
        parse_configured([HS, HS])
    with pytest.raises(IssuersInvalid, match="iss"):
        parse_configured([HS, HS | {"name": "b", "issuer": "portal"}])
