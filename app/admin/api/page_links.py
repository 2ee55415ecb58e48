"""``/users/{id}/page-link``."""

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.resources import page_links
from app.admin.resources.page_links import PageLinkOut, PageLinkSpec

section = Section("page_links", "Users")


@section.post("/users/<int:user_id>/page-link", permission="tokens:mint", status=201)
def create_page_link(desk: Desk, user_id: int, body: PageLinkSpec) -> PageLinkOut:
    """Make a link to a user's own page.

    It lets whoever has it see balance and usage, redeem codes and open chats as that user, until
    it expires. Revoking all of the user's tokens ends it, and the visits it began.
    """
    return page_links.create(desk, user_id, body)
