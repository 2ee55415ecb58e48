"""A shop's three calls to shareauth. Standard library only.

SHAREAUTH_URL=https://auth.example SHAREAUTH_TOKEN=saa_… python shop.py visit LINK CUSTOMER NAME
… python shop.py balance USER
… python shop.py paid USER ORDER AMOUNT
"""

import json
import os
import sys
import urllib.error
import urllib.request


def call(method: str, path: str, body: dict | None = None, key: str | None = None) -> dict:
    """One call of the JSON API; an error raises and says its code."""
    request = urllib.request.Request(
        f"{os.environ['SHAREAUTH_URL']}/admin/api/v1{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {os.environ['SHAREAUTH_TOKEN']}",
            "Content-Type": "application/json",
            **({"Idempotency-Key": key} if key else {}),
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{error.code} {json.load(error)['code']}") from None


def visit(link: str, customer: str, name: str) -> dict:
    """At your login: where to send the customer, and the user to remember for them."""
    wanted = {"link_id": int(link), "subject": customer, "create_user": True, "name": name}
    return call("POST", "/visitor-urls", {**wanted, "ttl_s": 600})


def balance(user: str) -> str:
    """What the customer has left, as decimal text."""
    return call("GET", f"/users/{user}/wallet")["balance"]


def paid(user: str, order: str, amount: str) -> str:
    """After a payment. The order number is the key: however often it is sent, it counts once."""
    body = {"amount": amount, "reason": f"order {order}"}
    return call("POST", f"/users/{user}/top-ups", body, key=f"order-{order}")["balance"]


if __name__ == "__main__":
    what, *given = sys.argv[1:]
    if what == "visit":
        made = visit(*given)
        print(made["user_id"], made["visitor_url"])
    else:
        print({"balance": balance, "paid": paid}[what](*given))
