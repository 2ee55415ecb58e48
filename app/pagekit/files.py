"""Statements as answers: shown in the browser, or taken away."""

from flask import Response, g

from app.closings.papers.html import STYLE_SOURCE
from app.closings.papers.rendering import File


def file_response(file: File, *, is_shown: bool = False) -> Response:
    """The file; ``is_shown`` opens it in the browser, where its own style is let in."""
    response = Response(file.body, content_type=file.media_type)
    how = "inline" if is_shown else "attachment"
    response.headers["Content-Disposition"] = f'{how}; filename="{file.name}"'
    if is_shown:
        g.style_source = STYLE_SOURCE
    return response
