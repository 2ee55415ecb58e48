"""Issuers: list, add, change, switch off. Each way of proving itself has a form of its own."""

import json
import re
from typing import Any

from flask import render_template, request, url_for

from app.admin import access
from app.admin.pages import fields
from app.admin.pages.section import AnyResponse, attempt, done, section
from app.admin.paging import PageQuery
from app.admin.resources import issuers, links
from app.admin.resources.issuers import IssuerOut
from app.errors import Invalid, NotFound
from app.pagekit.languages import gettext as _
from app.tokens.keyring import HMAC_ALGORITHMS, PUBLIC_KEY_ALGORITHMS

blueprint = section("issuers", "/issuers")

WAYS = ("secret", "jwks", "public-key", "channel")
"""How an issuer is known: shared secret, key set address, public keys, pattern of ids."""
CLAIMS = ("subject", "name", "locale", "plan", "link")
_PEM = re.compile(r"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----", re.DOTALL)


@blueprint.get("/")
@access.allow("issuers:read")
def index() -> str:
    page = issuers.index(access.desk(), PageQuery())
    return render_template("issuers/index.html", issuers=page.items)


@blueprint.get("/new")
@access.allow("issuers:write")
def choose() -> str:
    return render_template("issuers/choose.html")


@blueprint.get("/new/<way>")
@access.allow("issuers:write")
def new(way: str) -> str:
    if way not in WAYS:
        raise NotFound(_("There is no such page."))
    return _form(way, None)


@blueprint.post("/new/<way>")
@access.allow("issuers:write")
def create(way: str) -> AnyResponse:
    def work() -> AnyResponse:
        kind = "channel" if way == "channel" else "jwt"
        values = {"name": request.form.get("name", "").strip(), "kind": kind, **_stated(way)}
        made = issuers.create(access.desk(), issuers.spec_of(values))
        told = _("Issuer %(name)s is taken at its word from now on.", name=made.name)
        return done(told, "issuers.show", name=made.name)

    return attempt(work, lambda: new(way))


@blueprint.get("/<name>")
@access.allow("issuers:read")
def show(name: str) -> str:
    issuer = issuers.show(access.desk(), name)
    if issuer.is_changeable and issuer.is_usable and access.desk().may("issuers:write"):
        return _form(_way(issuer), issuer)
    return render_template("issuers/show.html", issuer=issuer, claims=CLAIMS)


@blueprint.post("/<name>")
@access.allow("issuers:write")
def update(name: str) -> AnyResponse:
    def work() -> AnyResponse:
        way = _way(issuers.show(access.desk(), name))
        issuers.update(access.desk(), name, _stated(way))
        return done(_("Issuer %(name)s is changed.", name=name), "issuers.show", name=name)

    return attempt(work, lambda: show(name))


@blueprint.post("/<name>/disable")
@access.allow("issuers:write")
def disable(name: str) -> AnyResponse:
    issuers.set_enabled(access.desk(), name, enabled=False)
    return done(_("Issuer %(name)s is off.", name=name), "issuers.show", name=name)


@blueprint.post("/<name>/enable")
@access.allow("issuers:write")
def enable(name: str) -> AnyResponse:
    issuers.set_enabled(access.desk(), name, enabled=True)
    return done(_("Issuer %(name)s is on.", name=name), "issuers.show", name=name)


def _form(way: str, issuer: IssuerOut | None) -> str:
    algorithms = HMAC_ALGORITHMS if way == "secret" else PUBLIC_KEY_ALGORITHMS
    spec = {} if issuer is None else issuer.spec
    chosen = request.form.getlist("algorithm") if request.form else spec.get("algorithms", [])
    return render_template(
        "issuers/edit.html",
        way=way,
        issuer=issuer,
        spec=spec,
        algorithms=sorted(algorithms),
        chosen=chosen or ([] if issuer or request.form else _usual(way)),
        claims=CLAIMS,
        plans=[(name, name) for _id, name in links.choices(access.desk()).plans],
        public_keys=_written(spec.get("public_keys", [])),
        back=url_for("issuers.index"),
    )


def _usual(way: str) -> list[str]:
    return ["HS256"] if way == "secret" else ["RS256"]


def _way(issuer: IssuerOut) -> str:
    if issuer.kind == "channel":
        return "channel"
    if issuer.secrets:
        return "secret"
    return "jwks" if issuer.spec.get("jwks_url") else "public-key"


def _stated(way: str) -> dict[str, Any]:
    values: dict[str, Any] = {
        "creates_users": fields.checked("creates_users"),
        "default_plan": fields.optional("default_plan"),
    }
    if way == "channel":
        return {**values, "pattern": fields.optional("pattern")}
    values |= {
        "algorithms": request.form.getlist("algorithm"),
        "issuer": fields.optional("issuer"),
        "audience": _lines("audience"),
        "leeway_s": fields.optional("leeway_s") or "60",
        "max_lifetime_s": fields.optional("max_lifetime_s"),
        "require_exp": fields.checked("require_exp"),
        "claims": _claims(),
    }
    if way == "jwks":
        values["jwks_url"] = fields.optional("jwks_url")
    elif way == "public-key":
        values["public_keys"] = _public_keys(request.form.get("public_keys", ""))
    elif secrets := _lines("secrets"):  # left empty, an issuer keeps the ones it has
        values["secrets"] = secrets
    return values


def _claims() -> dict[str, str | None]:
    typed = {name: fields.optional(f"claim.{name}") for name in CLAIMS}
    return {name: claim for name, claim in typed.items() if claim or name != "subject"}


def _lines(name: str) -> list[str]:
    lines = request.form.get(name, "").splitlines()
    return [line.strip() for line in lines if line.strip()]


def _public_keys(text: str) -> list[dict[str, Any]]:
    """PEM blocks, one JWK, or a whole key set.

    Raises:
        Invalid: none of these.
    """
    if not text.strip().startswith("{"):
        return [{"pem": block} for block in _PEM.findall(text)]
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise Invalid(_("This is neither PEM nor JSON."), code="key_invalid") from None
    keys = document.get("keys", [document])
    return [{"jwk": key} for key in keys] if isinstance(keys, list) else [{}]


def _written(keys: list[dict[str, Any]]) -> str:
    """Public keys as they may be typed again."""
    if any(key.get("jwk") for key in keys):
        return json.dumps({"keys": [key["jwk"] for key in keys if key.get("jwk")]}, indent=1)
    return "\n".join(str(key["pem"]).strip() for key in keys if key.get("pem"))
