"""``/code-batches``, ``/codes/lookup`` and ``/users/{id}/redemptions``."""

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.resources import codes
from app.admin.resources.codes import (
    BatchOut,
    BatchPage,
    BatchQuery,
    BatchReason,
    CodePage,
    CodeQuery,
    FoundCodeOut,
    NewBatch,
    PrintableOut,
    RedeemedOut,
    TypedCode,
)

section = Section("codes", "Redemption codes")


@section.get("/code-batches", permission="codes:read")
def list_code_batches(desk: Desk, query: BatchQuery) -> BatchPage:
    """List batches of redemption codes, newest first."""
    return codes.index(desk, query)


@section.post("/code-batches", permission="codes:write", status=201)
def create_code_batch(desk: Desk, body: NewBatch) -> BatchOut:
    """Make a batch of codes.

    `POST /code-batches/{name}/print` shows them; nothing else does. The amount is in the currency
    of `billing.currency`. Names are unique, so asking again makes no second batch.
    """
    return codes.create(desk, body)


@section.get("/code-batches/<name>", permission="codes:read")
def get_code_batch(desk: Desk, name: str) -> BatchOut:
    """Show one batch."""
    return codes.show(desk, name)


@section.get("/code-batches/<name>/codes", permission="codes:read")
def list_codes(desk: Desk, name: str, query: CodeQuery) -> CodePage:
    """List the codes of a batch by serial: who redeemed which, and when.

    No code's text is in the answer.
    """
    return codes.list_codes(desk, name, query)


@section.post("/code-batches/<name>/print", permission="codes:write")
def print_code_batch(desk: Desk, name: str) -> PrintableOut:
    """Show the codes that nobody has redeemed.

    Whoever sees them can spend them: each time is noted in the audit. It may be repeated until
    `POST /code-batches/{name}/printed`, for 30 days.
    """
    return codes.show_texts(desk, name)


@section.post("/code-batches/<name>/printed", permission="codes:write")
def confirm_code_batch_printed(desk: Desk, name: str) -> BatchOut:
    """Forget the text of the codes.

    They can be redeemed as before, and never be shown again. Said twice it changes nothing.
    """
    return codes.confirm_printed(desk, name)


@section.post("/code-batches/<name>/pause", permission="codes:write")
def pause_code_batch(desk: Desk, name: str, body: BatchReason) -> BatchOut:
    """Refuse the codes of a batch until it is resumed."""
    return codes.set_paused(desk, name, body.reason, paused=True)


@section.post("/code-batches/<name>/resume", permission="codes:write")
def resume_code_batch(desk: Desk, name: str, body: BatchReason) -> BatchOut:
    """Take the codes of a paused batch again."""
    return codes.set_paused(desk, name, body.reason, paused=False)


@section.post("/code-batches/<name>/cancel", permission="codes:write")
def cancel_code_batch(desk: Desk, name: str, body: BatchReason) -> BatchOut:
    """Make the codes of a batch worthless, for good.

    What was redeemed stays redeemed.
    """
    return codes.cancel(desk, name, body.reason)


@section.post("/codes/lookup", permission="codes:read")
def find_code(desk: Desk, body: TypedCode) -> FoundCodeOut:
    """Say which code of which batch it is, and who has redeemed it.

    The code is in the body, for addresses are logged.
    """
    return codes.find(desk, body.code)


@section.post("/users/<int:user_id>/redemptions", permission="wallets:write", status=201)
def redeem_code(desk: Desk, user_id: int, body: TypedCode) -> RedeemedOut:
    """Redeem a code for a user.

    Idempotent by nature: a code is redeemed once, and asking again for the same user and code
    answers with the same transaction (`is_replay`), so it takes no Idempotency-Key. After ten codes
    that do not exist within an hour the user is refused with 429.
    """
    return codes.redeem(desk, user_id, body.code)
