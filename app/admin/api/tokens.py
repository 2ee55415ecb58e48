"""``/tokens`` and ``/visitor-urls``."""

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.resources import tokens
from app.admin.resources.tokens import (
    NewVisitorUrl,
    Revocation,
    RevokedOut,
    TokenOut,
    TokenPage,
    TokenQuery,
    TokenToCheck,
    TokenToRevoke,
    VerdictOut,
    VisitorUrlOut,
)

section = Section("tokens", "Visitors' tokens")


@section.post("/tokens/check", permission="tokens:check")
def check_token(desk: Desk, body: TokenToCheck) -> VerdictOut:
    """Say why a link would take a token, or not.

    Every rule is one step. Nothing is written: no session is opened, nobody becomes a user, and the
    token is neither stored nor logged.
    """
    return tokens.check(desk, body)


@section.post("/visitor-urls", permission="tokens:mint", status=201)
def create_visitor_url(desk: Desk, body: NewVisitorUrl) -> VisitorUrlOut:
    """Make the URL that opens a link as a visitor.

    Call it when somebody who is signed in with you goes to the chat, and send their browser there.
    The token in the URL is shown this once.
    """
    return tokens.mint(desk, body)


@section.get("/tokens", permission="tokens:mint")
def list_tokens(desk: Desk, query: TokenQuery) -> TokenPage:
    """List minted tokens, the newest first.

    Operators of certain links see those that are bound to one of theirs.
    """
    return tokens.index(desk, query)


@section.post("/tokens/<int:token_id>/revoke", permission="tokens:mint")
def revoke_token(desk: Desk, token_id: int, body: Revocation) -> TokenOut:
    """Take a minted token back.

    Every worker refuses it at once and its sessions end. What was asked with it is still billed.
    """
    return tokens.revoke(desk, token_id, body.reason)


@section.post("/tokens/revoke", permission="tokens:mint")
def revoke_token_text(desk: Desk, body: TokenToRevoke) -> RevokedOut:
    """Take back a token given as text, also one that another issuer signed."""
    return tokens.revoke_text(desk, body)
