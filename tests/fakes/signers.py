"""Real keys of every family, made once for all tests, and tokens signed with them."""

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

SECRET = "s" * 64
ALGORITHMS = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
    "ES256", "ES384", "ES512", "ES256K", "EdDSA", "EdDSA-448",
]  # fmt: skip


@dataclass(frozen=True)
class Signer:
    algorithm: str
    private: Any

    @property
    def pem(self) -> str:
        public = self.private.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def jwk(self, kid: str) -> dict[str, Any]:
        kinds = {"R": RSAAlgorithm, "P": RSAAlgorithm, "Ed": OKPAlgorithm, "ES": ECAlgorithm}
        kind = next(kinds[k] for k in ("Ed", "ES", "R", "P") if self.algorithm.startswith(k))
        return {**kind.to_jwk(self.private.public_key(), as_dict=True), "kid": kid, "use": "sig"}

    @property
    def keys(self) -> dict[str, Any]:
        """What an IssuerSpec needs to verify."""
        if self.algorithm.startswith("HS"):
            return {"secrets": [self.private]}
        return {"public_keys": [self.pem]}

    def sign(self, claims: dict[str, Any], **headers: Any) -> str:
        return jwt.encode(claims, self.private, algorithm=self.algorithm, headers=headers or None)


@cache
def signer(name: str) -> Signer:
    """The signer of that algorithm; ``name`` may carry ``-2`` for a second pair of keys."""
    algorithm = name.split("-", maxsplit=1)[0]
    if algorithm.startswith("HS"):
        return Signer(algorithm, SECRET + name)
    if name == "EdDSA-448":
        return Signer("EdDSA", ed448.Ed448PrivateKey.generate())
    if algorithm == "EdDSA":
        return Signer(algorithm, ed25519.Ed25519PrivateKey.generate())
    curves = {
        "ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(),
        "ES512": ec.SECP521R1(), "ES256K": ec.SECP256K1(),
    }  # fmt: skip
    if algorithm in curves:
        return Signer(algorithm, ec.generate_private_key(curves[algorithm]))
    return Signer(algorithm, _rsa(name.partition("-")[2]))


@cache
def _rsa(_which: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def claims(now: datetime, **changed: Any) -> dict[str, Any]:
    """Claims that the issuer ``portal`` of these tests may make; None leaves one out."""
    made = {
        "iss": "portal",
        "sub": "stu-2291",
        "iat": int(now.timestamp()),
        "exp": int(now.timestamp()) + 600,
    }
    return {name: value for name, value in (made | changed).items() if value is not None}


def segment(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
