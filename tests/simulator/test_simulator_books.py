from app.simulator.books import Booked, compare
from app.simulator.tally import Due


def due(*finishes: tuple[str, int], blank_count: int = 0) -> Due:
    points = sum(nano for _, nano in finishes)
    return Due(points, None, list(finishes), blank_count)


def booked(points: int, questions: int) -> Booked:
    return Booked(points, points, questions, points)


def test_equal_books_differ_in_nothing():
    assert compare({"anna": due(("G4 chat", 5))}, {"anna": booked(5, 1)}) == []
    assert compare({}, {"quiet": Booked()}) == []


def test_one_nano_unit_is_a_difference():
    (found,) = compare({"anna": due(("G4 chat", 5))}, {"anna": booked(6, 1)})
    assert (found.subject, found.what) == ("anna", "points")
    assert (found.expected, found.booked, found.hint) == ("0.000000005", "0.000000006", "")


def test_missing_finish_is_named():
    points, questions = compare(
        {"anna": due(("G4 chat", 5), ("G5 agent", 7))}, {"anna": booked(5, 1)}
    )
    assert "G5 agent finish were missing" in points.hint
    assert (questions.expected, questions.booked) == ("2", "1")


def test_double_charge_is_named():
    points, _ = compare({"anna": due(("G4 loop", 5))}, {"anna": booked(10, 2)})
    assert "G4 loop finish were counted twice" in points.hint


def test_points_of_a_visitor_who_sent_nothing_are_a_difference():
    found = compare({}, {"ghost": booked(1, 1)})
    assert [difference.what for difference in found] == ["points", "questions"]


def test_unknown_visitor_is_missing_everything():
    found = compare({"anna": due(("G4 chat", 5))}, {})
    assert [difference.what for difference in found] == ["points", "questions"]


def test_any_number_of_blank_finishes_from_one_up_is_right():
    owed = due(("G4 empty", 0), ("G4 empty", 0), ("G4 chat", 5), blank_count=2)
    assert compare({"anna": owed}, {"anna": booked(5, 2)}) == []
    assert compare({"anna": owed}, {"anna": booked(5, 3)}) == []
    (found,) = compare({"anna": owed}, {"anna": booked(5, 1)})
    assert found.expected == "2 to 3"


def test_wallet_must_have_lost_what_the_events_charged():
    (found,) = compare({"anna": due(("G4 chat", 5))}, {"anna": Booked(5, 50, 1, 49)})
    assert (found.what, found.expected, found.booked) == ("wallet", "0.00000005", "0.000000049")


def test_charge_must_be_the_price_of_what_was_sent_where_that_is_known():
    owed = Due(5, 50, [("G4 chat", 5)], 0)
    assert compare({"anna": owed}, {"anna": Booked(5, 50, 1, 50)}) == []
    (found,) = compare({"anna": owed}, {"anna": Booked(5, 51, 1, 51)})
    assert (found.what, found.expected, found.booked) == ("charge", "0.00000005", "0.000000051")
