"""What is read before the memory was dropped must not be remembered after."""

from app.turns.memory import Memory, Shelf


def test_what_was_read_before_forgetting_is_not_kept():
    memory = Memory()
    shelf: Shelf[str, int] = memory.shelf(10)
    epoch = memory.epoch
    memory.forget(5)
    shelf.put("a", 1, epoch=epoch)
    assert shelf.get("a") is None
    shelf.put("a", 2, epoch=memory.epoch)
    assert shelf.get("a") == 2


def test_forgetting_clears_every_shelf_and_remembers_the_revision():
    memory = Memory()
    shelves: list[Shelf[str, int]] = [memory.shelf(10), memory.shelf(10)]
    for shelf in shelves:
        shelf.put("a", 1, epoch=memory.epoch)
    memory.forget(5)
    assert [shelf.get("a") for shelf in shelves] == [None, None]
    assert memory.revision == 5


def test_older_news_changes_nothing():
    memory = Memory()
    shelf: Shelf[str, int] = memory.shelf(10)
    memory.forget(5)
    shelf.put("a", 1, epoch=memory.epoch)
    memory.forget(4)
    assert (shelf.get("a"), memory.revision) == (1, 5)


def test_least_recently_used_makes_room():
    memory = Memory()
    shelf: Shelf[str, int] = memory.shelf(2)
    for name in ("a", "b"):
        shelf.put(name, 1, epoch=memory.epoch)
    shelf.get("a")
    shelf.put("c", 1, epoch=memory.epoch)
    assert [shelf.get(name) for name in "abc"] == [1, None, 1]
    shelf.drop("c")
    assert shelf.get("c") is None
