"""`.batch`: a function of many items is asked for those that are not kept; every store, both colours."""

import pytest


@pytest.fixture
def asked():
    """The items of each call of the function."""
    return []


@pytest.fixture
def users(place, asked):
    """A function of ids, undecorated; it knows of no user above 99."""

    async def function(ids, suffix=""):
        asked.append(list(ids))
        return {one: f"user {one}{suffix}" for one in ids if one < 100}

    return place.function(function)


async def test_only_what_is_not_kept_is_asked_for(place, users, asked):
    """Each once; the result is in the order of the question."""
    cached = place.cache.batch("1h", "user:{ids}", "ids")(users)
    assert await place.call(cached, [1, 2, 1]) == {1: "user 1", 2: "user 2"}
    found = await place.call(cached, ids=(3, 2))
    assert list(found.items()) == [(3, "user 3"), (2, "user 2")]
    assert await place.call(cached, []) == {}
    assert asked == [[1, 2], [3]]
    assert await place.ask.get("user:3") == "user 3"


async def test_what_the_function_leaves_out_is_asked_for_again(place, users, asked):
    """And is not in the result."""
    cached = place.cache.batch("1h", "user:{ids}", "ids")(users)
    assert await place.call(cached, [1, 999]) == await place.call(cached, [1, 999]) == {1: "user 1"}
    assert asked == [[1, 999], [999]]


async def test_each_item_has_its_own_life_tags_and_condition(place, users, asked):
    """Made from the item, the other arguments and the value."""
    decorate = place.cache.batch(
        lambda ids: "1h" if ids == 1 else "1m",
        "user:{ids}:{suffix}",
        "ids",
        tags=["user:{ids}"],
        condition=lambda result: result != "user 3!",
    )
    cached = decorate(users)
    await place.call(cached, [1, 2, 3], "!")
    assert sorted(await place.ask.scan()) == ["user:1:!", "user:2:!"]
    place.clock.advance("1m")
    assert await place.ask.delete_tags("user:1", "user:2") == 1
    await place.call(cached, [1, 2, 3], suffix="!")
    assert asked == [[1, 2, 3], [1, 2, 3]]


async def test_methods_of_every_kind_take_many(place, asked):
    """Class and static methods with the decorator on either side; an instance by what the key says of it."""
    batch = place.cache.batch("1h", "{ids}", "ids")

    async def plain(ids):
        asked.append(ids)
        return dict.fromkeys(ids, 1)

    async def of_class(cls, ids):
        asked.append(ids)
        return dict.fromkeys(ids, cls.__name__)

    class Items:
        one = staticmethod(batch(place.function(plain)))
        two = batch(staticmethod(place.function(plain)))
        three = classmethod(batch(place.function(of_class)))
        four = batch(classmethod(place.function(of_class)))
        five = place.cache.batch("1h", "{cls.number}:{ids}", "ids")(place.function(of_class))
        __name__ = "an instance"
        number = 7

    for ids, found, method in (
        ([1], {1: 1}, Items.one),
        ([2], {2: 1}, Items.two),
        ([3], {3: "Items"}, Items.three),
        ([4], {4: "Items"}, Items().four),
        ([5], {5: "an instance"}, Items().five),
    ):
        assert await place.call(method, ids) == await place.call(method, ids) == found
    assert asked == [[1], [2], [3], [4], [5]]


async def test_what_fails_or_is_no_mapping_keeps_nothing(place, users, asked):
    """The caller gets the error, though one of the items is kept."""
    cached = place.cache.batch("1h", "user:{ids}", "ids")(users)
    await place.call(cached, [1])

    async def fails(ids):
        raise ConnectionError

    async def lists(ids):
        return list(ids)

    for function, error in ((fails, ConnectionError), (lists, TypeError)):
        with pytest.raises(error):
            await place.call(place.cache.batch("1h", "user:{ids}", "ids")(place.function(function)), [1, 2])
    assert await place.ask.scan() == ["user:1"]
