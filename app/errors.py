"""The six families of errors; domains subclass them, surfaces render them.

``code`` is machine-readable and stable, ``message`` is one English sentence for operators that
says what to do next, ``params`` fills the visitor's translated sentence (``i18n``).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    """Whom an error concerns, as far as it was known when it was raised."""

    user_id: int | None
    """None for somebody who has no row."""
    uid: str
    issuer: str
    subject: str | None
    """None where the subject itself opens links: a guest's id, a chat platform's."""


class ServiceError(Exception):
    """Anything the service says no to, or cannot do."""

    status = 500
    code = "internal_error"
    locale: str | None = None
    """The language of whoever is told, where it is known better than by the link."""
    person: Person | None = None
    """Who was being answered, for operators; FastGPT is never told."""

    def __init__(self, message: str, *, code: str | None = None, **params: object) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.params = params


class Invalid(ServiceError):
    """The input breaks a rule."""

    status = 422
    code = "invalid"


class Denied(ServiceError):
    """The visitor may not, now or ever.

    ``retry_after_s`` is the whole number of seconds after which the same request may succeed,
    or None when waiting does not help.
    """

    status = 403
    code = "denied"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        retry_after_s: int | None = None,
        **params: object,
    ) -> None:
        super().__init__(message, code=code, **params)
        self.retry_after_s = retry_after_s


class Forbidden(ServiceError):
    """Whoever administers the service may not: an operator, or a program with a token of theirs.

    ``retry_after_s`` as for ``Denied``. No visitor is ever told of it.
    """

    status = 403
    code = "not_allowed"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        retry_after_s: int | None = None,
        **params: object,
    ) -> None:
        super().__init__(message, code=code, **params)
        self.retry_after_s = retry_after_s


class NotFound(ServiceError):
    """No such thing."""

    status = 404
    code = "not_found"


class Conflict(ServiceError):
    """It clashes with what is already there."""

    status = 409
    code = "conflict"


class Unavailable(ServiceError):
    """Something this service needs is away; the same request may succeed later."""

    status = 503
    code = "unavailable"
