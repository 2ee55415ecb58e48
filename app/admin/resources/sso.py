"""Single sign-on: away to the provider, back from it, and out of it."""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

from app.admin.desk import Desk
from app.admin.resources import account
from app.admin.resources.account import FindClient
from app.errors import NotFound, ServiceError
from app.keys import SealBroken
from app.operators import oidc
from app.operators.oidc import Begun, Provider, Rules
from app.operators.signin import SignedIn
from app.telemetry import metrics

FINISH = "/admin/sso/finish"
PROVIDERS_MAX = 4


@lru_cache(maxsize=PROVIDERS_MAX)
def _provider(rules: Rules) -> Provider:
    """One for each process, so that what it publishes is not read for each sign-in."""
    return Provider(rules)


def provider(desk: Desk) -> Provider:
    """Raises: NotFound, when single sign-on is off."""
    said = desk.settings.oidc
    if said.issuer_url is None:
        raise NotFound("single sign-on is off: oidc.issuer_url is not set")
    secret = said.client_secret
    return _provider(
        Rules(
            issuer_url=said.issuer_url,
            client_id=said.client_id,
            client_secret=None if secret is None else secret.get_secret_value(),
            redirect_url=said.redirect_url or desk.settings.public_url + FINISH,
            scopes=tuple(said.scopes),
            groups_claim=said.groups_claim,
            roles=tuple(said.roles.items()),
            default_role=said.default_role,
        )
    )


def begin(desk: Desk, target: str) -> tuple[str, str]:
    """The provider's address, and what the browser keeps meanwhile, sealed.

    ``target`` is where they want to go afterwards. Raises: ProviderAway.
    """
    address, begun = provider(desk).begin(desk.now)
    kept = {
        "state": begun.state,
        "nonce": begun.nonce,
        "verifier": begun.verifier,
        "began_at": begun.began_at.isoformat(),
        "target": target,
    }
    return address, desk.keys.seal(json.dumps(kept).encode())


def finish(
    desk: Desk, client: FindClient, answer: Mapping[str, str], sealed: str | None
) -> tuple[SignedIn, str]:
    """Who came back, signed in, and where they wanted to go.

    Raises: OidcRefused, ProviderAway; Conflict and Forbidden, as ``account.admit``.
    """
    try:
        begun, target = _opened(desk, sealed)
        identity = provider(desk).finish(answer, begun, desk.now)
        signed_in = account.admit(desk, client, identity)
    except ServiceError:
        metrics.SIGN_INS.labels("oidc", "failed").inc()
        raise
    metrics.SIGN_INS.labels("oidc", "ok").inc()
    return signed_in, target


def leave_address(desk: Desk) -> str | None:
    """Where to sign out of the provider; it sends them back to our sign-in page."""
    back = (desk.settings.oidc.redirect_url or desk.settings.public_url + FINISH).removesuffix(
        FINISH
    )
    return provider(desk).leave_address(f"{back}/admin/sign-in", desk.now)


def _opened(desk: Desk, sealed: str | None) -> tuple[Begun | None, str]:
    if not sealed:
        return None, ""
    try:
        kept = json.loads(desk.keys.unseal(sealed))
    except SealBroken:
        return None, ""
    began_at = datetime.fromisoformat(kept["began_at"])
    return oidc.Begun(kept["state"], kept["nonce"], kept["verifier"], began_at), kept["target"]
