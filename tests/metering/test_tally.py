from app.metering.tally import DETAILS_MAX, OTHER, Tally, merge


def test_counts_are_sorted_and_added():
    tally = Tally()
    tally.add("b")
    tally.add("a", times=2)
    tally.add("b")
    assert list(tally.counts().items()) == [("a", 2), ("b", 2)]
    assert merge({"a": 1}, {"a": 2, "b": 1}, {}) == {"a": 3, "b": 1}


def test_details_beyond_the_bound_are_counted_together():
    tally = Tally()
    for n in range(DETAILS_MAX + 3):
        tally.add("kind", str(n))
    tally.add("kind", "0")
    assert tally.counts()[f"kind:{OTHER}"] == 3
    assert tally.counts()["kind:0"] == 2
