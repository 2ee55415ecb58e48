"""Issuers and visitors' tokens in the console."""

import re
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SECRET = "a shared secret of more than 32 bytes"
SHARE_URL = "https://fastgpt.example/chat/share?shareId=tokens"


@pytest.fixture(scope="module")
def owner(house):
    return house.browser("owner")


@pytest.fixture(scope="module")
def link(house):
    return house.program("links:write").post("/links", {"name": "desk", "share_url": SHARE_URL})


@pytest.fixture(scope="module")
def portal(owner):
    owner.get("/admin/issuers/new/secret")
    form = {"algorithm": "HS256", "require_exp": "on", "creates_users": "on"}
    owner.post("/admin/issuers/new/secret", name="portal", secrets=SECRET, **form)
    return "portal"


def signed(**claims):
    now = datetime.now(UTC)
    body = {"iss": "portal", "sub": "alice", "iat": now, "exp": now + timedelta(minutes=5)}
    return jwt.encode({**body, **claims}, SECRET, algorithm="HS256")


def judge(browser, link, token):
    """What the page says of a token, which it never repeats."""
    browser.get("/admin/tokens/check")
    page = browser.post("/admin/tokens/check", link_id=link["id"], token=token)
    assert token not in page
    return browser.text()


def test_a_secret_is_never_shown_and_stays_when_left_empty(owner, portal):
    page = owner.get("/admin/issuers/portal")
    assert SECRET not in page
    assert "It has 1 now" in owner.text()
    version = re.search(r'name="version" value="([^"]+)"', page)[1]
    page = owner.post(
        "/admin/issuers/portal",
        version=version,
        algorithm="HS256",
        audience="shop\nforum",
        creates_users="on",
        require_exp="on",
        **{"claim.subject": "sub", "claim.plan": "tier"},
    )
    assert "shop\nforum" in page
    assert 'value="tier"' in page
    assert "It has 1 now" in owner.text()
    owner.post("/admin/issuers/portal", 412, version=version, algorithm="HS256")
    version = re.search(r'name="version" value="([^"]+)"', owner.get("/admin/issuers/portal"))[1]
    owner.post("/admin/issuers/portal", version=version, algorithm="HS256", creates_users="on")


def test_a_refused_form_keeps_all_but_the_secret(owner):
    owner.get("/admin/issuers/new/secret")
    page = owner.post(
        "/admin/issuers/new/secret", 422, name="short", secrets="too short", algorithm="HS512"
    )
    assert "at least 32 bytes" in owner.text()
    assert 'value="short"' in page
    assert "too short" not in page
    assert re.search(r'value="HS512"[^>]* checked', page)


def test_each_way_of_proof_has_its_form(owner):
    pem = (
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
    owner.get("/admin/issuers/new")
    owner.get("/admin/issuers/new/public-key")
    owner.post("/admin/issuers/new/public-key", name="keyed", public_keys=pem, algorithm="ES256")
    assert "BEGIN PUBLIC KEY" in owner.text()
    owner.get("/admin/issuers/new/jwks")
    owner.post(
        "/admin/issuers/new/jwks",
        name="idp",
        jwks_url="https://idp.example/jwks",
        algorithm="RS256",
    )
    owner.get("/admin/issuers/new/channel")
    page = owner.post("/admin/issuers/new/channel", name="wecom", pattern="wx[0-9]+")
    assert 'value="wx[0-9]+"' in page
    owner.get("/admin/issuers/new/carrier-pigeon", 404)
    owner.post("/admin/issuers/new/public-key", 422, name="x", public_keys="{", algorithm="ES256")
    assert "neither PEM nor JSON" in owner.text()
    listed = owner.get("/admin/issuers/")
    assert all(name in listed for name in ("keyed", "idp", "wecom", "local", "guest"))


def test_built_in_issuers_are_shown_and_not_changed(house, owner):
    owner.get("/admin/issuers/local")
    assert "built in" in owner.text()
    owner.post("/admin/issuers/local", 422)
    viewer = house.browser("viewer")
    viewer.get("/admin/issuers/guest")
    viewer.get("/admin/issuers/new", 403)


def test_a_pasted_token_is_judged_and_not_repeated(house, owner, portal, link):
    support = house.browser("support")
    assert "desk would let this token in." in judge(support, link, signed())
    assert "would be new" in support.text()
    expired = signed(exp=datetime.now(UTC) - timedelta(hours=1))
    assert "The token has expired" in judge(support, link, expired)
    assert "iss says 'elsewhere'" in judge(support, link, signed(iss="elsewhere"))
    forged = jwt.encode({"iss": "portal", "sub": "alice"}, "x" * 40, algorithm="HS256")
    assert "The token is not genuine" in judge(support, link, forged)

    owner.get("/admin/issuers/portal")
    owner.post("/admin/issuers/portal/disable")
    assert "is switched off" in judge(support, link, signed())
    owner.post("/admin/issuers/portal/enable")
    house.browser("viewer").get("/admin/tokens/check", 403)


def test_a_visitor_url_is_made_listed_and_taken_back(house, owner, link):
    owner.get("/admin/tokens/new")
    form = {"link_id": link["id"], "issuer": "local", "ttl_s": "600"}
    owner.post("/admin/tokens/new", 404, subject="bob", **form)
    page = owner.post("/admin/tokens/new", subject="bob", create_user="on", label="kiosk", **form)
    token = re.search(r"authToken=(sat_[\w-]+)", page)[1]
    assert "would let this token in" in judge(owner, link, token)
    page = owner.get("/admin/tokens/?subject=bob")
    assert "kiosk" in page
    assert token not in page
    token_id = re.search(r"/admin/tokens/(\d+)/revoke", page)[1]
    owner.post(f"/admin/tokens/{token_id}/revoke")
    assert "taken back" in owner.text()
    assert "The token was taken back." in judge(owner, link, token)
    assert "No token matches" in house.browser("owner", locale="en").get(
        "/admin/tokens/?subject=nobody"
    )


def test_a_token_of_another_issuer_is_taken_back_as_text(owner, portal, link):
    token = signed(sub="carol")
    owner.get("/admin/tokens/")
    owner.post("/admin/tokens/revoke", token=token, reason="laptop lost")
    assert "The token was taken back." in judge(owner, link, token)
