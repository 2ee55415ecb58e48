"""Takes a JWT's word, or does not. The only place where tokens are decoded.

The issuer says which algorithms, keys, audience and lifetime are good; the token's header only
chooses among them. Times are compared with the caller's ``now``, not with the library's clock.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from app.tokens.issuers import IssuerSpec
from app.tokens.keyring import VerificationKey
from app.tokens.refusals import TokenRejected

FindKeys = Callable[[str | None], Sequence[VerificationKey]]
"""The keys for a token that names this key id, or none."""

KEY_ID_CHARS_MAX = 200
KEYS_TRIED_MAX = 8
_SECOND_MAX = 253402300799  # the last second of the year 9999

_SIGNATURE_ONLY: Any = {
    "verify_signature": True,
    "enforce_minimum_key_length": True,
    **{
        f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")
    },  # all of these are verified below
}


@dataclass(frozen=True, slots=True)
class Claims:
    """What a genuine token says, in our words."""

    subject: str
    """As the issuer writes it."""
    issued_at: datetime | None
    not_before: datetime | None
    expires_at: datetime | None
    links: frozenset[str] | None
    """Names or share ids of the links it is bound to; None when it is not bound."""
    name: object
    locale: object
    plan: str | None
    attributes: Mapping[str, object]


def peek_issuer(token: str) -> str | None:
    """What ``iss`` of an unverified token says: good for choosing whose keys to try, no more."""
    claim = _peek(token).get("iss")
    return claim if isinstance(claim, str) else None


def peek_expiry(token: str) -> datetime | None:
    """What ``exp`` of an unverified token says."""
    try:
        return _time(_peek(token), "exp")
    except TokenRejected:
        return None


def verify(token: str, spec: IssuerSpec, find_keys: FindKeys) -> Claims:
    """What the token says, once it is certain that this issuer said it, to us.

    Says nothing about time: a genuine token that has expired is returned like any other (see
    ``has_expired`` and ``check_times``).

    Raises:
        TokenRejected: not genuine, or not for us. The message, for operators, says why.
        Unavailable: from ``find_keys``.
    """
    if len(token) > spec.token_chars_max:
        raise TokenRejected(f"the token is longer than {spec.token_chars_max} characters")
    header = _header(token, spec)
    payload = _payload(token, header, spec, find_keys)
    if payload.get("iss") != spec.expected_issuer:
        raise TokenRejected("iss is not this issuer's")
    _check_audience(payload.get("aud"), spec)
    return _claims(payload, spec)


def has_expired(expires_at: datetime | None, leeway_s: int, now: datetime) -> bool:
    return expires_at is not None and now >= expires_at + timedelta(seconds=leeway_s)


def check_times(
    spec: IssuerSpec,
    *,
    issued_at: datetime | None,
    not_before: datetime | None,
    expires_at: datetime | None,
    now: datetime,
) -> None:
    """Refuse a token that is not valid yet, or would be valid longer than its issuer may say.

    Raises:
        TokenRejected: says which.
    """
    leeway = timedelta(seconds=spec.leeway_s)
    if not_before is not None and now < not_before - leeway:
        raise TokenRejected("nbf: the token is not valid yet")
    if issued_at is not None and now < issued_at - leeway:
        raise TokenRejected("iat: the token was issued in the future")
    if expires_at is None or spec.max_lifetime_s is None:
        return
    longest = timedelta(seconds=spec.max_lifetime_s)
    if issued_at is not None and expires_at - issued_at > longest:
        raise TokenRejected(f"the token lives longer than {spec.max_lifetime_s} s")
    if expires_at - now > longest + leeway:
        raise TokenRejected(f"the token ends more than {spec.max_lifetime_s} s from now")


def _header(token: str, spec: IssuerSpec) -> dict[str, Any]:
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, UnicodeError) as error:
        raise TokenRejected(f"not a JWT: {error}") from None
    if "crit" in header:
        raise TokenRejected("crit: the token demands an extension")
    if header.get("alg") not in spec.algorithms:
        raise TokenRejected("alg is not one the issuer signs with")
    _check_type(header.get("typ"), spec)
    if len(header.get("kid", "")) > KEY_ID_CHARS_MAX:
        raise TokenRejected("kid is too long")
    return header


def _check_type(kind: object, spec: IssuerSpec) -> None:
    if kind is None:
        return
    known = {name.lower() for name in spec.types}
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in known:
        raise TokenRejected("typ: this is not a token for identity")


def _payload(
    token: str, header: Mapping[str, Any], spec: IssuerSpec, find_keys: FindKeys
) -> dict[str, Any]:
    """The claims, verified with the first key that fits."""
    fitting = [key for key in find_keys(header.get("kid")) if header["alg"] in key.algorithms]
    if not fitting:
        raise TokenRejected("the issuer has no such key for this algorithm")
    for key in fitting[:KEYS_TRIED_MAX]:
        # From the key and the issuer, never from the header.
        allowed = sorted(key.algorithms & set(spec.algorithms))
        try:
            return jwt.decode(token, key=key.key, algorithms=allowed, options=_SIGNATURE_ONLY)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            continue
    raise TokenRejected("the signature is not the issuer's")


def _check_audience(claim: object, spec: IssuerSpec) -> None:
    named = [claim] if isinstance(claim, str) else claim
    if named is None:
        named = []
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise TokenRejected("aud must be text or a list of text")
    if spec.audience and not set(named) & set(spec.audience):
        raise TokenRejected("aud does not name us")
    if named and not spec.audience:
        raise TokenRejected("aud names somebody, and the issuer's audience is not configured")


def _claims(payload: Mapping[str, Any], spec: IssuerSpec) -> Claims:
    mapping = spec.claims
    subject = _claim(payload, mapping.subject)
    if not isinstance(subject, str) or not subject:
        raise TokenRejected(f"{mapping.subject} must be text that is not empty")
    issued_at, expires_at = _time(payload, "iat"), _time(payload, "exp")
    if expires_at is None:
        if spec.require_exp:
            raise TokenRejected("exp is missing")
        if spec.max_lifetime_s is not None:
            expires_at = _latest_end(issued_at, spec.max_lifetime_s)
    plan = _claim(payload, mapping.plan)
    return Claims(
        subject=subject,
        issued_at=issued_at,
        not_before=_time(payload, "nbf"),
        expires_at=expires_at,
        links=_links(_claim(payload, mapping.link)),
        name=_claim(payload, mapping.name),
        locale=_claim(payload, mapping.locale),
        plan=plan if isinstance(plan, str) else None,
        attributes={ours: _claim(payload, path) for ours, path in mapping.attributes.items()},
    )


def _latest_end(issued_at: datetime | None, max_lifetime_s: int) -> datetime:
    if issued_at is None:
        raise TokenRejected("without exp, iat must say when the token was issued")
    return issued_at + timedelta(seconds=max_lifetime_s)


def _claim(payload: Mapping[str, Any], path: str | None) -> object:
    if path is None:
        return None
    if path in payload:
        return payload[path]
    found: object = payload
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _links(claim: object) -> frozenset[str] | None:
    if claim is None:
        return None
    named: Iterable[object] = [claim] if isinstance(claim, str) else []
    if isinstance(claim, list):
        named = claim
    # Anything else binds it to no link at all, rather than to every one.
    return frozenset(one for one in named if isinstance(one, str))


def _time(payload: Mapping[str, Any], name: str) -> datetime | None:
    value = payload.get(name)
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= _SECOND_MAX:  # NaN compares false
        raise TokenRejected(f"{name} must be a number of seconds since 1970")
    return datetime.fromtimestamp(value, UTC)


def _peek(token: str) -> dict[str, Any]:
    try:
        segment = token.split(".")[1]
        raw = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
        payload = json.loads(raw)
    except (IndexError, ValueError, binascii.Error, RecursionError):
        return {}
    return payload if isinstance(payload, dict) else {}
