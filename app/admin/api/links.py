"""``/links``."""

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.resources import link_test, links
from app.admin.resources.link_test import LinkTestOut
from app.admin.resources.links import (
    CreatedLinkOut,
    LinkOut,
    LinkPage,
    LinkQuery,
    RootUrlOut,
    Rotation,
)
from app.links.commands import LinkChange, LinkSpec

section = Section("links", "Links")


@section.get("/links", permission="links:read")
def list_links(desk: Desk, query: LinkQuery) -> LinkPage:
    """List links, by name."""
    return links.index(desk, query)


@section.post("/links", permission="links:write", status=201, versioned=True)
def create_link(desk: Desk, body: LinkSpec) -> CreatedLinkOut:
    """Create a link.

    The answer holds the root URL, which goes into the share link's identity verification in
    FastGPT. Operators of certain links cannot create any.
    """
    return links.create(desk, body)


@section.get("/links/<int:link_id>", permission="links:read", versioned=True)
def get_link(desk: Desk, link_id: int) -> LinkOut:
    """Show one link."""
    return links.show(desk, link_id)


@section.patch("/links/<int:link_id>", permission="links:write", versioned=True)
def update_link(desk: Desk, link_id: int, body: LinkChange) -> LinkOut:
    """Change a link.

    Only what is given changes; the hooks follow at once.
    """
    return links.update(desk, link_id, body)


@section.post("/links/<int:link_id>/disable", permission="links:write")
def disable_link(desk: Desk, link_id: int) -> LinkOut:
    """Switch a link off.

    It refuses visitors and questions at once, and still bills answers.
    """
    return links.set_enabled(desk, link_id, enabled=False)


@section.post("/links/<int:link_id>/enable", permission="links:write")
def enable_link(desk: Desk, link_id: int) -> LinkOut:
    """Switch a link on again."""
    return links.set_enabled(desk, link_id, enabled=True)


@section.get("/links/<int:link_id>/keys", permission="links:write")
def get_link_keys(desk: Desk, link_id: int) -> RootUrlOut:
    """Show a link's root URL and its keys."""
    return links.keys(desk, link_id)


@section.post("/links/<int:link_id>/keys", permission="links:write", status=201)
def rotate_link_key(desk: Desk, link_id: int, body: Rotation) -> RootUrlOut:
    """Give a link a new key, and so a new root URL.

    The old keys work for `overlap_s` seconds more: paste the new root URL into FastGPT meanwhile.
    """
    return links.rotate(desk, link_id, body)


@section.post("/links/<int:link_id>/test", permission="links:write")
def test_link(desk: Desk, link_id: int) -> LinkTestOut:
    """Play FastGPT's three hooks against a link.

    As a visitor of their own whom nothing costs anything, over HTTP at the service's public
    address when it can be reached from here. Their first finish on a link is kept as an answer of
    0 points; every later one is the same again and leaves nothing in the books.
    """
    return link_test.play(desk, link_id)
