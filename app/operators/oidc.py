"""Signing in through an OpenID Connect provider: authorization code with PKCE, state and nonce.

Authlib has the parts of the protocol: the requests, the client's credentials, the challenge and the
rules of an ID token. What it asks of the network goes through ``provider_http``.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from authlib.common.urls import add_params_to_uri
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from app.errors import Forbidden
from app.operators.commands import OidcIdentity
from app.operators.provider_http import ProviderAway, ProviderHttp
from app.operators.roles import ROLES, Role

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""Signatures only the provider can make; never ``none``, never a shared secret."""
CLOCK_SKEW_S = 60
DOCUMENTS_KEPT = timedelta(minutes=10)
BEGUN_KEPT = timedelta(minutes=10)
"""How long somebody may take at the provider."""
SECRET_BYTES = 48
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SUBJECT_CHARS_MAX = 255


class OidcRefused(Forbidden):
    """The provider did not let them in, or what it says cannot be believed."""

    status = 403
    code = "oidc_refused"


class OidcNoRole(OidcRefused):
    """The provider knows them, and they are in no group that has a role here."""

    code = "oidc_no_role"


class OidcStale(OidcRefused):
    """The sign-in was not begun in this browser, or too long ago."""

    code = "oidc_stale"


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say of the provider."""

    issuer_url: str
    client_id: str
    client_secret: str | None
    redirect_url: str
    scopes: tuple[str, ...]
    groups_claim: str
    roles: tuple[tuple[str, Role], ...]
    """Pairs of group and role."""
    default_role: Role | None


@dataclass(frozen=True, slots=True)
class Begun:
    """What is kept in the browser until it comes back."""

    state: str
    nonce: str
    verifier: str
    began_at: datetime


class Provider:
    """One provider, with what it publishes remembered for a while. Safe for threads."""

    def __init__(self, rules: Rules, http: ProviderHttp | None = None) -> None:
        self._rules = rules
        self._http = http or ProviderHttp()
        self._documents: dict[str, tuple[datetime, dict[str, Any]]] = {}

    def begin(self, now: datetime) -> tuple[str, Begun]:
        """The address to send somebody to, and what to keep meanwhile.

        Raises:
            ProviderAway: the provider does not say where that is.
        """
        state, nonce, verifier = (secrets.token_urlsafe(SECRET_BYTES) for _ in range(3))
        begun = Begun(state, nonce, verifier, now)
        address = prepare_grant_uri(
            self._endpoint("authorization_endpoint", now),
            client_id=self._rules.client_id,
            response_type="code",
            redirect_uri=self._rules.redirect_url,
            scope=" ".join(self._rules.scopes),
            state=begun.state,
            nonce=begun.nonce,
            code_challenge=create_s256_code_challenge(begun.verifier),
            code_challenge_method="S256",
        )
        return str(address), begun

    def finish(self, answer: Mapping[str, str], begun: Begun | None, now: datetime) -> OidcIdentity:
        """Who came back with this answer of the provider.

        Raises:
            OidcStale, OidcRefused, OidcNoRole: they are not let in.
            ProviderAway: the provider does not answer.
        """
        if begun is None or begun.began_at + BEGUN_KEPT <= now:
            raise OidcStale("the sign-in was begun too long ago, or in another browser")
        if not secrets.compare_digest(answer.get("state", "").encode(), begun.state.encode()):
            raise OidcStale("the answer belongs to another sign-in")
        metadata = self._metadata(now)
        if "iss" in answer and answer["iss"] != metadata["issuer"]:
            raise OidcRefused("the answer comes from another provider")
        if "error" in answer:
            said = answer.get("error_description") or answer["error"]
            raise OidcRefused(f"the provider says: {said[:300]}")
        tokens = self._exchange(answer.get("code", ""), begun, now)
        claims = self._claims(tokens, begun, now)
        return self._identity(self._with_groups(claims, tokens, now))

    def leave_address(self, back: str, now: datetime) -> str | None:
        """Where to end the session at the provider, too; None when it has no such place."""
        endpoint = self._metadata(now).get("end_session_endpoint")
        if not isinstance(endpoint, str):
            return None
        said = [("client_id", self._rules.client_id), ("post_logout_redirect_uri", back)]
        return str(add_params_to_uri(endpoint, said))

    def _exchange(self, code: str, begun: Begun, now: datetime) -> dict[str, Any]:
        if not code:
            raise OidcRefused("the provider sent neither a code nor an error")
        body = prepare_token_request(
            "authorization_code",
            code=code,
            redirect_uri=self._rules.redirect_url,
            code_verifier=begun.verifier,
        )
        endpoint = self._endpoint("token_endpoint", now)
        url, headers, body = self._credentials(now).prepare("POST", endpoint, dict(FORM), body)
        answer = self._http.post(url, headers=headers, body=body)
        if answer.status != 200:  # noqa: PLR2004 - HTTP's own number
            said = answer.document.get("error_description") or answer.document.get("error")
            raise OidcRefused(f"the provider takes the code back: {str(said)[:300]}")
        return answer.document

    def _credentials(self, now: datetime) -> ClientAuth:
        rules = self._rules
        if rules.client_secret is None:
            return ClientAuth(rules.client_id, None, "none")
        offered = self._metadata(now).get("token_endpoint_auth_methods_supported")
        is_basic = offered is None or "client_secret_basic" in offered
        method = "client_secret_basic" if is_basic else "client_secret_post"
        return ClientAuth(rules.client_id, rules.client_secret, method)

    def _claims(self, tokens: dict[str, Any], begun: Begun, now: datetime) -> dict[str, Any]:
        """What the ID token says, once it is proven to be the provider's, for us, and of now."""
        issuer = self._metadata(now)["issuer"]
        token = self._decoded(str(tokens.get("id_token", "")), now)
        claims = CodeIDToken(
            token.claims,
            token.header,
            {
                "iss": {"essential": True, "value": issuer},
                "aud": {"essential": True, "value": self._rules.client_id},
            },
            {
                "nonce": begun.nonce,
                "client_id": self._rules.client_id,
                "access_token": tokens.get("access_token"),
            },
        )
        try:
            claims.validate(int(now.timestamp()), CLOCK_SKEW_S)
        except (JoseError, TypeError, ValueError) as error:
            raise OidcRefused(f"the provider's ID token is not acceptable: {error}") from error
        return dict(claims)

    def _decoded(self, id_token: str, now: datetime) -> jwt.Token:
        """With the keys at hand, or with fresh ones: the provider may have changed them."""
        address = self._endpoint("jwks_uri", now)
        try:
            return _verified(id_token, self._document(address, now))
        except (JoseError, ValueError, TypeError):
            self._documents.pop(address, None)
        try:
            return _verified(id_token, self._document(address, now))
        except (JoseError, ValueError, TypeError) as error:
            raise OidcRefused(f"the provider's ID token is not genuine: {error}") from error

    def _with_groups(
        self, claims: dict[str, Any], tokens: dict[str, Any], now: datetime
    ) -> dict[str, Any]:
        """Some providers tell groups only when they are asked for what they know of somebody."""
        endpoint = self._metadata(now).get("userinfo_endpoint")
        access_token = tokens.get("access_token")
        has_groups = _found(claims, self._rules.groups_claim) is not None
        if has_groups or not isinstance(endpoint, str) or not isinstance(access_token, str):
            return claims
        known = self._http.get(self._checked(endpoint), bearer=access_token)
        if known.get("sub") != claims["sub"]:
            raise OidcRefused("the provider speaks of somebody else")
        return {**known, **claims}

    def _identity(self, claims: dict[str, Any]) -> OidcIdentity:
        subject = str(claims["sub"])
        if len(subject) > SUBJECT_CHARS_MAX or "\0" in subject:
            raise OidcRefused("the provider's name for this person is too long")
        email = _text(claims.get("email"), 254)
        is_verified = claims.get("email_verified", True) is not False
        return OidcIdentity(
            issuer=str(claims["iss"]),
            subject=subject,
            name=_text(claims.get("preferred_username"), 80) or email or subject,
            display_name=_text(claims.get("name"), 200),
            email=email if is_verified and email and "@" in email else None,
            role=self._role(claims),
        )

    def _role(self, claims: dict[str, Any]) -> str:
        found = _found(claims, self._rules.groups_claim)
        groups = {found} if isinstance(found, str) else set(map(str, found or ()))
        held = {role for group, role in self._rules.roles if group in groups}
        role = next((role for role in ROLES if role in held), self._rules.default_role)
        if role is None:
            raise OidcNoRole("they are in no group that has a role here")
        return role

    def _metadata(self, now: datetime) -> dict[str, Any]:
        url = self._rules.issuer_url.rstrip("/")
        metadata = self._document(f"{url}/.well-known/openid-configuration", now)
        # A provider that speaks for another could have anybody's tokens accepted.
        if str(metadata.get("issuer", "")).rstrip("/") != url:
            raise ProviderAway(f"{url} says that it is {metadata.get('issuer')!r}")
        return metadata

    def _endpoint(self, name: str, now: datetime) -> str:
        endpoint = self._metadata(now).get(name)
        if not isinstance(endpoint, str):
            raise ProviderAway(f"the provider names no {name}")
        return self._checked(endpoint)

    def _checked(self, endpoint: str) -> str:
        """Whoever begins with TLS stays with it."""
        wanted = urlsplit(self._rules.issuer_url).scheme
        if urlsplit(endpoint).scheme not in {wanted, "https"}:
            raise ProviderAway(f"the provider's address {endpoint} is not {wanted}")
        return endpoint

    def _document(self, url: str, now: datetime) -> dict[str, Any]:
        kept = self._documents.get(url)
        if kept is not None and now < kept[0] + DOCUMENTS_KEPT:
            return kept[1]
        document = self._http.get(url)
        self._documents[url] = (now, document)
        return document


def _verified(id_token: str, key_set: dict[str, Any]) -> jwt.Token:
    keys = KeySet.import_key_set(key_set)  # type: ignore[arg-type]
    return jwt.decode(id_token, keys, algorithms=ALGORITHMS)


def _found(claims: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - whatever is there
    """The claim of this name, which may be an address with dots or lead into objects."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value if isinstance(value, str | list) else None


def _text(value: object, chars_max: int) -> str | None:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        return None
    return value.strip()[:chars_max]
