"""SA3xx: every issuer can be used, and its keys can be fetched."""

from collections.abc import Callable, Iterator

from app.checks.finding import Finding, failed, ok, warning
from app.errors import ServiceError
from app.tokens import keyring
from app.tokens.issuers import IssuerSpec
from app.tokens.known import KnownIssuers


def check_issuers(known: KnownIssuers, fetch: Callable[[str], bytes]) -> Iterator[Finding]:
    """SA301: specs and secrets can be read; SA302: one finding for each key set's address."""
    unusable = [issuer.name for issuer in known.by_name.values() if issuer.spec is None]
    if unusable:
        yield failed(
            "SA301",
            "issuers",
            f"cannot be used: {', '.join(unusable)}",
            "They left the settings, or were sealed under another service.secret_key: put it back, "
            "or give their secrets again with `shareauth issuers update`.",
        )
    else:
        yield ok("SA301", "issuers", f"{len(known.by_name)} can be used")
    for issuer in known.by_name.values():
        if issuer.is_active and issuer.spec is not None and issuer.spec.jwks_url:
            yield _check_key_set(issuer.spec, issuer.spec.jwks_url, fetch)


def _check_key_set(spec: IssuerSpec, url: str, fetch: Callable[[str], bytes]) -> Finding:
    check = f"keys of {spec.name}"
    try:
        keys = keyring.parse_key_set(fetch(url))
    except ServiceError as error:
        return failed(
            "SA302",
            check,
            error.message,
            f"Check that {url} can be reached from here; its tokens are refused until it can, "
            "except where a worker still has its keys.",
        )
    wanted = set(spec.algorithms)
    usable = [key for key in keys if key.algorithms & wanted]
    if not usable:
        return warning(
            "SA302",
            check,
            f"{url} has {len(keys)} keys, none for the algorithms given",
            "Correct the issuer's algorithms, or its address.",
        )
    return ok("SA302", check, f"{len(usable)} keys at {url}")
