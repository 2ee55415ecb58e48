"""Exports as answers of HTTP."""

from pathlib import Path

from flask import Response, send_file

from app.admin.resources.exports import Download


def streamed(download: Download) -> Response:
    """The file while it is made; ``X-Export-Position`` says by what the same is made again.

    ``X-Export-Closing`` names the month that is closed, and its closing's hash.
    """
    order = download.order
    response = Response(download.pieces, content_type=order.media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{order.name}{order.suffix}"'
    if (upto := order.scope.period.upto) is not None:
        response.headers["X-Export-Position"] = (
            f"upto_event={upto.event_id}&upto_transaction={upto.transaction_id}"
            f"&upto_row={order.scope.row_id}"
        )
    if (closed := order.scope.closed) is not None:
        response.headers["X-Export-Closing"] = f"{closed.month} {closed.hash}"
    return response


def kept(place: Path, name: str) -> Response:
    """A file that lies ready; parts of it may be asked for."""
    return send_file(
        place,
        mimetype="application/octet-stream",
        as_attachment=True,
        download_name=name.replace("/", "-"),
        conditional=True,
    )
