"""The names of everything the gate keeps in Redis, and which script takes which, in what order.

All names of a deployment share one hash tag, so that in Redis Cluster every decision is one script
in one slot; the README says what that costs.
"""

from app.admission.periods import Periods

LOADED = "loaded"
"""Second part of the names of what was loaded from the books, and is loaded again when lost."""


def key(namespace: str, *parts: object) -> str:
    """``{shareauth}:open:u:7``; every name is made here."""
    return ":".join([f"{{{namespace}}}", *map(str, parts)])


class KeyNames:
    """The keys of each script, in the order its header states."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self.revision = self._key("revision")
        self.probe = self._key("probe")
        self._due = self._key("watch", "due")
        self._facts = self._key("watch", "facts")
        self._late = self._key("watch", "late")
        self._dropped = self._key("watch", "dropped")

    def admit(self, user_id: int, link_id: int, plan_id: int | None, periods: Periods) -> list[str]:
        return [
            self.revision,
            self._key("rate", "u", user_id),
            self._key("rate", "g", link_id),
            self._key("rate", "l", link_id),
            *self._tickets(user_id, link_id),
            *self._questions(user_id, link_id, periods),
            *self._points(user_id, link_id, periods),
            self.balance(user_id),
            self._estimate(link_id, plan_id),
            self._due,
            self._facts,
            self._dropped,
        ]

    def settle(
        self, settle_key: str, user_id: int, link_id: int, plan_id: int | None, periods: Periods
    ) -> list[str]:
        return [
            self._key("settled", settle_key),
            self.balance(user_id),
            *self._tickets(user_id, link_id),
            *self._points(user_id, link_id, periods),
            self._estimate(link_id, plan_id),
            *self.watch(),
        ]

    def answered(self, reference: str, user_id: int, link_id: int) -> list[str]:
        return [self._key("answered", reference), *self._tickets(user_id, link_id)]

    def cancel(self, user_id: int, link_id: int, periods: Periods) -> list[str]:
        return [
            *self._tickets(user_id, link_id),
            *self._questions(user_id, link_id, periods),
            self._due,
            self._facts,
        ]

    def watch(self) -> list[str]:
        return [self._due, self._facts, self._late, self._dropped]

    def snapshot(self, user_id: int, link_id: int, periods: Periods) -> list[str]:
        return [
            self.revision,
            self.balance(user_id),
            *self._tickets(user_id, link_id),
            *self._questions(user_id, link_id, periods),
            *self._points(user_id, link_id, periods),
        ]

    def balance(self, user_id: int) -> str:
        return self._key(LOADED, "balance", "u", user_id)

    def loaded_pattern(self) -> str:
        """Matches what was loaded and must not outlive a server that has been away."""
        return self._key(LOADED, "*")

    def everything_pattern(self) -> str:
        """Matches all that this deployment keeps."""
        return self._key("*")

    def _tickets(self, user_id: int, link_id: int) -> list[str]:
        scopes = (("u", user_id), ("g", link_id), ("l", link_id))
        return [self._key(part, *scope) for scope in scopes for part in ("open", "held")]

    def _questions(self, user_id: int, link_id: int, periods: Periods) -> list[str]:
        day = f"{periods.today:%Y%m%d}"
        return [self._key("asked", "u", user_id, day), self._key("asked", "g", link_id, day)]

    def _points(self, user_id: int, link_id: int, periods: Periods) -> list[str]:
        day, month = f"{periods.today:%Y%m%d}", f"{periods.today:%Y%m}"
        return [
            self._key(LOADED, "points", "u", user_id, day),
            self._key(LOADED, "points", "u", user_id, month),
            self._key(LOADED, "points", "g", link_id, day),
            self._key(LOADED, "points", "l", link_id, month),
            self._key(LOADED, "points", "l", link_id, "ever"),
        ]

    def _estimate(self, link_id: int, plan_id: int | None) -> str:
        return self._key("estimate", link_id, plan_id or 0)

    def _key(self, *parts: object) -> str:
        return key(self._namespace, *parts)
