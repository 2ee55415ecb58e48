"""What is pinned for each issuer: who signs, how, for whom, for how long, and what claims mean."""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from app.errors import Invalid
from app.tokens import keyring
from app.tokens.keyring import HMAC_ALGORITHMS, PUBLIC_KEY_ALGORITHMS, KeyInvalid, VerificationKey

LOCAL = "local"
GUEST = "guest"
RESERVED = frozenset({LOCAL, GUEST})

Kind = Literal["jwt", "opaque", "guest", "channel"]
ClaimPath = Annotated[str, Field(min_length=1, max_length=200)]


def _listed(value: object) -> object:
    if isinstance(value, list):
        return tuple(value)
    return (value,) if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class IssuersInvalid(Invalid):
    """Issuers in the configuration that cannot be used; the message lists every problem."""

    code = "issuers_invalid"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))


class ClaimsMapping(_Model):
    """Which claim says what. ``a.b`` is the member b of a, unless a claim has that very name."""

    subject: ClaimPath = "sub"
    """Who: must be text that is not empty, the same for ever for one person."""
    name: ClaimPath | None = "name"
    locale: ClaimPath | None = "locale"
    plan: ClaimPath | None = None
    """Name of the plan a new user gets; a name no plan has counts as not said."""
    link: ClaimPath | None = None
    """Binds the token: a link's name or FastGPT share id, or a list of them. A token without the
    claim opens any link the issuer may open."""
    attributes: dict[Annotated[str, Field(min_length=1, max_length=80)], ClaimPath] = Field(
        default_factory=dict, max_length=32
    )
    """Our name for it, and the claim. Only text, numbers and truth values are kept."""


class PublicKeySpec(_Model):
    """A public key in PEM with an optional id, or as a JWK."""

    kid: str | None = Field(default=None, max_length=200)
    pem: str | None = None
    jwk: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _is_one_usable_key(self) -> Self:
        if (self.pem is None) == (self.jwk is None):
            raise ValueError("give either pem or jwk")
        try:
            self.verification_key()
        except KeyInvalid as problem:
            raise ValueError(problem.message) from None
        return self

    def verification_key(self) -> VerificationKey:
        if self.jwk is not None:
            return keyring.from_jwk({**self.jwk, **({"kid": self.kid} if self.kid else {})})
        return keyring.from_pem(self.pem or "", kid=self.kid)


def _key_spec(value: object) -> object:
    return {"pem": value} if isinstance(value, str) else value


class IssuerSpec(_Model):
    """One issuer. Nothing a token's header says can widen what stands here."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,79}$")
    """Part of every uid of its users: it can never change."""
    kind: Kind = "jwt"
    creates_users: bool = True
    """Whether its word makes people users on first sight; else an operator adds them before."""
    default_plan: str | None = None
    """Name of the plan of users without one of their own; none: ``default``."""

    # kind jwt
    algorithms: Texts = ()
    issuer: str | None = None
    """What ``iss`` must say; by default the issuer's name."""
    audience: Texts = ()
    """``aud`` must name one of these. Without any, a token that names an audience is refused."""
    types: Texts = ("jwt", "at+jwt")
    """What ``typ`` may say, where a token says it: a logout token is not an identity."""
    leeway_s: int = Field(default=60, ge=0, le=600)
    """How far the issuer's clock may differ from ours."""
    max_lifetime_s: int | None = Field(default=86400, ge=1, le=10 * 366 * 86400)
    """``exp`` at most so long after ``iat``, or after now where the token has no ``iat``."""
    require_exp: bool = True
    token_chars_max: int = Field(default=8192, ge=64, le=65536)
    secrets: tuple[SecretStr, ...] = Field(default=(), max_length=8)
    """Shared secrets for HS256/384/512, as text or ``base64:…``; several while one is rotated."""
    public_keys: tuple[Annotated[PublicKeySpec, BeforeValidator(_key_spec)], ...] = Field(
        default=(), max_length=16
    )
    jwks_url: str | None = Field(default=None, pattern=r"^https?://[^\s#@]+$", max_length=2000)
    claims: ClaimsMapping = ClaimsMapping()

    # kind channel: FastGPT's chat-platform channels (WeCom, Feishu, DingTalk, …)
    pattern: str | None = None
    """A regular expression for the whole platform user id, which is the subject. The id proves
    nothing, so give such an issuer only to links that no browser opens. These channels never send
    a finish: a question's ticket just expires, and nothing of it can be metered or charged."""

    @model_validator(mode="after")
    def _kind_has_what_it_needs(self) -> Self:
        if self.kind == "jwt":
            self._check_keys()
        elif self.algorithms or self.secrets or self.public_keys or self.jwks_url:
            raise ValueError(f"an issuer of kind {self.kind} has no algorithms and no keys")
        if (self.pattern is not None) != (self.kind == "channel"):
            raise ValueError(
                "an issuer of kind channel needs a pattern, and only that kind has one"
            )
        if self.pattern is not None:
            self._check_pattern(self.pattern)
        return self

    def _check_keys(self) -> None:
        named = set(self.algorithms)
        if not named or named - HMAC_ALGORITHMS - PUBLIC_KEY_ALGORITHMS:
            known = ", ".join(sorted(HMAC_ALGORITHMS | PUBLIC_KEY_ALGORITHMS))
            raise ValueError(f"algorithms: name the ones it signs with, of {known}")
        sources = [bool(self.secrets), bool(self.public_keys), bool(self.jwks_url)]
        if sum(sources) != 1:
            raise ValueError("give exactly one of secrets, public_keys and jwks_url")
        allowed = HMAC_ALGORITHMS if self.secrets else PUBLIC_KEY_ALGORITHMS
        if named - allowed:
            # A public key taken for a shared secret lets everyone sign: never in one issuer.
            raise ValueError("HS256/384/512 go with secrets, all others with public keys")
        try:
            usable = frozenset[str]().union(*(key.algorithms for key in self.static_keys))
        except KeyInvalid as problem:
            raise ValueError(problem.message) from None
        unusable = named - usable
        if unusable and not self.jwks_url:
            raise ValueError(
                f"no key given can verify {', '.join(sorted(unusable))}"
                + (" (HS384 needs 48 bytes, HS512 needs 64)" if self.secrets else "")
            )

    def _check_pattern(self, pattern: str) -> None:
        try:
            matches_nothing = re.compile(pattern).fullmatch("") is None
        except re.error as error:
            raise ValueError(f"pattern: {error}") from None
        if not matches_nothing:
            raise ValueError("pattern: must not match an empty id")

    @property
    def expected_issuer(self) -> str:
        return self.name if self.issuer is None else self.issuer

    @cached_property
    def static_keys(self) -> tuple[VerificationKey, ...]:
        """The keys given here; none for a key set that is fetched."""
        if self.secrets:
            return tuple(keyring.from_secret(secret.get_secret_value()) for secret in self.secrets)
        return tuple(key.verification_key() for key in self.public_keys)

    def public(self) -> dict[str, Any]:
        """The spec as JSON, without its shared secrets."""
        return self.model_dump(mode="json", exclude={"secrets"})


BUILTIN = (
    IssuerSpec(name=LOCAL, kind="opaque"),
    IssuerSpec(name=GUEST, kind="guest"),
)


def parse_configured(items: Sequence[Mapping[str, Any]]) -> tuple[IssuerSpec, ...]:
    """The ``[[issuers]]`` of the configuration; ``secret_files`` are read here.

    Raises:
        IssuersInvalid: what is wrong with any of them.
    """
    problems: list[str] = []
    specs: list[IssuerSpec] = []
    for number, item in enumerate(items, start=1):
        label = f"issuers[{item.get('name', number)}]"
        try:
            spec = IssuerSpec.model_validate(_with_secret_files(item))
        except ValidationError as error:
            problems += [f"{label}.{_where(e['loc'])}{e['msg']}" for e in error.errors()]
            continue
        except (OSError, KeyInvalid) as error:
            problems.append(f"{label}: {error}")
            continue
        if spec.kind not in ("jwt", "channel") or spec.name in RESERVED:
            problems.append(f"{label}: kind and name must not be those of a built-in issuer")
        specs.append(spec)
    problems += _clashes(specs)
    if problems:
        raise IssuersInvalid(
            "issuers cannot be used:\n" + "\n".join(f"  - {problem}" for problem in problems)
        )
    return tuple(specs)


def _with_secret_files(item: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(item)
    paths = _listed(values.pop("secret_files", ()))
    read = [Path(str(path)).read_text("utf-8").strip() for path in paths]  # type: ignore[attr-defined]
    if read:
        values["secrets"] = [*values.get("secrets", ()), *read]
    return values


def _where(location: tuple[int | str, ...]) -> str:
    return "".join(f"{part}." for part in location).rstrip(".") + (": " if location else " ")


def _clashes(specs: Sequence[IssuerSpec]) -> list[str]:
    problems = []
    for what, values in (
        ("name", [spec.name for spec in specs]),
        ("issuer (iss)", [spec.expected_issuer for spec in specs if spec.kind == "jwt"]),
    ):
        repeated = {value for value in values if values.count(value) > 1}
        problems += [f"{what} {value!r} is given to two issuers" for value in sorted(repeated)]
    return problems
