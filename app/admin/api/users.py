"""``/users``: who they are, their access, and their erasure."""

from typing import cast

from flask import Response

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.paging import PageQuery
from app.admin.resources import user_access, users
from app.admin.resources.user_access import (
    AnswerPage,
    ErasedOut,
    ErasureBody,
    PersonalDataOut,
    SessionPage,
    TokenPage,
)
from app.admin.resources.users import (
    ChangedUser,
    NewUser,
    UserOut,
    UserPage,
    UserQuery,
    WithReason,
)

section = Section("users", "Users")


@section.get("/users", permission="users:read")
def list_users(desk: Desk, query: UserQuery) -> UserPage:
    """List users, newest first.

    `subject` with `issuer` finds the one user that a backend knows by its own name for them.
    """
    return users.index(desk, query)


@section.post("/users", permission="users:write", status=201, versioned=True)
def create_user(desk: Desk, body: NewUser) -> UserOut:
    """Add a user before they were ever seen, to give them credit or a plan."""
    return users.create(desk, body)


@section.get("/users/<int:user_id>", permission="users:read", versioned=True)
def get_user(desk: Desk, user_id: int) -> UserOut:
    """Show one user."""
    return users.show(desk, user_id)


@section.patch("/users/<int:user_id>", permission="users:write", versioned=True)
def update_user(desk: Desk, user_id: int, body: ChangedUser) -> UserOut:
    """Change a user.

    Only what is given changes. What the issuer's tokens say of name and locale wins when the user
    comes next.
    """
    return users.update(desk, user_id, body)


@section.post("/users/<int:user_id>/suspension", permission="users:write")
def suspend_user(desk: Desk, user_id: int, body: WithReason) -> UserOut:
    """Refuse a user on every link, at once.

    What they had asked already is still billed.
    """
    return users.set_suspended(desk, user_id, body.reason, suspended=True)


@section.post("/users/<int:user_id>/activation", permission="users:write")
def activate_user(desk: Desk, user_id: int, body: WithReason) -> UserOut:
    """Admit a suspended user again."""
    return users.set_suspended(desk, user_id, body.reason, suspended=False)


@section.post("/users/<int:user_id>/revocation", permission="users:write")
def revoke_user_access(desk: Desk, user_id: int, body: WithReason) -> UserOut:
    """End every session of a user, and refuse every token issued until now.

    A token that does not say when it was issued is refused for good.
    """
    return users.revoke_access(desk, user_id, body.reason)


@section.get("/users/<int:user_id>/sessions", permission="users:read")
def list_user_sessions(desk: Desk, user_id: int, query: PageQuery) -> SessionPage:
    """List the links a user opened, newest first."""
    return user_access.sessions(desk, user_id, query)


@section.delete("/users/<int:user_id>/sessions/<int:session_id>", permission="users:write")
def end_user_session(desk: Desk, user_id: int, session_id: int) -> None:
    """End one session.

    It carries the visitor no further than their token: one that is still valid goes on until it
    expires or is revoked.
    """
    user_access.end_session(desk, user_id, session_id)


@section.get("/users/<int:user_id>/tokens", permission="users:read")
def list_user_tokens(desk: Desk, user_id: int, query: PageQuery) -> TokenPage:
    """List the tokens that were minted for a user, newest first."""
    return user_access.tokens(desk, user_id, query)


@section.delete("/users/<int:user_id>/tokens/<int:token_id>", permission="users:write")
def revoke_user_token(desk: Desk, user_id: int, token_id: int) -> None:
    """Take a minted token back and end its sessions."""
    user_access.revoke_token(desk, user_id, token_id)


@section.get("/users/<int:user_id>/answers", permission="usage:read")
def list_user_answers(desk: Desk, user_id: int, query: PageQuery) -> AnswerPage:
    """List what a user asked, in numbers, newest first."""
    desk.check_whole_house()
    return user_access.answers(desk, user_id, query)


@section.post("/users/<int:user_id>/erasure", permission="users:erase")
def erase_user(desk: Desk, user_id: int, body: ErasureBody) -> ErasedOut:
    """Make the person unknown for good.

    Name, locale, attributes and subject go, their sessions and minted tokens are deleted, and the
    user is suspended. Number, uid, wallet and usage stay, so that the books go on adding up. It
    cannot be undone; refused while answers are on their way (`questions_open`).
    """
    return user_access.erase(desk, user_id, body)


@section.get("/users/<int:user_id>/personal-data", permission="users:read")
def get_personal_data(desk: Desk, user_id: int) -> PersonalDataOut:
    """Everything the service keeps about one person, for access requests.

    However much it is, it comes as one document. Needs `wallets:read` and `usage:read` too.
    """
    desk.check_permissions("wallets:read", "usage:read")
    written = Response(user_access.written_data(desk, user_id), content_type="application/json")
    return cast("PersonalDataOut", written)  # written piece by piece, never held as a whole
