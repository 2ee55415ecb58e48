"""``/operators``, ``/operator-sessions``, ``/roles`` and ``/me``."""

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.resources import operators
from app.admin.resources.operators import (
    MeOut,
    NeededReason,
    NewOperator,
    NewPassword,
    OperatorOut,
    OperatorPage,
    OperatorQuery,
    Reason,
    RolesOut,
    SessionPage,
    SessionQuery,
)
from app.operators.commands import OperatorChange, OperatorSpec
from app.operators.roles import SELF

section = Section("operators", "Operators")


@section.get("/me", permission=SELF)
def show_me(desk: Desk) -> MeOut:
    """Say who you are and what you may do."""
    return operators.me(desk)


@section.get("/roles", permission=SELF)
def list_roles(desk: Desk) -> RolesOut:
    """List roles and permissions."""
    del desk
    return operators.roles()


@section.get("/operators", permission="operators:read")
def list_operators(desk: Desk, query: OperatorQuery) -> OperatorPage:
    """List operators, by name."""
    return operators.index(desk, query)


@section.post("/operators", permission="operators:write", status=201, versioned=True)
def create_operator(desk: Desk, body: OperatorSpec) -> NewOperator:
    """Add an operator with a random password."""
    return operators.create(desk, body)


@section.get("/operators/<name>", permission="operators:read", versioned=True)
def get_operator(desk: Desk, name: str) -> OperatorOut:
    """Show one operator."""
    return operators.show(desk, name)


@section.patch("/operators/<name>", permission="operators:write", versioned=True)
def update_operator(desk: Desk, name: str, body: OperatorChange) -> OperatorOut:
    """Change role, links or profile.

    Only what is given changes. It holds from their next request on.
    """
    return operators.update(desk, name, body)


@section.post("/operators/<name>/disable", permission="operators:write", versioned=True)
def disable_operator(desk: Desk, name: str, body: Reason) -> OperatorOut:
    """Disable an operator.

    Ends their sessions and stops their API tokens, at once. Nothing they did is lost.
    """
    return operators.set_enabled(desk, name, body.reason, enabled=False)


@section.post("/operators/<name>/enable", permission="operators:write", versioned=True)
def enable_operator(desk: Desk, name: str, body: Reason) -> OperatorOut:
    """Let a disabled operator sign in again.

    Their API tokens that were not revoked work again, too.
    """
    return operators.set_enabled(desk, name, body.reason, enabled=True)


@section.post("/operators/<name>/reset-password", permission="operators:write")
def reset_operator_password(desk: Desk, name: str) -> NewPassword:
    """Give an operator a new random password.

    Their sessions end; their API tokens go on.
    """
    return operators.reset_password(desk, name)


@section.post("/operators/<name>/remove-second-factor", permission="operators:write")
def remove_operator_second_factor(desk: Desk, name: str, body: NeededReason) -> OperatorOut:
    """Switch off the second factor of somebody who lost theirs."""
    return operators.remove_second_factor(desk, name, body.reason)


@section.get("/operator-sessions", permission="operators:read")
def list_operator_sessions(desk: Desk, query: SessionQuery) -> SessionPage:
    """List where operators are signed in, the newest first."""
    return operators.sessions(desk, query)


@section.delete("/operator-sessions/<int:session_id>", permission="operators:write")
def end_operator_session(desk: Desk, session_id: int) -> None:
    """Sign an operator out of one browser."""
    operators.end_session(desk, session_id)
