"""Finds out what a token proves: asks the issuer's keys or our own tables, never the memory."""

from datetime import datetime

from app.db import Database
from app.keys import Keys
from app.tokens import keyring, store, verify
from app.tokens.issuers import GUEST, LOCAL, IssuerSpec
from app.tokens.jwks import KeySets
from app.tokens.keyring import VerificationKey
from app.tokens.known import KnownIssuer, KnownIssuers
from app.tokens.refusals import TokenRejected
from app.tokens.shapes import CHANNEL_ID_CHARS_MAX, TEXT_CHARS_MAX, shape, signed_part
from app.turns.evidence import Evidence, check_issuer
from app.turns.household import Household
from app.turns.link_context import LinkContext
from app.users import store as user_store
from app.users.profile import profile
from app.users.subject import storable


class Prover:
    """Turns token texts into evidence. Keeps nothing."""

    def __init__(self, *, db: Database, keys: Keys, key_sets: KeySets) -> None:
        self._db = db
        self._keys = keys
        self._key_sets = key_sets

    def prove(
        self,
        token: str,
        digest: str,
        household: Household,
        *,
        for_link: LinkContext | None,
        now: datetime,
    ) -> Evidence:
        """What the token proves, whatever its times say.

        ``for_link`` is the link to be opened: an issuer that it does not take is refused before
        any key is fetched or signature checked. None to bill: then every issuer is heard.

        Raises:
            Denied: it proves nothing (TokenRejected), or not on this link.
            Unavailable: the database or the issuer's keys cannot be had.
        """
        issuers = household.issuers
        if len(token) > TEXT_CHARS_MAX:
            raise TokenRejected("the token is too long to be one")
        kind = shape(token)
        if kind == "guest":
            guest = issuers.by_name[GUEST]
            if for_link is not None:
                check_issuer(guest, for_link)
            return self._bare(token, digest, guest, now)
        if kind == "opaque":
            return self._minted(digest, household, for_link, now)
        issuer = issuers.by_iss.get(verify.peek_issuer(token) or "") if kind == "jwt" else None
        if issuer is not None and issuer.spec is not None:
            if for_link is not None:
                check_issuer(issuer, for_link)
            return self._signed(token, digest, issuer, issuer.spec, now)
        return self._channel(token, digest, issuers, for_link, now)

    def check_again(self, token: str, spec: IssuerSpec, now: datetime) -> None:
        """Check the signature of a token with the keys its issuer has now.

        Raises:
            TokenRejected: it does not hold any more.
            Unavailable: the keys cannot be had.
        """
        verify.verify(token, spec, lambda kid: self._find_keys(spec, kid, now))

    def _channel(
        self,
        token: str,
        digest: str,
        issuers: KnownIssuers,
        for_link: LinkContext | None,
        now: datetime,
    ) -> Evidence:
        if len(token) <= CHANNEL_ID_CHARS_MAX:
            for pattern, issuer in issuers.channels:
                is_taken = for_link is None or issuer.name in (for_link.issuers or ())
                if is_taken and pattern.fullmatch(token):
                    return self._bare(token, digest, issuer, now)
        raise TokenRejected("not a token of any issuer we know")

    def _bare(self, token: str, digest: str, issuer: KnownIssuer, now: datetime) -> Evidence:
        return Evidence(
            digest=digest,
            issuer=issuer,
            user_issuer=issuer,
            subject=storable(token),
            uid=self._keys.uid(issuer.name, token),
            checked_at=now,
        )

    def _minted(
        self, digest: str, household: Household, for_link: LinkContext | None, now: datetime
    ) -> Evidence:
        issuer = household.issuers.by_name[LOCAL]
        if for_link is not None:
            check_issuer(issuer, for_link)
        with self._db.read() as session:
            token = store.find_token(session, digest)
            user = None if token is None else user_store.find_by_id(session, token.user_id)
        if token is None or user is None:
            raise TokenRejected("not a token that was minted here")
        return Evidence(
            digest=digest,
            issuer=issuer,
            user_issuer=household.issuer(user.issuer_id),
            subject=user.subject,
            uid=user.uid,
            checked_at=now,
            issued_at=token.created_at,
            expires_at=token.expires_at,
            link_id=token.link_id,
            token_id=token.id,
            is_one_time=token.is_one_time,
            is_revoked=token.revoked_at is not None,
        )

    def _signed(
        self, token: str, digest: str, issuer: KnownIssuer, spec: IssuerSpec, now: datetime
    ) -> Evidence:
        claims = verify.verify(token, spec, lambda kid: self._find_keys(spec, kid, now))
        with self._db.read() as session:
            signed_digest = self._keys.token_digest(signed_part(token))
            is_revoked = store.is_revoked(session, signed_digest)
        return Evidence(
            digest=digest,
            issuer=issuer,
            user_issuer=issuer,
            subject=storable(claims.subject),
            uid=self._keys.uid(issuer.name, claims.subject),
            checked_at=now,
            profile=profile(name=claims.name, locale=claims.locale, attributes=claims.attributes),
            plan_name=claims.plan,
            issued_at=claims.issued_at,
            not_before=claims.not_before,
            expires_at=claims.expires_at,
            links=claims.links,
            is_revoked=is_revoked,
        )

    def _find_keys(
        self, spec: IssuerSpec, kid: str | None, now: datetime
    ) -> tuple[VerificationKey, ...]:
        if spec.jwks_url is not None:
            return self._key_sets.find(spec.jwks_url, kid, now)
        return keyring.matching(spec.static_keys, kid)
