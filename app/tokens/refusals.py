"""What may be wrong with the token a visitor brings."""

from app.errors import Denied


class TokenMissing(Denied):
    """The link was opened without any identity."""

    code = "token_missing"


class TokenRejected(Denied):
    """Not a token of an issuer we know, or not one the issuer made for us."""

    code = "token_rejected"


class TokenExpired(Denied):
    """Genuine, but its time is over and no session carries the visitor on."""

    code = "token_expired"


class TokenRevoked(Denied):
    """Genuine, but taken back: the token itself, or all that the user had."""

    code = "token_revoked"


class TokenWrongLink(Denied):
    """Made for another link, or by an issuer whose tokens do not open this one."""

    code = "token_wrong_link"
