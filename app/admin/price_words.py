"""In plain words: what is wrong with the text of a price book."""

from collections.abc import Mapping

from app.pagekit.languages import gettext
from app.pagekit.languages import lazy_gettext as _
from app.pricing.documents import BookProblem

PROBLEMS: Mapping[str, str] = {
    "syntax": _("this cannot be read: neither TOML nor JSON is written like that"),
    "too_long": _("the text or the list is longer than %(bound)s"),
    "extra_forbidden": _("not known here"),
    "missing": _("this is needed"),
    "decimal_parsing": _('an amount is needed, such as "0.25"'),
    "decimal_type": _('an amount is needed, such as "0.25"'),
    "decimal_max_places": _("at most %(bound)s digits after the point"),
    "greater_than_equal": _("at least %(bound)s"),
    "greater_than": _("more than %(bound)s"),
    "less_than_equal": _("at most %(bound)s"),
    "less_than": _("less than %(bound)s"),
    "string_too_long": _("at most %(bound)s characters"),
    "string_too_short": _("at least %(bound)s characters"),
    "string_type": _("text in quotes is needed"),
    "literal_error": _("one of these is needed: %(bound)s"),
    "list_type": _("a list is needed"),
    "model_type": _("a table of names and values is needed"),
}
"""By the kind of a problem; others are told by the book's own message, in English."""


def problem_says(problem: BookProblem) -> str | None:
    """The sentence in the language of the page; None where there is none."""
    known = PROBLEMS.get(problem.kind)
    return None if known is None else gettext(str(known)) % {"bound": problem.bound}
