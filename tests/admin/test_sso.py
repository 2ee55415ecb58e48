"""Single sign-on against a provider that speaks the real protocol over a real socket."""

import re
import uuid

import pytest
from app.admin.resources import sso
from app.operators import store
from app.operators.models import Operator
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import select

from admin_builders import Browser, House, text_of
from fakes.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider

FINISH = "https://auth.example/admin/sso/finish"


@pytest.fixture(scope="module")
def provider():
    with OidcProvider() as fake:
        yield fake


@pytest.fixture(scope="module")
def house(tmp_path_factory, sqlite_template, valkey_url, provider):
    made = House(
        tmp_path_factory.mktemp("house"),
        sqlite_template,
        valkey_url,
        f"h{uuid.uuid4().hex[:12]}",
        oidc={
            "issuer_url": provider.issuer,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "label": "Corp sign-on",
            "roles": {"owners": "owner", "staff": "viewer"},
        },
    )
    made.add_operator("owner", name="root")  # there is an owner whatever the provider says
    yield made
    made.close()


@pytest.fixture(autouse=True)
def honest(provider):
    yield
    provider.spoil.clear()
    provider.error = provider.forwards_issuer = None
    provider.groups_in_userinfo = False
    provider.signing_key = provider.key


def begun(house) -> tuple[Browser, str]:
    browser = house.stranger()
    assert "Corp sign-on" in browser.get("/admin/sign-in")
    response = browser.client.get("/admin/sso/begin?next=/admin/plans/")
    assert response.status_code == 302
    return browser, response.location


def came_back(house, provider, user, *, spoiled=None):
    """The browser and the answer to its coming back from the provider as ``user``."""
    browser, address = begun(house)
    back = provider.answer_for(address, user)
    assert back.startswith(FINISH)
    path = (spoiled(back) if spoiled else back).removeprefix("https://auth.example")
    return browser, browser.client.get(path)


def operator(house, name):
    with house.db.read() as session:
        return store.find_by_name(session, name)


def test_somebody_the_provider_knows_is_signed_in_and_made_an_operator(house, provider):
    browser, response = came_back(house, provider, "1-anna")
    assert response.status_code == 302
    assert response.location == "/admin/plans/"
    assert len(provider.verifiers[-1]) >= 43
    browser.get("/admin/account")
    assert "Anna Owner" in browser.text()
    made = operator(house, "anna")
    assert (made.role, made.email, made.password_hash) == ("owner", "anna@corp.example", None)
    assert made.oidc_issuer == provider.issuer


def test_the_role_follows_the_groups_at_each_sign_in(house, provider):
    browser, _ = came_back(house, provider, "2-ben")
    browser.get("/admin/operators/", status=403)
    provider.people["2-ben"]["groups"] = ["owners"]
    came_back(house, provider, "2-ben")
    browser.get("/admin/operators/")  # the older session has the new role as well
    provider.people["2-ben"]["groups"] = ["staff"]
    provider.groups_in_userinfo = True
    came_back(house, provider, "2-ben")
    browser.get("/admin/operators/", status=403)


def test_who_is_in_no_group_is_told_so(house, provider):
    _, response = came_back(house, provider, "3-eve")
    assert response.status_code == 403
    assert "in no group that may use this console" in text_of(response)
    assert operator(house, "eve") is None


def test_a_disabled_operator_stays_out(house, provider):
    provider.people["4-dan"] = {"preferred_username": "dan", "name": "Dan", "groups": ["staff"]}
    came_back(house, provider, "4-dan")
    with house.db.begin() as session:
        session.scalar(select(Operator).where(Operator.name == "dan")).status = "disabled"
    _, response = came_back(house, provider, "4-dan")
    assert response.status_code == 403
    assert "This operator is disabled" in text_of(response)


def test_a_name_that_is_taken_is_not_taken_over(house, provider):
    provider.people["5-root"] = {"preferred_username": "Root", "name": "R", "groups": ["owners"]}
    _, response = came_back(house, provider, "5-root")
    assert response.status_code == 409
    assert operator(house, "root").oidc_subject is None


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another-client"},
        {"aud": [CLIENT_ID, "another-client"]},
        {"iss": "https://evil.example"},
        {"exp": 1_600_000_000},
        {"iat": 4_000_000_000},
        {"sub": None},
    ],
    ids=lambda claims: next(iter(claims.items())),
)
def test_an_id_token_that_is_not_for_this_sign_in_is_refused(house, provider, claims):
    provider.spoil.update(claims)
    browser, response = came_back(house, provider, "1-anna")
    assert response.status_code == 403
    assert "cannot be trusted" in text_of(response)
    assert browser.client.get("/admin/account").status_code == 302


def test_an_id_token_signed_by_somebody_else_is_refused(house, provider):
    provider.signing_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    _, response = came_back(house, provider, "1-anna")
    assert response.status_code == 403


def test_an_answer_to_another_sign_in_is_refused(house, provider):
    def with_another_state(url):
        return re.sub("state=[^&]+", "state=another", url)

    _, response = came_back(house, provider, "1-anna", spoiled=with_another_state)
    assert "Begin again" in text_of(response)

    def from_another_provider(url):
        return re.sub("iss=[^&]+", "iss=https://evil.example", url)

    _, response = came_back(house, provider, "1-anna", spoiled=from_another_provider)
    assert response.status_code == 403
    _, address = begun(house)
    stolen = provider.answer_for(address, "1-anna").removeprefix("https://auth.example")
    other = house.stranger().client.get(stolen)
    assert other.status_code == 403
    assert "Begin again" in text_of(other)


def test_an_answer_counts_once(house, provider):
    browser, address = begun(house)
    path = provider.answer_for(address, "1-anna").removeprefix("https://auth.example")
    assert browser.client.get(path).status_code == 302
    assert browser.client.get(path).status_code == 403


def test_a_code_without_its_verifier_is_of_no_use(house, provider):
    """A code that was caught elsewhere is put into one's own sign-in."""
    _, victims = begun(house)
    caught = provider.answer_for(victims, "1-anna").split("code=")[1].split("&")[0]

    def with_caught_code(url):
        return url.replace(url.split("code=")[1].split("&")[0], caught)

    _, response = came_back(house, provider, "2-ben", spoiled=with_caught_code)
    assert response.status_code == 403


def test_what_the_provider_refuses_is_told_in_plain_words(house, provider):
    provider.error = "access_denied"
    _, response = came_back(house, provider, "1-anna")
    assert response.status_code == 403
    assert "did not let you in" in text_of(response)


def test_signing_out_offers_to_leave_the_provider_too(house, provider):
    browser, _ = came_back(house, provider, "1-anna")
    browser.get("/admin/account")
    page = browser.post("/admin/sign-out")
    assert "/admin/sso/leave" in page
    left = browser.client.get("/admin/sso/leave")
    assert left.location.startswith(f"{provider.issuer}/logout?client_id={CLIENT_ID}")


def test_a_provider_that_is_away_or_another_is_told_on_the_sign_in_page(house, provider):
    sso._provider.cache_clear()  # what it publishes is remembered for a while
    provider.forwards_issuer = "https://evil.example"
    response = house.stranger().client.get("/admin/sso/begin")
    assert response.status_code == 503
    assert "does not answer" in text_of(response)
    sso._provider.cache_clear()
