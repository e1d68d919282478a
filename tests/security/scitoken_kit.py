"""An issuer of SciTokens for tests."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

ISSUER = "https://tokens.example.org/path"
NOW = 1_795_351_000
EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())


def _number(value: int, length: int) -> str:
    """A number of a JSON Web Key."""
    data = value.to_bytes(length, "big")
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _ec_key(key: ec.EllipticCurvePrivateKey, name: str) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    return {
        "kty": "EC",
        "crv": "P-256",
        "kid": name,
        "x": _number(numbers.x, 32),
        "y": _number(numbers.y, 32),
    }


def key_set(**changes: Any) -> dict[str, Any]:
    """What the issuer publishes: a key of each kind."""
    numbers = RSA_KEY.public_key().public_numbers()
    keys = [
        {**_ec_key(EC_KEY, "ec"), **changes},
        {
            "kty": "RSA",
            "kid": "rsa",
            "use": "sig",
            "alg": "RS256",
            "n": _number(numbers.n, 256),
            "e": _number(numbers.e, 3),
        },
    ]
    return {"keys": keys}


KEYS = json.dumps(key_set())


def scitoken(
    *,
    key: Any = EC_KEY,
    algorithm: str = "ES256",
    headers: dict[str, Any] | None = None,
    **changes: Any,
) -> str:
    """A token; claims of ``None`` are left out, ``_`` in names stands for a dot."""
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "sub": "alice",
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 600,
        "jti": "id",
        "scope": "condor:/READ condor:/WRITE",
        **{name.replace("_", "."): value for name, value in changes.items()},
    }
    payload = {name: value for name, value in claims.items() if value is not None}
    named = {"kid": "ec" if algorithm == "ES256" else "rsa", **(headers or {})}
    return jwt.PyJWS().encode(
        json.dumps(payload).encode(),
        key,
        algorithm=algorithm,
        headers={name: value for name, value in named.items() if value is not None},
    )
