"""Sign a visitor in from a Python backend (PyJWT: `pip install pyjwt`).

SIGNING_SECRET=… python sign_token.py SUBJECT NAME SHARE_URL
"""

import os
import sys
from datetime import UTC, datetime, timedelta

import jwt


def visitor_url(share_url: str, subject: str, name: str, secret: str) -> str:
    """The address to send a signed-in visitor to. Make a new one for every visit."""
    now = datetime.now(UTC)
    claims = {
        "sub": subject,  # who it is: the same text for the same person, for ever
        "name": name,  # what operators see
        "iss": "portal",  # the issuer's name in shareauth
        "aud": "shareauth",
        "iat": now,
        "exp": now + timedelta(minutes=10),  # time to open the link, not to chat
    }
    return f"{share_url}&authToken={jwt.encode(claims, secret, algorithm='HS256')}"


if __name__ == "__main__":
    subject, name, share_url = sys.argv[1:]
    print(visitor_url(share_url, subject, name, os.environ["SIGNING_SECRET"]))
