"""``/api-tokens``."""

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.resources import programs
from app.admin.resources.programs import ApiTokenPage, ApiTokenQuery, NewApiToken
from app.operators.api_tokens import ApiTokenSpec
from app.operators.roles import SELF

section = Section("programs", "API tokens")


@section.get("/api-tokens", permission=SELF)
def list_api_tokens(desk: Desk, query: ApiTokenQuery) -> ApiTokenPage:
    """List API tokens, the newest first.

    Everybody's with `operators:read`, else your own.
    """
    return programs.index(desk, query)


@section.post("/api-tokens", permission=SELF, status=201)
def create_api_token(desk: Desk, body: ApiTokenSpec) -> NewApiToken:
    """Make an API token of your own.

    It may at most what you may; made with a token, at most what that token may.
    """
    return programs.create(desk, body)


@section.delete("/api-tokens/<int:token_id>", permission=SELF)
def revoke_api_token(desk: Desk, token_id: int) -> None:
    """Stop an API token, at once and for good.

    Your own; anybody's with `operators:write`. A token revokes no other without it.
    """
    programs.revoke(desk, token_id)
