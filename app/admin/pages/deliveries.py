"""Files on their way, and what became of them."""

import json

from flask import render_template, request

from app.admin import access, delivery_words
from app.admin.pages import fields
from app.admin.pages.section import AnyResponse, attempt, done, section, validated
from app.admin.resources import deliveries, destinations
from app.admin.resources.deliveries import FileDeliveryQuery
from app.pagekit.languages import gettext as _

blueprint = section("deliveries", "/deliveries")


@blueprint.context_processor
def words() -> dict[str, object]:
    return dict(delivery_words.NAMES)


@blueprint.get("/")
@access.allow("deliveries:read")
def index() -> str:
    desk = access.desk()
    query = validated(FileDeliveryQuery, fields.query(request.args))
    return render_template(
        "deliveries/index.html",
        page=deliveries.index(desk, query),
        destinations=destinations.index(desk).items,
    )


@blueprint.get("/<int:delivery_id>")
@access.allow("deliveries:read")
def show(delivery_id: int) -> str:
    found = deliveries.show(access.desk(), delivery_id)
    manifest = json.dumps(found.manifest, ensure_ascii=False, indent=2, sort_keys=True)
    return render_template("deliveries/show.html", delivery=found, manifest=manifest)


@blueprint.post("/<int:delivery_id>/retry")
@access.allow("deliveries:write")
def retry(delivery_id: int) -> AnyResponse:
    def work() -> AnyResponse:
        deliveries.retry(access.desk(), delivery_id)
        said = _("It is sent again within seconds, under the same names.")
        return done(said, "deliveries.show", delivery_id=delivery_id)

    return attempt(work, lambda: show(delivery_id))


@blueprint.post("/<int:delivery_id>/give-up")
@access.allow("deliveries:write")
def give_up(delivery_id: int) -> AnyResponse:
    def work() -> AnyResponse:
        deliveries.give_up(access.desk(), delivery_id)
        said = _("It is tried no more. You can still send it again.")
        return done(said, "deliveries.show", delivery_id=delivery_id)

    return attempt(work, lambda: show(delivery_id))
