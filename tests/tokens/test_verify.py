"""Tokens of every algorithm are taken, and none of the known attacks is."""

import hmac
from datetime import timedelta

import pytest
from app.tokens import keyring, verify
from app.tokens.issuers import IssuerSpec
from app.tokens.refusals import TokenRejected

from fakes.signers import ALGORITHMS, claims, segment, signer


def spec_of(name: str, **changed) -> IssuerSpec:
    made = signer(name)
    return IssuerSpec.model_validate(
        {"name": "portal", "algorithms": [made.algorithm], **made.keys, **changed}
    )


def verified(token: str, spec: IssuerSpec) -> verify.Claims:
    return verify.verify(token, spec, lambda kid: keyring.matching(spec.static_keys, kid))


def refused(token: str, spec: IssuerSpec) -> str:
    with pytest.raises(TokenRejected) as rejection:
        verified(token, spec)
    return rejection.value.message


@pytest.mark.parametrize("name", ALGORITHMS)
def test_genuine_token_of_each_algorithm_is_taken(name, now):
    assert verified(signer(name).sign(claims(now)), spec_of(name)).subject == "stu-2291"


@pytest.mark.parametrize("name", ALGORITHMS)
def test_token_signed_with_another_key_is_refused(name, now):
    other = signer(f"{name.split('-')[0]}-other")
    assert refused(other.sign(claims(now)), spec_of(name)) == "the signature is not the issuer's"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", None])
def test_unsigned_token_is_refused(alg, now):
    token = f"{segment({'alg': alg, 'typ': 'JWT'})}.{segment(claims(now))}."
    refused(token, spec_of("HS256"))
    refused(token, spec_of("RS256"))


def test_public_key_taken_for_a_shared_secret_is_refused(now):
    """The classic confusion: HS256 over the issuer's public key, which everybody knows."""
    made = signer("RS256")
    signing_input = f"{segment({'alg': 'HS256', 'typ': 'JWT'})}.{segment(claims(now))}"
    for secret in (made.pem.encode(), made.pem.strip().encode()):
        forged = hmac.digest(secret, signing_input.encode(), "sha256")
        assert "alg" in refused(f"{signing_input}.{segment(forged)}", spec_of("RS256"))


def test_algorithm_is_pinned_though_the_key_could_verify_it(now):
    spec = spec_of("RS256")
    token = signer("PS256").sign(claims(now))  # the same RSA key
    assert signer("PS256").pem == signer("RS256").pem
    assert "alg" in refused(token, spec)


def test_key_of_one_curve_does_not_verify_another(now):
    spec = IssuerSpec.model_validate(
        {
            "name": "portal",
            "algorithms": ["ES256", "ES384"],
            "public_keys": [signer("ES256").pem, signer("ES384").pem],
        }
    )
    assert verified(signer("ES384").sign(claims(now)), spec).subject == "stu-2291"
    assert verified(signer("ES256").sign(claims(now)), spec).subject == "stu-2291"
    refused(signer("ES512").sign(claims(now)), spec)


def test_changed_claims_are_refused(now):
    header, _, signature = signer("HS256").sign(claims(now)).split(".")
    forged = f"{header}.{segment(claims(now, sub='admin'))}.{signature}"
    refused(forged, spec_of("HS256"))


@pytest.mark.parametrize("iss", ["other", "portal/", "porta", "Portal", None, ["portal"], 1])
def test_other_issuers_are_refused(iss, now):
    made = signer("HS256")
    payload = claims(now, iss=None) | ({} if iss is None else {"iss": iss})
    signing_input = f"{segment({'alg': 'HS256'})}.{segment(payload)}"
    signature = hmac.digest(made.private.encode(), signing_input.encode(), "sha256")
    message = refused(f"{signing_input}.{segment(signature)}", spec_of("HS256"))
    assert message == "iss is not this issuer's"


@pytest.mark.parametrize("aud", ["other", ["other"], [], None, "shareauth2", 7, [7], {"a": 1}])
def test_other_audiences_are_refused(aud, now):
    refused(signer("HS256").sign(claims(now, aud=aud)), spec_of("HS256", audience="shareauth"))


@pytest.mark.parametrize("aud", ["shareauth", ["x", "shareauth"]])
def test_our_audience_is_taken(aud, now):
    assert verified(
        signer("HS256").sign(claims(now, aud=aud)), spec_of("HS256", audience=["shareauth", "y"])
    )


def test_token_for_somebody_is_refused_when_no_audience_is_configured(now):
    refused(signer("HS256").sign(claims(now, aud="shareauth")), spec_of("HS256"))


@pytest.mark.parametrize("crit", [["exp"], ["b64"], [], "exp", ["x"], None])
def test_critical_extensions_are_refused(crit, now):
    made = signer("HS256")
    header = {"alg": "HS256", "typ": "JWT", "crit": crit, "b64": True, "x": 1}
    signing_input = f"{segment(header)}.{segment(claims(now))}"
    signature = hmac.digest(made.private.encode(), signing_input.encode(), "sha256")
    refused(f"{signing_input}.{segment(signature)}", spec_of("HS256"))


@pytest.mark.parametrize("typ", ["logout+jwt", "", 5, ["JWT"], "jwt2"])
def test_other_kinds_of_tokens_are_refused(typ, now):
    made = signer("HS256")
    signing_input = f"{segment({'alg': 'HS256', 'typ': typ})}.{segment(claims(now))}"
    signature = hmac.digest(made.private.encode(), signing_input.encode(), "sha256")
    assert "typ" in refused(f"{signing_input}.{segment(signature)}", spec_of("HS256"))


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "application/at+JWT"])
def test_usual_types_are_taken(typ, now):
    assert verified(signer("HS256").sign(claims(now), typ=typ), spec_of("HS256"))


@pytest.mark.parametrize(
    "kid", ["../../../../dev/null", "' OR '1'='1", "http://evil.example/key", "x" * 200, "\0"]
)
def test_key_id_only_chooses_among_our_keys(kid, now):
    named = {"public_keys": [{"kid": "a", "pem": signer("RS256").pem}]}
    spec = spec_of("RS256", **named)
    refused(signer("RS256").sign(claims(now), kid=kid), spec)
    assert verified(signer("RS256").sign(claims(now), kid="a"), spec)
    assert verified(signer("RS256").sign(claims(now)), spec)


@pytest.mark.parametrize("kid", [5, None, ["a"], {"a": 1}, "x" * 201])
def test_key_id_that_is_no_short_text_is_refused(kid, now):
    made = signer("HS256")
    signing_input = f"{segment({'alg': 'HS256', 'kid': kid})}.{segment(claims(now))}"
    signature = hmac.digest(made.private.encode(), signing_input.encode(), "sha256")
    refused(f"{signing_input}.{segment(signature)}", spec_of("HS256"))


def test_keys_in_the_header_are_not_believed(now):
    attacker = signer("RS256-attacker")
    token = attacker.sign(
        claims(now), jwk=attacker.jwk("a"), jku="http://evil.example/jwks", x5u="http://e.example"
    )
    refused(token, spec_of("RS256"))


@pytest.mark.parametrize("sub", [None, "", 5, ["a"], {"a": 1}, True, 1.5])
def test_subject_must_be_text(sub, now):
    made = signer("HS256")
    payload = claims(now) | {"sub": sub}
    signing_input = f"{segment({'alg': 'HS256'})}.{segment(payload)}"
    signature = hmac.digest(made.private.encode(), signing_input.encode(), "sha256")
    assert "sub" in refused(f"{signing_input}.{segment(signature)}", spec_of("HS256"))


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", ["1", True, [], -1, 1e300, 10**400, float("nan"), float("inf")])
def test_times_must_be_sensible_numbers(name, value, now):
    made = signer("HS256")
    signing_input = f"{segment({'alg': 'HS256'})}.{segment(claims(now) | {name: value})}"
    signature = hmac.digest(made.private.encode(), signing_input.encode(), "sha256")
    assert name in refused(f"{signing_input}.{segment(signature)}", spec_of("HS256"))


def test_huge_tokens_are_refused_before_they_are_read(now):
    token = signer("HS256").sign(claims(now, filler="x" * 9000))
    assert "longer" in refused(token, spec_of("HS256"))
    assert verified(token, spec_of("HS256", token_chars_max=65536))


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "...", "a.b", "a.b.c.d", "é.é.é", "\ud800.a.b", "e30.e30.e30", "W10.W10.W10",
     f"{'W' * 3000}.{'W' * 3000}.W", segment(b"[" * 5000) + ".e30.e30"],
)  # fmt: skip
def test_what_is_no_token_at_all_is_refused(token):
    refused(token, spec_of("HS256"))


def test_missing_exp_is_refused_unless_the_issuer_may_leave_it_out(now):
    token = signer("HS256").sign(claims(now, exp=None))
    assert "exp" in refused(token, spec_of("HS256"))
    lax = spec_of("HS256", require_exp=False)
    assert verified(token, lax).expires_at == now + timedelta(seconds=86400)
    refused(signer("HS256").sign(claims(now, exp=None, iat=None)), lax)
    endless = spec_of("HS256", require_exp=False, max_lifetime_s=None)
    assert verified(token, endless).expires_at is None


def test_genuine_but_expired_is_told_from_not_genuine(now):
    token = signer("HS256").sign(claims(now - timedelta(hours=1)))
    found = verified(token, spec_of("HS256"))
    assert verify.has_expired(found.expires_at, 60, now)
    assert not verify.has_expired(found.expires_at, 3600, now)


def test_expiry_is_at_exp_plus_leeway_exactly(now):
    assert verify.has_expired(now, 0, now)
    assert not verify.has_expired(now, 60, now + timedelta(seconds=59))
    assert verify.has_expired(now, 60, now + timedelta(seconds=60))
    assert not verify.has_expired(None, 0, now)


def times(now, **changed):
    known = {"issued_at": now, "not_before": None, "expires_at": now + timedelta(minutes=10)}
    verify.check_times(spec_of("HS256"), now=now, **(known | changed))


def test_times_within_the_leeway_are_taken(now):
    near = now + timedelta(seconds=60)
    times(now, issued_at=near, not_before=near)


@pytest.mark.parametrize(
    ("name", "offset_s"),
    [("issued_at", 61), ("not_before", 61), ("expires_at", 86401)],
)
def test_future_and_over_long_tokens_are_refused(name, offset_s, now):
    with pytest.raises(TokenRejected):
        times(now, **{name: now + timedelta(seconds=offset_s)})


def test_over_long_token_without_iat_is_judged_from_now(now):
    with pytest.raises(TokenRejected):
        times(now, issued_at=None, expires_at=now + timedelta(seconds=86400 + 61))


def test_claims_are_mapped_as_stated(now):
    spec = spec_of(
        "HS256",
        claims={
            "subject": "user.id",
            "name": "https://portal/name",
            "plan": "plan",
            "link": "links",
            "attributes": {"class": "school.class", "missing": "no.such"},
        },
    )
    token = signer("HS256").sign(
        claims(
            now,
            sub=None,
            user={"id": "u1"},
            school={"class": "7b"},
            plan="gold",
            links=["physics", 5],
            **{"https://portal/name": "Ann"},
        )
    )
    found = verified(token, spec)
    assert (found.subject, found.name, found.plan) == ("u1", "Ann", "gold")
    assert found.links == {"physics"}
    assert found.attributes == {"class": "7b", "missing": None}


@pytest.mark.parametrize("value", [5, {}, True, [5]])
def test_binding_that_makes_no_sense_binds_to_no_link_at_all(value, now):
    spec = spec_of("HS256", claims={"link": "link"})
    assert verified(signer("HS256").sign(claims(now, link=value)), spec).links == frozenset()


def test_either_secret_is_good_while_one_is_rotated(now):
    old, new = signer("HS256"), signer("HS256-new")
    spec = spec_of("HS256", secrets=[old.private, new.private])
    assert verified(old.sign(claims(now)), spec)
    assert verified(new.sign(claims(now)), spec)


def test_peeking_never_raises_and_never_vouches(now):
    assert verify.peek_issuer(signer("HS256").sign(claims(now))) == "portal"
    for junk in ("", "a", "a.b", "a.!!.c", "a.W10.c", segment({}) + ".e30."):
        assert verify.peek_issuer(junk) is None
    assert verify.peek_expiry(signer("HS256").sign(claims(now))) == now + timedelta(minutes=10)
