"""Sums of usage events, their lines and what corrects them. Derived: they can be made anew.

Every sum is of a span of time on one of three widths, or four (see spans.py); ``start`` counts
quarters of an hour since 1970 in UTC.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Nano, RowId, UtcDateTime

_NEVER_A_CREDIT = (
    "questions > 0 AND points >= 0 AND charge >= 0 AND input_tokens >= 0 "
    "AND output_tokens >= 0 AND embedding_tokens >= 0 AND rerank_tokens >= 0"
)
_SOME_OF_QUESTIONS = (
    "model_questions BETWEEN 0 AND questions AND kind_questions BETWEEN 0 AND questions"
)


class _Sums:
    """What is added up. The tokens are those of the lines, also where the row is of events."""

    questions: Mapped[int] = mapped_column(sa.BigInteger)
    points: Mapped[int] = mapped_column(Nano)
    charge: Mapped[int] = mapped_column(Nano)
    input_tokens: Mapped[int] = mapped_column(sa.BigInteger)
    output_tokens: Mapped[int] = mapped_column(sa.BigInteger)
    embedding_tokens: Mapped[int] = mapped_column(sa.BigInteger)
    rerank_tokens: Mapped[int] = mapped_column(sa.BigInteger)
    cost: Mapped[int] = mapped_column(Nano, server_default="0")
    """What the points cost the operator, of those whose cost is known."""
    costed_points: Mapped[int] = mapped_column(Nano, server_default="0")
    """The points whose cost is known. Zero, not the rest, is the default: what was counted before
    costs were is of unknown cost."""


class UsageName(Base):
    """A name that FastGPT sent, of an app, a model or a node kind; sums have its number."""

    __tablename__ = "usage_names"
    __table_args__ = (
        sa.UniqueConstraint("kind", "name"),
        sa.CheckConstraint("kind IN ('app', 'model', 'node_kind')", name="kind"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(10))
    name: Mapped[str] = mapped_column(sa.String(120))


class UsageByLink(_Sums, Base):
    """Answers of a span, by link and app."""

    __tablename__ = "usage_by_link"
    __table_args__ = (
        sa.CheckConstraint(_NEVER_A_CREDIT, name="never_a_credit"),
        {"sqlite_with_rowid": False},  # rows lie in the order of the key, as they are read
    )

    width: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)
    start: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    link_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    app_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)


class UsageByUser(_Sums, Base):
    """Answers of a span, by user, link and app."""

    __tablename__ = "usage_by_user"
    __table_args__ = (
        sa.Index(None, "user_id", "width", "start"),
        sa.CheckConstraint(_NEVER_A_CREDIT, name="never_a_credit"),
        {"sqlite_with_rowid": False},
    )

    width: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)
    start: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    user_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    link_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    app_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)


class UsageByModel(_Sums, Base):
    """Lines of a span, by model and node kind, link and app.

    ``questions`` are the answers with such a line. An answer with two kinds of nodes of one model
    has two rows; it is in ``model_questions`` of the first alone. So the ones of a model add up to
    answers again; likewise ``kind_questions`` of a node kind.
    """

    __tablename__ = "usage_by_model"
    __table_args__ = (
        sa.CheckConstraint(_NEVER_A_CREDIT, name="never_a_credit"),
        sa.CheckConstraint(_SOME_OF_QUESTIONS, name="questions"),
        {"sqlite_with_rowid": False},
    )

    width: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)
    start: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    link_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    app_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    model_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    kind_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    model_questions: Mapped[int] = mapped_column(sa.BigInteger)
    kind_questions: Mapped[int] = mapped_column(sa.BigInteger)


class UsageBySegment(_Sums, Base):
    """Answers of a span, by the attributes and the plan the user had, their issuer, link and app.

    Zero stands for a segment or plan that is not known.
    """

    __tablename__ = "usage_by_segment"
    __table_args__ = (
        sa.CheckConstraint(_NEVER_A_CREDIT, name="never_a_credit"),
        {"sqlite_with_rowid": False},
    )

    width: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)
    start: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    segment_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    plan_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    issuer_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    link_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    app_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)


class UsageTotals(_Sums, Base):
    """Answers of a span, of the whole house; of hours, too."""

    __tablename__ = "usage_totals"
    __table_args__ = (
        sa.CheckConstraint(_NEVER_A_CREDIT, name="never_a_credit"),
        {"sqlite_with_rowid": False},
    )

    width: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)
    start: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)


class UsageUserTotals(_Sums, Base):
    """Answers of a day or month, by user alone: who asks most is found in few of many rows."""

    __tablename__ = "usage_user_totals"
    __table_args__ = (
        sa.Index(None, "user_id", "width", "start"),
        sa.Index(None, "width", "start", "charge"),
        sa.CheckConstraint(_NEVER_A_CREDIT, name="never_a_credit"),
        {"sqlite_with_rowid": False},
    )

    width: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)
    start: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    user_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    first_start: Mapped[int | None] = mapped_column(sa.Integer)
    """The quarter of the user's first answer in it; None where an older version made the row."""


class UsageFirstAnswers(Base):
    """How many users had their first answer of a day or month in which quarter of it."""

    __tablename__ = "usage_first_answers"
    __table_args__ = ({"sqlite_with_rowid": False},)

    width: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)
    start: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    first_start: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    users: Mapped[int] = mapped_column(sa.BigInteger)


class UsageReturns(Base):
    """How many users asked on a day, by the day on which they did before; both by their starts."""

    __tablename__ = "usage_returns"
    __table_args__ = ({"sqlite_with_rowid": False},)

    start: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    previous_start: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    """-1 for those who had not asked before, since there are totals."""
    users: Mapped[int] = mapped_column(sa.BigInteger)


class UsageModelTotals(_Sums, Base):
    """Lines of a span, by model and node kind alone; ``questions`` as in ``UsageByModel``.

    Of hours, too.
    """

    __tablename__ = "usage_model_totals"
    __table_args__ = (
        sa.CheckConstraint(_NEVER_A_CREDIT, name="never_a_credit"),
        sa.CheckConstraint(_SOME_OF_QUESTIONS, name="questions"),
        {"sqlite_with_rowid": False},
    )

    width: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)
    start: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    model_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    kind_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    model_questions: Mapped[int] = mapped_column(sa.BigInteger)
    kind_questions: Mapped[int] = mapped_column(sa.BigInteger)


class UsageUserModels(_Sums, Base):
    """Lines of a day or month, by user, model and node kind; ``questions`` as in ``UsageByModel``.

    Of the whole house.
    """

    __tablename__ = "usage_user_models"
    __table_args__ = (
        sa.Index(None, "user_id", "width", "start"),
        sa.CheckConstraint(_NEVER_A_CREDIT, name="never_a_credit"),
        sa.CheckConstraint(_SOME_OF_QUESTIONS, name="questions"),
        {"sqlite_with_rowid": False},
    )

    width: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)
    start: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    user_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    model_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    kind_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    model_questions: Mapped[int] = mapped_column(sa.BigInteger)
    kind_questions: Mapped[int] = mapped_column(sa.BigInteger)


class UsageSegmentModels(_Sums, Base):
    """The same by segment, plan and issuer."""

    __tablename__ = "usage_segment_models"
    __table_args__ = (
        sa.CheckConstraint(_NEVER_A_CREDIT, name="never_a_credit"),
        sa.CheckConstraint(_SOME_OF_QUESTIONS, name="questions"),
        {"sqlite_with_rowid": False},
    )

    width: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)
    start: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    segment_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    plan_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    issuer_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    model_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    kind_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    model_questions: Mapped[int] = mapped_column(sa.BigInteger)
    kind_questions: Mapped[int] = mapped_column(sa.BigInteger)


class UsageTimesByLink(Base):
    """How many answers took about how long, by link and app: days and months alone.

    ``bucket`` is that of ``times.bucket_of``; answers without a time are in none.
    """

    __tablename__ = "usage_times_by_link"
    __table_args__ = (
        sa.CheckConstraint("answers > 0", name="answers"),
        {"sqlite_with_rowid": False},
    )

    width: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)
    start: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    link_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    app_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    bucket: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)
    answers: Mapped[int] = mapped_column(sa.BigInteger)


class UsageTimesBySegment(Base):
    """The same by segment, plan and issuer."""

    __tablename__ = "usage_times_by_segment"
    __table_args__ = (
        sa.CheckConstraint("answers > 0", name="answers"),
        {"sqlite_with_rowid": False},
    )

    width: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)
    start: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    segment_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    plan_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    issuer_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    bucket: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)
    answers: Mapped[int] = mapped_column(sa.BigInteger)


class UsageCorrection(Base):
    """What moved wallets beside charges: re-ratings, reversals, refunds, top-ups, grants."""

    __tablename__ = "usage_corrections"
    __table_args__ = (
        sa.Index(None, "kind", "start"),
        sa.Index(None, "kind", "used_start"),
        sa.CheckConstraint(
            "kind IN ('rerated', 'reversed', 'refunded', 'adjusted', 'topped_up', 'redeemed', "
            "'granted', 'expired')",
            name="kind",
        ),
        sa.CheckConstraint("transactions > 0", name="transactions"),
    )

    start: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    """The quarter in which it was posted."""
    used_start: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    """The quarter of the answer that it corrects; that of the posting where it corrects none."""
    user_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    link_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    """Of the answer; zero where it corrects none."""
    kind: Mapped[str] = mapped_column(sa.String(10), primary_key=True)
    transactions: Mapped[int] = mapped_column(sa.BigInteger)
    amount: Mapped[int] = mapped_column(Nano)
    """The change of the wallet's balance."""


class ReportPosition(Base):
    """How far the sums go: the one row is changed together with them."""

    __tablename__ = "report_positions"
    __table_args__ = (
        sa.CheckConstraint("id = 1", name="only_one"),
        sa.CheckConstraint("event_id >= 0 AND transaction_id >= 0", name="never_before_all"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    event_id: Mapped[int] = mapped_column(sa.BigInteger)
    """All usage events up to this id are in the sums, and none above."""
    wide_event_id: Mapped[int] = mapped_column(sa.BigInteger, server_default="0")
    """The same of costs, segments and times: behind while those of older events are filled in."""
    totals_event_id: Mapped[int] = mapped_column(sa.BigInteger, server_default="0")
    """The same of totals: where it is not ``event_id`` they are not read, and made anew."""
    firsts_event_id: Mapped[int] = mapped_column(sa.BigInteger, server_default="0")
    """The same of first answers, which are part of the totals since a newer version."""
    hours_event_id: Mapped[int] = mapped_column(sa.BigInteger, server_default="0")
    """The same of the totals of the whole house and of hours, and of returns."""
    totals_from: Mapped[int | None] = mapped_column(sa.Integer)
    """From this quarter on there are totals; None while there are none."""
    models_event_id: Mapped[int] = mapped_column(sa.BigInteger, server_default="0")
    """As ``totals_event_id``, of models by user and by segment."""
    models_from: Mapped[int | None] = mapped_column(sa.Integer)
    """From this quarter on there are these: they are made of lines, which archives may have."""
    transaction_id: Mapped[int] = mapped_column(sa.BigInteger)
    """Likewise of the ledger's transactions."""
    zone: Mapped[str] = mapped_column(sa.String(80))
    """Whose clock the days and months go by."""
    moved_at: Mapped[datetime] = mapped_column(UtcDateTime)
