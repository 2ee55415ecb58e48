"""Who is let in, who is refused and why, who pays, and what it costs to know."""

import base64
import threading
from datetime import timedelta
from decimal import Decimal

import jwt
import pytest
import sqlalchemy as sa
from app import revision
from app.audit.journal import Actor
from app.db import DatabaseAway
from app.errors import Denied, Unavailable
from app.limits import VisitorLimits
from app.links import commands as links
from app.links.models import Link
from app.plans import commands as plans
from app.tokens import commands as tokens
from app.tokens import issuer_commands as issuers
from app.tokens import store as token_store
from app.tokens.issuers import IssuerSpec
from app.tokens.jwks import KeySets
from app.tokens.models import VisitorSession
from app.turns.identify import SIGNATURE_MAX_AGE, Directory
from app.users import commands as users
from app.users import store as user_store
from app.users.models import User

from fakes.jwks import JwksServer
from fakes.signers import claims, signer

ACTOR = Actor("tests", "service")
GUEST = "shareChat-1760000000000-aB3dE5fG7hJ9kL1mN3pQ5rS7"
JUNK = ["junk", "sat_unknown", "a.b.c", "shareChat-1-2", "\0", "\ud800", "张三"]
PURPOSES = ("open", "ask", "bill")
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


class House:
    """A database with one issuer and one link, and the directory of one worker."""

    def __init__(self, db, keys, now):
        self.db, self.keys, self.now = db, keys, now
        with db.begin() as session:
            plans.ensure_builtin(session, actor=ACTOR, now=now)
            issuers.ensure_builtin(session, actor=ACTOR, now=now)
        self.issuer("portal", secrets=[signer("HS256").private], algorithms=["HS256"])
        self.link, self.key = self.make_link("physics")
        self.directory = self.worker()

    def worker(self, **changed) -> Directory:
        settings = {"session_max_age": 12 * HOUR, "key_sets": KeySets(allow_private=True)}
        return Directory(db=self.db, keys=self.keys, **(settings | changed))

    def do(self, command, *args, **kwargs):
        """Run a command in a transaction, and announce the revision as a surface would."""
        with self.db.begin() as session:
            done = command(session, *args, actor=ACTOR, now=self.now, **kwargs)
            number = revision.current(session)
        if hasattr(self, "directory"):
            self.directory.forget(number)
        return done

    def issuer(self, name: str, **spec):
        return self.do(issuers.create_issuer, IssuerSpec(name=name, **spec), keys=self.keys)

    def make_link(self, name: str, **spec):
        made = self.do(links.create, links.LinkSpec(name=name, **spec), keys=self.keys)
        return made.link, made.key

    def mint(self, subject: str = "walk-in", **spec):
        with self.db.begin() as session:
            local = token_store.get_issuer(session, "local")
            user = users.ensure(
                session,
                issuer_id=local.id,
                subject=subject,
                uid=self.keys.uid("local", subject),
                profile=users.Profile(),
                plan_id=None,
                now=self.now,
            )
        spec = tokens.MintSpec(user_id=user.id, **spec)
        return self.do(tokens.mint, spec, keys=self.keys)

    def who(self, token, purpose="open", *, at=None, key=None, directory=None):
        directory = directory or self.directory
        at = at or self.now
        return directory.identify(directory.link(key or self.key, at), token, at, purpose)

    def refused(self, token, purpose="open", **kwargs) -> str:
        with pytest.raises(Denied) as refusal:
            self.who(token, purpose, **kwargs)
        return refusal.value.code

    def user(self, subject: str = "stu-2291") -> User:
        with self.db.read() as session:
            return user_store.get_by_subject(session, subject)

    def change_user(self, command, subject, *args, issuer=None, **kwargs):
        def changed(session, *more, **named):
            user = user_store.get_by_subject(session, subject, issuer_name=issuer)
            return command(session, user, *more, **named)

        return self.do(changed, *args, **kwargs)

    def change_link(self, command, *args, **kwargs):
        def changed(session, *more, **named):
            return command(session, session.get(Link, self.link.id), *more, **named)

        return self.do(changed, *args, **kwargs)

    def count(self, table) -> int:
        with self.db.read() as session:
            return session.scalar(sa.select(sa.func.count()).select_from(table)) or 0

    def jwt(self, **changed) -> str:
        return signer("HS256").sign(claims(self.now, **changed))


@pytest.fixture
def house(db, keys, now):
    return House(db, keys, now)


@pytest.fixture
def statements(house):
    """The SQL that reaches the database."""
    seen = []
    listen = (house.db.engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    sa.event.listen(*listen)
    yield seen
    sa.event.remove(*listen)


# what a link is


def test_unknown_and_rotated_out_keys_are_refused_and_the_overlap_holds(house):
    fresh = house.change_link(links.rotate_key, overlap_s=60, keys=house.keys)
    assert house.directory.link(house.key, house.now + 59 * SECOND).name == "physics"
    assert house.directory.link(fresh, house.now + 61 * SECOND).name == "physics"
    for key in (house.key, "guess", ""):
        with pytest.raises(Denied) as refusal:
            house.directory.link(key, house.now + 60 * SECOND)
        assert refusal.value.code == "link_unknown"


def test_key_rotated_without_overlap_stops_a_finish_at_once(house):
    house.directory.link(house.key, house.now)
    house.change_link(links.rotate_key, overlap_s=0, keys=house.keys)
    assert house.refused(house.jwt(), "bill") == "link_unknown"


def test_unknown_keys_are_not_looked_up_each_time(house, statements):
    for _ in range(2):
        with pytest.raises(Denied):
            house.directory.link("guess", house.now)
    assert len([s for s in statements if "link_keys" in s]) == 1
    with pytest.raises(Denied):
        house.directory.link("guess", house.now + 5 * SECOND)
    assert len([s for s in statements if "link_keys" in s]) == 2


def test_link_is_found_by_name_for_the_root_without_a_key(house):
    assert house.directory.link_by_name("physics", house.now).id == house.link.id
    with pytest.raises(Denied):
        house.directory.link_by_name("chemistry", house.now)


def test_disabled_link_refuses_to_open_and_to_ask_but_bills(house):
    house.who(house.jwt(), "ask")
    house.change_link(links.set_enabled, enabled=False)
    assert house.refused(house.jwt()) == "link_disabled"
    assert house.refused(house.jwt(), "ask") == "link_disabled"
    assert house.who(house.jwt(), "bill").user_id == house.user().id


# who is let in


def test_verified_visitor_becomes_a_user_with_one_uid_for_every_hook(house):
    seen = [house.who(house.jwt(name="Ann"), purpose) for purpose in PURPOSES]
    assert {visitor.user.uid for visitor in seen} == {house.keys.uid("portal", "stu-2291")}
    assert {visitor.user_id for visitor in seen} == {house.user().id}
    assert [visitor.proof for visitor in seen] == ["token"] * 3
    assert (seen[0].user.name, seen[0].is_guest) == ("Ann", False)


def test_any_subject_is_kept_and_found_again(house):
    for subject in ["a\0b", "\ud800", "x" * 5000, "a|b/c\\d", "张三", " "]:
        first = house.who(house.jwt(sub=subject))
        house.directory.forget(house.directory.revision)
        assert house.who(house.jwt(sub=subject), "ask").user_id == first.user_id
        assert first.user.uid == house.keys.uid("portal", subject)


def test_missing_token_is_refused(house):
    for purpose in PURPOSES:
        assert house.refused(None, purpose) == "token_missing"
        assert house.refused("", purpose) == "token_missing"


def test_unrecognised_text_is_refused(house):
    for purpose in PURPOSES:
        for text in [*JUNK, "x" * 70000]:
            assert house.refused(text, purpose) == "token_rejected"


def test_token_of_a_switched_off_issuer_is_refused_but_billed(house):
    token = house.jwt()
    house.who(token)
    house.do(
        lambda session, **by: issuers.set_issuer_enabled(
            session, token_store.get_issuer(session, "portal"), enabled=False, **by
        )
    )
    assert house.refused(token) == "token_rejected"
    assert house.who(token, "bill").user_id == house.user().id


def test_link_takes_only_its_issuers_though_the_token_is_known(house):
    house.who(house.jwt())
    _, key = house.make_link("chemistry", issuers=("local",))
    house.who(house.jwt())
    assert house.refused(house.jwt(), key=key) == "token_wrong_link"
    assert house.who(house.jwt(), "bill", key=key).user.subject == "stu-2291"
    minted = house.mint()
    assert house.who(minted.text, key=key).user.subject == "walk-in"


def test_token_bound_to_a_link_by_claim_opens_no_other(house):
    house.issuer(
        "bound", algorithms=["HS512"], secrets=["b" * 64], claims={"link": "share"}
    )  # fmt: skip
    share_url = "https://fastgpt.example/chat/share?shareId=abc123"
    _, by_share_id = house.make_link("by share id", share_url=share_url)

    def token(share):
        return jwt.encode(claims(house.now, iss="bound", share=share), "b" * 64, "HS512")

    assert house.who(token("physics"))
    assert house.who(token(["x", "abc123"]), key=by_share_id)
    assert house.refused(token("abc123")) == "token_wrong_link"
    assert house.refused(token("physics"), key=by_share_id) == "token_wrong_link"
    assert house.who(token("physics"), "bill", key=by_share_id)


def test_issuer_that_does_not_introduce_people_admits_only_known_ones(house):
    closed = house.issuer("closed", algorithms=["HS256"], secrets=["c" * 64], creates_users=False)
    token = jwt.encode(claims(house.now, iss="closed"), "c" * 64, "HS256")
    assert house.refused(token) == "user_unknown"
    assert house.refused(token, "bill") == "user_unknown"
    assert house.count(User) == 0
    spec = users.UserSpec(issuer_id=closed.id, subject="stu-2291")
    made = house.do(users.create, spec, uid=house.keys.uid("closed", "stu-2291"))
    assert house.who(token).user_id == made.id


def test_plan_comes_from_the_user_then_the_issuer_then_the_default(house):
    gold = house.do(plans.create, plans.PlanSpec(name="gold"))
    house.do(plans.create, plans.PlanSpec(name="school"))
    house.issuer(
        "school",
        algorithms=["HS256"],
        secrets=["d" * 64],
        default_plan="school",
        claims={"plan": "plan"},
    )

    def plan(**changed):
        token = jwt.encode(claims(house.now, iss="school", **changed), "d" * 64, "HS256")
        return house.who(token).user.plan.name

    assert house.who(house.jwt()).user.plan.name == "default"
    assert plan(sub="a") == "school"
    assert plan(sub="b", plan="gold") == "gold"
    assert plan(sub="c", plan="no such plan") == "school"
    house.change_user(users.update, "a", users.UserChange(plan_id=gold.id))
    assert plan(sub="a") == "gold"


def test_limits_of_plan_link_and_user_override_each_other(house):
    tight = links.LinkChange(visitor_limits=VisitorLimits(questions_per_day=7, open_questions=1))
    house.change_link(links.update, tight)
    house.who(house.jwt())
    change = users.UserChange(limits=VisitorLimits(open_questions=3))
    house.change_user(users.update, "stu-2291", change)
    limits = house.who(house.jwt()).limits
    assert limits.questions_per_minute == 20  # the plan's
    assert limits.questions_per_day == 7  # the link's
    assert limits.open_questions == 3  # the user's


def test_changed_claims_are_taken_over_and_then_left_alone(house, statements):
    house.who(house.jwt(name="Ann", locale="en-GB"))
    renamed = house.jwt(name="Ann Lee", jti="2")
    house.directory.forget(house.directory.revision)
    assert house.who(renamed).user.name == "Ann Lee"
    assert (house.user().name, house.user().locale) == ("Ann Lee", "en")
    statements.clear()
    house.directory.forget(house.directory.revision)
    house.who(renamed)
    assert not [s for s in statements if s.startswith("UPDATE")]


# guests and channels


def test_guest_is_refused_unless_the_link_admits_guests(house):
    assert house.refused(GUEST) == "guests_refused"
    _, key = house.make_link("open day", allows_guests=True)
    assert house.who(GUEST, key=key).is_guest
    assert house.refused(GUEST) == "guests_refused"  # whatever another link allows


def test_guest_gets_a_row_with_the_first_question_and_keeps_the_uid(house):
    _, key = house.make_link("open day", allows_guests=True)
    opened = house.who(GUEST, key=key)
    assert (opened.user.id, house.count(User)) == (None, 0)
    asked = house.who(GUEST, "ask", key=key)
    assert house.count(User) == 1
    assert asked.user.uid == opened.user.uid == house.keys.uid("guest", GUEST)
    assert house.who(GUEST, key=key).user_id == asked.user_id
    assert house.count(VisitorSession) == 0


def test_guest_pays_nothing_under_the_built_in_plan_and_follows_the_links_own(house):
    paid = house.do(plans.create, plans.PlanSpec(name="paid guests"))
    _, key = house.make_link("open day", allows_guests=True)
    _, other = house.make_link("fair", allows_guests=True, guest_plan_id=paid.id)
    free = house.who(GUEST, key=key)
    assert (free.user.plan.name, free.is_free) == ("guest", True)
    assert free.user.plan.price_multiplier == Decimal(0)
    assert house.who(GUEST, key=other).user.plan.name == "paid guests"


def test_finish_of_a_guest_is_billed_even_when_guests_are_refused_by_then(house):
    billed = house.who(GUEST, "bill")
    assert billed.is_guest
    assert billed.user_id == house.user(GUEST).id


def test_suspended_guest_is_refused_before_and_after_opening(house):
    _, key = house.make_link("open day", allows_guests=True)
    house.who(GUEST, "ask", key=key)
    house.change_user(users.set_suspended, GUEST, suspended=True)
    assert house.refused(GUEST, key=key) == "user_suspended"


def test_channel_ids_are_taken_only_on_links_that_name_the_channel(house):
    house.issuer("wecom", kind="channel", pattern="wx[0-9a-f]{8}")
    _, key = house.make_link("wecom bot", issuers=("wecom",))
    visitor = house.who("wx0123abcd", "ask", key=key)
    assert (visitor.user.issuer_name, visitor.is_guest) == ("wecom", False)
    assert (visitor.user.is_channel, house.who(house.jwt(), "ask").user.is_channel) == (True, False)
    assert house.refused("wx0123abcd", "ask") == "token_rejected"
    assert house.refused("wx0123abcdX", "ask", key=key) == "token_rejected"
    assert house.who("wx0123abcd", "ask", key=key).user_id == visitor.user_id
    assert house.refused(house.jwt(), key=key) == "token_wrong_link"


# minted tokens


def test_minted_token_opens_until_it_expires(house):
    minted = house.mint(ttl_s=60)
    assert house.who(minted.text).user.uid == house.keys.uid("local", "walk-in")
    fresh = house.mint(ttl_s=60)
    assert house.refused(fresh.text, at=house.now + 60 * SECOND) == "token_expired"
    assert house.who(fresh.text, "bill", at=house.now + HOUR).proof == "signature"


def test_minted_token_opens_only_its_link(house):
    other, key = house.make_link("chemistry")
    minted = house.mint(link_id=other.id)
    assert house.who(minted.text, key=key)
    assert house.refused(minted.text) == "token_wrong_link"


def test_one_time_token_opens_one_session_and_no_other(house):
    _, other_key = house.make_link("chemistry")
    minted = house.mint(is_one_time=True, ttl_s=30 * 86400)
    for directory in (house.directory, house.worker()):
        assert house.who(minted.text, directory=directory).proof == "token"
        assert house.refused(minted.text, key=other_key, directory=directory) == "token_wrong_link"
        late = house.now + 12 * HOUR
        assert house.who(minted.text, "ask", at=late - SECOND, directory=directory)
        assert house.refused(minted.text, at=late, directory=directory) == "token_expired"
    assert house.who(minted.text, "bill", at=house.now + 13 * HOUR)


def test_one_time_token_cannot_be_used_twice_after_its_session_was_pruned(house):
    minted = house.mint(is_one_time=True, ttl_s=30 * 86400)
    spent = house.mint(is_one_time=True, ttl_s=60)
    house.who(minted.text)
    house.who(spent.text)
    later = house.now + timedelta(days=8)
    with house.db.begin() as session:
        assert token_store.prune_sessions(session, expired_before=later) == 1
    assert house.refused(minted.text, at=later, directory=house.worker()) == "token_expired"
    assert house.refused(spent.text, at=later, directory=house.worker()) == "token_expired"


def test_one_time_token_raced_on_two_links_opens_one(house):
    _, other_key = house.make_link("chemistry")
    minted = house.mint(is_one_time=True)
    outcomes, start = [], threading.Barrier(2)

    def visit(key):
        worker = house.worker()
        start.wait()
        try:
            house.who(minted.text, key=key, directory=worker)
            outcomes.append("in")
        except Denied as refusal:
            outcomes.append(refusal.code)

    threads = [threading.Thread(target=visit, args=(key,)) for key in (house.key, other_key)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["in", "token_wrong_link"]


# time, sessions and revocation


def test_session_carries_on_after_the_token_expired(house):
    token = house.jwt()
    house.who(token)
    for directory in (house.directory, house.worker()):
        late = house.who(token, "ask", at=house.now + 2 * HOUR, directory=directory)
        assert late.proof == "session"
        over = house.now + 12 * HOUR
        assert house.refused(token, at=over, directory=directory) == "token_expired"


def test_session_counts_from_the_first_opening_and_only_on_its_link(house):
    _, other_key = house.make_link("chemistry")
    token = house.jwt(exp=int(house.now.timestamp()) + 3600)
    house.who(token)
    house.who(token, at=house.now + HOUR / 2)
    with house.db.read() as session:
        (row,) = session.scalars(sa.select(VisitorSession)).all()
    assert (row.opened_at, row.expires_at) == (house.now, house.now + 12 * HOUR)
    assert house.refused(token, key=other_key, at=house.now + 2 * HOUR) == "token_expired"


def test_token_that_expired_before_it_ever_opened_is_refused_but_billed(house):
    token = house.jwt()
    late = house.now + HOUR
    assert house.refused(token, at=late) == "token_expired"
    assert house.refused(token, "ask", at=late) == "token_expired"
    assert (house.count(User), house.count(VisitorSession)) == (0, 0)
    billed = house.who(token, "bill", at=late)
    assert (billed.user.uid, billed.proof) == (house.keys.uid("portal", "stu-2291"), "signature")
    assert billed.user_id == house.user().id


def test_future_and_over_long_tokens_are_refused_however_well_signed(house):
    moment = int(house.now.timestamp())
    assert house.refused(house.jwt(nbf=moment + 120)) == "token_rejected"
    assert house.refused(house.jwt(iat=moment + 120)) == "token_rejected"
    assert house.refused(house.jwt(exp=moment + 90000)) == "token_rejected"
    assert house.count(User) == 0


def test_token_that_is_not_yet_valid_is_taken_later_from_memory(house):
    token = house.jwt(nbf=int(house.now.timestamp()) + 120)
    assert house.refused(token) == "token_rejected"
    assert house.who(token, at=house.now + 120 * SECOND)


def test_revoked_minted_token_is_refused_at_once_and_its_session_ended(house):
    minted = house.mint()
    house.who(minted.text)
    house.do(tokens.revoke_text, minted.text, keys=house.keys)
    assert house.refused(minted.text) == "token_revoked"
    assert house.refused(minted.text, at=house.now + 25 * HOUR) == "token_revoked"
    assert house.who(minted.text, "bill").proof == "signature"


def test_revoked_foreign_token_is_refused_at_once_session_or_not(house):
    token = house.jwt()
    house.who(token)
    assert house.do(tokens.revoke_text, token, keys=house.keys) == "foreign"
    assert house.refused(token) == "token_revoked"
    assert house.refused(token, at=house.now + 2 * HOUR) == "token_revoked"
    assert house.who(house.jwt(jti="another"))
    assert house.who(token, "bill").user_id == house.user().id


def test_revoked_token_stays_revoked_however_its_signature_is_written(house):
    """ECDSA allows (r, n - s) for every (r, s), and base64 allows padding."""
    house.issuer("curve", algorithms=["ES256"], public_keys=[signer("ES256").pem], issuer="curve")
    token = signer("ES256").sign(claims(house.now, iss="curve"))
    house.do(tokens.revoke_text, token, keys=house.keys)
    signed, _, signature = token.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    flipped = raw[:32] + (order - int.from_bytes(raw[32:])).to_bytes(32)
    other = f"{signed}.{base64.urlsafe_b64encode(flipped).rstrip(b'=').decode()}"
    assert other != token
    for written in (token, other, token + "=="):
        assert house.refused(written) == "token_revoked"


def test_forged_signature_on_a_known_token_is_refused(house):
    token = house.jwt()
    house.who(token)
    signed = token.rpartition(".")[0]
    assert house.refused(f"{signed}.AAAA") == "token_rejected"
    assert house.refused(f"{signed}.AAAA", "bill") == "token_rejected"


def test_revoking_a_users_tokens_ends_sessions_and_admits_newer_ones(house):
    token, minted = house.jwt(), house.mint("stu-2291")
    house.who(token)
    house.now += 10 * SECOND
    user = house.change_user(users.revoke_tokens, "stu-2291", issuer="portal")
    assert house.refused(token) == "token_revoked"
    assert house.refused(token, at=house.now + 2 * HOUR) == "token_revoked"
    assert house.refused(house.jwt(iat=None)) == "token_revoked"
    assert house.who(house.jwt(jti="newer"))
    assert house.who(minted.text)  # of the same subject at another issuer
    assert house.who(token, "bill").user_id == user.id


def test_suspension_takes_effect_when_the_worker_forgets_and_still_bills(house):
    token = house.jwt(locale="en")
    house.who(token)
    with house.db.begin() as session:
        user = user_store.get_by_subject(session, "stu-2291")
        users.set_suspended(session, user, suspended=True, actor=ACTOR, now=house.now)
        number = revision.current(session)
    assert house.who(token)  # nobody has told this worker yet
    house.directory.forget(number)
    with pytest.raises(Denied) as refusal:
        house.who(token, "ask")
    assert (refusal.value.code, refusal.value.locale) == ("user_suspended", "en")
    assert house.refused(house.jwt(jti="new")) == "user_suspended"
    assert house.count(VisitorSession) == 1
    assert house.who(token, "bill").user_id == user.id


def test_visitor_says_how_old_the_knowledge_may_be(house):
    house.directory.forget(7)
    link = house.directory.link(house.key, house.now)
    assert link.revision == house.directory.revision == 7
    house.directory.forget(link.revision + 5)
    visitor = house.directory.identify(link, house.jwt(), house.now, "open")
    assert visitor.revision == link.revision
    assert house.who(house.jwt()).revision == link.revision + 5


# key sets


def test_withdrawn_key_stops_its_tokens_but_a_session_still_bills(house):
    with JwksServer() as server:
        server.keys = [signer("RS256").jwk("one")]
        house.issuer("campus", algorithms=["RS256"], jwks_url=server.url)
        token = signer("RS256").sign(claims(house.now, iss="campus"), kid="one")
        assert house.who(token).user.issuer_name == "campus"
        server.keys = [signer("RS256-two").jwk("two")]
        sets = KeySets(allow_private=True, ttl=timedelta(0), wait_s=10)
        other = house.worker(key_sets=sets)
        assert house.refused(token, directory=other) == "token_rejected"
        billed = house.who(token, "bill", directory=other)
        assert (billed.proof, billed.user_id) == ("session", house.user().id)


def test_signature_is_checked_again_when_it_has_been_believed_long_enough(house):
    with JwksServer() as server:
        server.keys = [signer("RS256").jwk("one")]
        house.issuer("campus", algorithms=["RS256"], jwks_url=server.url)
        token = signer("RS256").sign(
            claims(house.now, iss="campus", exp=int(house.now.timestamp()) + 7200), kid="one"
        )
        house.directory = house.worker(
            key_sets=KeySets(allow_private=True, cooldown=timedelta(0), wait_s=10)
        )
        house.who(token)
        server.keys = [signer("RS256-two").jwk("two")]
        fresh = signer("RS256-two").sign(claims(house.now, iss="campus", sub="b"), kid="two")
        house.who(fresh)  # which brings the new set
        assert house.who(token, at=house.now + SIGNATURE_MAX_AGE - SECOND)
        assert house.refused(token, at=house.now + SIGNATURE_MAX_AGE) == "token_rejected"


def test_key_set_that_cannot_be_had_is_an_outage_not_a_refusal(house):
    with JwksServer() as server:
        server.status = 500
        house.issuer("campus", algorithms=["RS256"], jwks_url=server.url)
        token = signer("RS256").sign(claims(house.now, iss="campus"), kid="one")
        with pytest.raises(Unavailable) as outage:
            house.who(token, "bill")
        assert outage.value.code == "issuer_away"


# what it costs


def test_steady_state_needs_no_sql_and_no_signature_check(house, statements, monkeypatch):
    _, key = house.make_link("open day", allows_guests=True)
    minted, token = house.mint(), house.jwt(exp=int(house.now.timestamp()) + 60)
    for text in (minted.text, token, GUEST):
        house.who(text, "ask", key=key)
    statements.clear()
    monkeypatch.setattr("app.tokens.verify.verify", None)
    for text in (minted.text, token, GUEST):
        for purpose in PURPOSES:
            house.who(text, purpose, key=key)
    carried_on = house.who(token, at=house.now + 200 * SECOND, key=key)
    assert carried_on.proof == "session"
    assert statements == []


def test_remembered_visitors_go_on_while_the_database_is_away(house, monkeypatch):
    token = house.jwt()
    house.who(token)

    def away(*_: object) -> None:
        raise DatabaseAway("gone")

    monkeypatch.setattr(house.db, "read", away)
    monkeypatch.setattr(house.db, "begin", away)
    for purpose in PURPOSES:
        assert house.who(token, purpose).user.subject == "stu-2291"
    for stranger in (house.jwt(sub="new"), "sat_unknown"):
        with pytest.raises(Unavailable):
            house.who(stranger)
    with pytest.raises(Unavailable):
        house.who("junk", "bill")  # a session might prove it: ask again later


def test_rejection_is_remembered_briefly_and_never_for_a_bill(house, statements):
    assert house.refused("sat_unknown") == "token_rejected"
    statements.clear()
    assert house.refused("sat_unknown") == "token_rejected"
    assert statements == []
    assert house.refused("sat_unknown", at=house.now + 5 * SECOND) == "token_rejected"
    assert statements


def test_visitor_seen_first_by_many_workers_at_once_is_one_user(house):
    token, start, seen = house.jwt(), threading.Barrier(8), []

    def visit():
        worker = house.worker()
        start.wait()
        seen.append(house.who(token, directory=worker).user_id)

    threads = [threading.Thread(target=visit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [house.user().id] * 8
    assert (house.count(User), house.count(VisitorSession)) == (1, 1)


def test_session_that_another_worker_opens_meanwhile_has_its_user(house, monkeypatch):
    token, late = house.jwt(), house.worker()
    session = late._register.session

    def session_after_another_came_first(evidence, call):
        house.who(token, directory=house.worker())
        return session(evidence, call)

    monkeypatch.setattr(late._register, "session", session_after_another_came_first)
    assert house.who(token, directory=late).user_id == house.user().id
    assert house.who(token, directory=late, purpose="ask").user_id == house.user().id


def test_service_that_was_not_started_properly_says_so(db, keys, now):
    with db.begin() as session:
        session.add(Link(**_bare_link(now)))
    directory = Directory(db=db, keys=keys, key_sets=KeySets(), session_max_age=timedelta(hours=1))
    with pytest.raises(Exception, match="built-in"):
        directory.link_by_name("physics", now)


def _bare_link(now) -> dict[str, object]:
    spec = links.LinkSpec(name="physics")
    return {"name": "physics", "status": "active", "created_at": now, **links._columns(spec)}
