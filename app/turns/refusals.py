"""Why a visitor may not come in; what is wrong with a token itself is in ``tokens.refusals``."""

from app.errors import Denied


class LinkUnknown(Denied):
    """No link has this key; whoever calls is not FastGPT, or the address in it is wrong."""

    code = "link_unknown"


class LinkDisabled(Denied):
    code = "link_disabled"


class GuestsRefused(Denied):
    """The link was opened without a token and takes no guests."""

    code = "guests_refused"


class UserUnknown(Denied):
    """The issuer's word is good but it may not introduce new people."""

    code = "user_unknown"


class UserSuspended(Denied):
    code = "user_suspended"
