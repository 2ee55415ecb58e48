"""``/sign-in`` and ``/sign-out``."""

from app.admin.access import CREDENTIALS
from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.resources import signin
from app.admin.resources.signin import BearerOut, Credentials
from app.operators.roles import SELF

section = Section("signin", "Signing in")


@section.post("/sign-in", permission=CREDENTIALS, status=201)
def sign_in(desk: Desk, body: Credentials) -> BearerOut:
    """Sign in as an operator, for scripts.

    Gives a bearer token that may do what the operator may, for 12 hours at most. Wrong passwords
    and codes are counted as on the page. Programs that run by themselves should have an API token
    with the scopes they need instead.
    """
    return signin.sign_in(desk, body)


@section.endpoint("POST", "/sign-out", permission=SELF, status=204)
def sign_out(desk: Desk) -> None:
    """End the token that this call came with."""
    signin.sign_out(desk)
