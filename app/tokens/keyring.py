"""Verification keys: public keys as PEM or JWK, shared secrets, and what each may verify."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from app.errors import Invalid

SECRET_BYTES_MIN = 32
RSA_BITS_MIN = 2048
KEY_SET_KEYS_MAX = 64

HMAC_BYTES_MIN = {"HS256": 32, "HS384": 48, "HS512": 64}
"""RFC 7518, 3.2: a key at least as long as the hash."""
RSA_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
EC_ALGORITHMS = {
    "secp256r1": "ES256",
    "secp384r1": "ES384",
    "secp521r1": "ES512",
    "secp256k1": "ES256K",
}
HMAC_ALGORITHMS = frozenset(HMAC_BYTES_MIN)
PUBLIC_KEY_ALGORITHMS = RSA_ALGORITHMS | frozenset(EC_ALGORITHMS.values()) | {"EdDSA"}

PublicKey = (
    rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
)


class KeyInvalid(Invalid):
    """A key that cannot or must not be used to verify tokens."""

    code = "key_invalid"


@dataclass(frozen=True, slots=True)
class VerificationKey:
    kid: str | None
    key: PublicKey | bytes
    algorithms: frozenset[str]
    """All that may be verified with it; never an HMAC algorithm for a public key."""


def from_secret(secret: str) -> VerificationKey:
    """A shared secret as text, or ``base64:`` and its bytes.

    Raises:
        KeyInvalid: shorter than 32 bytes, or not base64.
    """
    raw = secret.encode()
    if secret.startswith("base64:"):
        try:
            raw = base64.b64decode(secret.removeprefix("base64:"), validate=True)
        except binascii.Error:
            raise KeyInvalid("a secret that begins with 'base64:' is not base64") from None
    if len(raw) < SECRET_BYTES_MIN:
        raise KeyInvalid(
            f"a shared secret needs at least {SECRET_BYTES_MIN} bytes: `openssl rand -hex 32`"
        )
    if secret.lstrip().startswith(("-----BEGIN", "ssh-", "ecdsa-", "{")):
        # Whoever knows a public key could sign with it.
        raise KeyInvalid("this is a key for another algorithm, not a shared secret")
    usable = frozenset(name for name, least in HMAC_BYTES_MIN.items() if len(raw) >= least)
    return VerificationKey(None, raw, usable)


def from_pem(pem: str, *, kid: str | None = None) -> VerificationKey:
    """A public key in PEM.

    Raises:
        KeyInvalid: not a public key in PEM, too short, or of a kind no algorithm uses.
    """
    if "PRIVATE KEY" in pem:
        raise KeyInvalid("this is a private key: give the public one, and replace this pair")
    try:
        key = load_pem_public_key(pem.strip().encode())
    except (ValueError, UnsupportedAlgorithm):
        raise KeyInvalid("not a public key in PEM ('-----BEGIN PUBLIC KEY-----')") from None
    return _of_public_key(key, kid=kid)


def from_jwk(jwk: dict[str, Any]) -> VerificationKey:
    """A public JSON Web Key (RFC 7517).

    Raises:
        KeyInvalid: private, symmetric, not for signatures, or damaged.
    """
    if "d" in jwk or jwk.get("kty") == "oct":
        raise KeyInvalid("this JWK holds a secret: give the public key, and replace this one")
    if jwk.get("use", "sig") != "sig" or "verify" not in jwk.get("key_ops", ["verify"]):
        raise KeyInvalid("this JWK is not for signatures")
    kinds = {"RSA": RSAAlgorithm, "EC": ECAlgorithm, "OKP": OKPAlgorithm}
    kind = kinds.get(str(jwk.get("kty")))
    if kind is None:
        raise KeyInvalid(f"no algorithm uses a key of type {jwk.get('kty')!r}")
    try:
        key = kind.from_jwk(jwk)  # type: ignore[attr-defined]
    except (jwt.InvalidKeyError, ValueError, TypeError, KeyError, binascii.Error) as error:
        raise KeyInvalid(f"damaged JWK: {error}") from None
    kid = jwk.get("kid")
    found = _of_public_key(key, kid=kid if isinstance(kid, str) else None)
    if "alg" not in jwk:
        return found
    return VerificationKey(found.kid, found.key, found.algorithms & {str(jwk["alg"])})


def parse_key_set(body: bytes) -> tuple[VerificationKey, ...]:
    """The usable keys of a JSON Web Key Set; others in it are passed over.

    Raises:
        KeyInvalid: not a key set, or no usable key in it.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise KeyInvalid("the key set is not JSON") from None
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise KeyInvalid("the key set has no list 'keys'")
    keys = []
    for entry in entries[:KEY_SET_KEYS_MAX]:
        try:
            keys.append(from_jwk(entry))
        except (KeyInvalid, AttributeError, TypeError):
            continue  # sets may hold encryption keys and kinds of a later day
    if not keys:
        raise KeyInvalid("the key set holds no key that can verify a signature")
    return tuple(keys)


def matching(keys: Sequence[VerificationKey], kid: str | None) -> tuple[VerificationKey, ...]:
    """The keys a token that names ``kid`` may be signed with: those named so, or not named."""
    if kid is None:
        return tuple(keys)
    return tuple(key for key in keys if key.kid in (kid, None))


def _of_public_key(key: object, *, kid: str | None) -> VerificationKey:
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < RSA_BITS_MIN:
            raise KeyInvalid(f"an RSA key needs at least {RSA_BITS_MIN} bits")
        return VerificationKey(kid, key, RSA_ALGORITHMS)
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in EC_ALGORITHMS:
        return VerificationKey(kid, key, frozenset({EC_ALGORITHMS[key.curve.name]}))
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        return VerificationKey(kid, key, frozenset({"EdDSA"}))
    raise KeyInvalid("no algorithm uses a key of this kind")
