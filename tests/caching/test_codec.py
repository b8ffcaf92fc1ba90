"""Values come back as what they were: the same rules for every store."""

import gc
import sys
import zoneinfo
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from dataclasses import InitVar, dataclass, field, make_dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import ClassVar, Generic, NamedTuple, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.caching.codec import ABSENT, Codec, Registry, ready_value, register_type
from resilient.entry import COUNTER, Entry
from resilient.errors import ConfigurationError, CorruptEntryError, StoreError

T = TypeVar("T")
SECRET = "a secret of the program"


class Colour(Enum):
    RED = "red"
    CRIMSON = RED
    BLUE = (0, 0, 255)


class Level(IntEnum):
    LOW = 1


class Word(StrEnum):
    YES = "yes"


class Right(Flag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: int
    y: object = None


Pair = namedtuple("Pair", "left right")


@dataclass
class Address:
    street: str
    lines: list = field(default_factory=list)
    known: ClassVar[int] = 0


@dataclass(frozen=True, slots=True)
class Money:
    amount: Decimal
    currency: str


@dataclass(order=True)
class Customer(Address):
    money: Money | None = None
    boss: "Customer | None" = None
    rank: int = field(default=3, init=False)
    raw: InitVar[str] = ""

    def __post_init__(self, raw):
        self.rank = len(raw)

    @cached_property
    def length(self):
        return len(self.street)


@dataclass
class Box(Generic[T]):
    held: T


class Outer:
    @dataclass
    class Inner:
        size: int

    class Kind(Enum):
        ONE = 1


class Slotted:
    __slots__ = ("hidden",)


@dataclass
class HalfSlotted(Slotted):
    size: int


def again(value, codec=None, key="key"):
    """``value`` after a store."""
    codec = codec or Codec()
    return codec.decode(key, entry_of(codec.encode(key, value)))


def entry_of(encoded):
    """What a store keeps and gives back: no more than bytes and plain metadata."""
    return Entry(body=encoded.body, meta=dict(encoded.meta), stored_at=0.0, fresh_until=1.0, expires_at=1.0)


def form(value):
    """A value with all that ``==`` does not look at: types, order, signs of zero, NaNs, folds and zones."""
    kind = type(value)
    if kind is float:
        return kind, value.hex()
    if kind is complex:
        return kind, form(value.real), form(value.imag)
    if kind is Decimal:
        return kind, value.as_tuple()
    if kind in (datetime, time):
        return kind, value.isoformat(), value.fold, value.tzinfo
    if kind in (list, tuple, deque):
        return kind, getattr(value, "maxlen", None), tuple(map(form, value))
    if kind in (set, frozenset):
        return kind, frozenset(map(form, value))
    if kind in (dict, OrderedDict):
        return kind, tuple((form(key), form(item)) for key, item in value.items())
    if hasattr(value, "_fields"):
        return kind, tuple(map(form, value))
    if hasattr(value, "__dataclass_fields__"):
        return kind, tuple((name, form(getattr(value, name))) for name in value.__dataclass_fields__ if name != "raw")
    return kind, value


EXAMPLES = [
    None, True, False, 0, 1, -1, 2**63 - 1, -(2**63), 2**63, 2**64, -(2**63) - 1, 10**400, -(10**400),
    0.0, -0.0, 1.5, float("nan"), float("inf"), float("-inf"), 5e-324,
    "", "0", "-17", "1.0", "None", "é", "\0", "\ud800", "😀", b"", b"12", b"\xff\0", bytearray(b"ab"), bytearray(),
    [], {}, (), set(), frozenset(), [[]], ((),), {"a": [1, (2, {3: "x"})]}, [1, True, 1.0, "1", b"1", None],
    {1: "int", "1": "str", b"1": "bytes", None: 0, (1, 2): "pair", 2.5: 0, Decimal(7): 0, frozenset({9}): 0},
    {"b": 1, "a": 2, "\ud800": 3}, {2**70: -(2**70)}, {True: 1, 0: False}, {(): {}}, {1, "1", b"1", None, (1,)},
    OrderedDict(b=1, a=[2]), deque([1, (2,)]), deque([1, 2], maxlen=2), deque(maxlen=0),
    Decimal("1.10"), Decimal("-0"), Decimal("sNaN12"), Decimal("Infinity"), Decimal("1E-999999"),
    UUID(int=7), 1 + 2j, complex(-0.0, float("inf")), range(3), range(10, -(10**30), -7),
    date(1, 1, 1), time(23, 59, 59, 999999), time(1, tzinfo=UTC), time(2, fold=1), datetime(2024, 2, 29, 12),
    datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=-3), "here")),
    datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")), datetime.max, datetime.min,
    timedelta(days=-999999999), timedelta(microseconds=1), UTC, ZoneInfo("Asia/Tokyo"),
    Path("/tmp/\udcff"), PurePosixPath("a/../b"), PureWindowsPath(r"C:\x"),
    Colour.RED, Colour.CRIMSON, Colour.BLUE, Level.LOW, Word.YES, Right.READ, Outer.Kind.ONE, {Level.LOW: Word.YES},
    Point(1), Point(2, [Point(3)]), Pair({}, ()), Address("Main", ["1"]), Money(Decimal("9.90"), "EUR"),
    Customer("A", [], Money(Decimal(1), "X"), Customer("B"), raw="long"), Box(1), Box[int](2), Outer.Inner(1),
    {Money(Decimal(1), "EUR"): {Point(1)}}, HalfSlotted(3),
]  # fmt: skip


@pytest.mark.parametrize("secret", [None, SECRET], ids=["plain", "signed"])
@pytest.mark.parametrize("value", EXAMPLES, ids=lambda one: type(one).__name__)
def test_a_value_comes_back_as_what_it_was(value, secret):
    """Equal, of equal types all the way down, alone and inside other values."""
    codec = Codec(secret=secret)
    for kept in (value, [value], {"value": value}, (value, "\ud800")):
        assert form(again(kept, codec)) == form(kept)


HASHABLE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary() | st.text(st.characters(codec=None))
    | st.decimals(allow_nan=False) | st.uuids() | st.dates() | st.times(timezones=st.timezones())
    | st.datetimes(timezones=st.none() | st.timezones() | st.just(UTC), allow_imaginary=True)
    | st.timedeltas() | st.complex_numbers() | st.sampled_from([*Colour, *Level, *Word, *Right])
    | st.builds(range, st.integers(), st.integers(), st.integers(min_value=1)),
    lambda inner: st.tuples(inner) | st.tuples(inner, inner) | st.frozensets(inner, max_size=4)
    | st.builds(Point, inner, inner) | st.builds(Money, st.decimals(allow_nan=False), inner),
    max_leaves=6,
)  # fmt: skip
VALUES = st.recursive(
    HASHABLE | st.builds(bytearray, st.binary()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(HASHABLE, inner, max_size=4)
    | st.sets(HASHABLE, max_size=4) | st.builds(deque, st.lists(inner, max_size=3), st.none() | st.integers(0, 5))
    | st.builds(OrderedDict, st.dictionaries(HASHABLE, inner, max_size=3)) | st.builds(Box, inner)
    | st.builds(Customer, st.text(), st.lists(inner, max_size=2)) | st.builds(Pair, inner, inner),
    max_leaves=12,
)  # fmt: skip


@settings(deadline=None)
@given(VALUES)
def test_any_value_of_the_rules_comes_back(value):
    """Whatever is put together of the kinds above, signed or not."""
    assert form(again(value)) == form(value)
    assert form(again(value, Codec(secret=SECRET))) == form(value)


def test_a_zone_comes_back_as_the_same_object():
    """Python compares and subtracts times of one zone object in another way than those of two."""
    zone = ZoneInfo("Europe/Berlin")
    assert again(datetime(2024, 1, 1, tzinfo=zone)).tzinfo is zone
    assert again(UTC) is UTC


def test_no_constructor_runs_when_a_value_comes_back():
    """What ``__post_init__`` would compute is what was kept, and results of a cached property are not."""
    customer = Customer("Main", raw="12345")
    customer.rank = 99
    assert customer.length == 4
    back = again(customer)
    assert (back.rank, vars(back).keys() & {"length"}, back.length) == (99, set(), 4)


# --- what a store sees -------------------------------------------------------------------------------------------


def test_a_whole_number_is_a_counter_to_which_a_store_can_add():
    """Of at most 64 bits, and no other kind of number; with a secret too, since a store could not sign."""
    for codec in (Codec(), Codec(secret=SECRET)):
        for number in (0, -7, 2**63 - 1, -(2**63)):
            encoded = codec.encode("key", number)
            assert (encoded.body, encoded.meta) == (str(number).encode(), COUNTER)
        for other in (True, Level.LOW, 1.0, 2**63, "1"):
            assert codec.encode("key", other).meta["kind"] != "int"


def test_bytes_and_text_are_kept_as_they_are():
    """No copy of bytes, UTF-8 of text."""
    data = b"x" * 100
    assert Codec().encode("key", data)[:2] == (data, {"kind": "bytes"})
    assert Codec().encode("key", data).body is data
    assert Codec().encode("key", "é")[:2] == ("é".encode(), {"kind": "str"})
    assert Codec().encode("key", [1]).meta == {"kind": "msgpack", "v": 1}


# --- whose the value is ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [None, 1, True, b"x", 1.5, 2**70, "\ud800", Decimal(1), UUID(int=1), date.max, datetime.max, timedelta(1),
     1j, range(3), Path("a"), Colour.BLUE, (1, ("x", frozenset({2}))), ()],
    ids=lambda one: type(one).__name__,
)  # fmt: skip
def test_a_value_that_nobody_can_change_is_handed_out_as_it_is(value):
    """The very object: neither when it is written nor after it was read once is it decoded again."""
    codec = Codec()
    encoded = codec.encode("key", value)
    assert ready_value(entry_of(encoded).ready(encoded.decoded)) is value

    entry = entry_of(encoded)
    assert ready_value(entry) is ABSENT
    first = codec.decode("key", entry)
    assert codec.decode("key", entry) is first
    assert ready_value(entry) is first
    assert form(first) == form(value)


@pytest.mark.parametrize("value", ["", "x" * 2048, "漢\0é"], ids=ascii)
def test_text_is_ready_without_being_held_twice(value):
    """What was written is made of the body, and nothing else is held; also after it was read once."""
    codec = Codec()
    encoded = codec.encode("key", value)
    entry = entry_of(encoded)
    assert codec.decode("key", entry) == value
    for one in (entry, entry_of(encoded).ready(encoded.decoded)):
        assert ready_value(one) == value
        assert value not in gc.get_referents(one.decoded)
        assert one.size() == entry_of(encoded).size()


@pytest.mark.parametrize(
    "value", [b"x" * 5000, tuple(range(1000, 2000)), frozenset(map(str, range(1000))), ("x" * 5000, ("y" * 5000,))]
)
def test_what_an_entry_has_ready_counts(value):
    """The bound of a store in memory is one of all that it holds; bytes are held once."""
    encoded = Codec().encode("key", value)
    bare = entry_of(encoded).size()
    parts = 0 if type(value) is bytes else sum(map(sys.getsizeof, [value, *value]))
    assert entry_of(encoded).ready(encoded.decoded).size() - bare >= parts
    if not parts:
        assert entry_of(encoded).ready(encoded.decoded).size() == bare


@pytest.mark.parametrize(
    "value",
    [[1], {}, {1}, bytearray(b"x"), ([],), (1, ({},)), Point(1), Address("x"), Money(Decimal(1), "X"), deque()],
    ids=lambda one: type(one).__name__,
)
def test_a_value_that_could_be_changed_is_the_callers_own(value):
    """Each reader gets another one, and none is the writer's."""
    codec = Codec()
    encoded = codec.encode("key", value)
    assert encoded.decoded is None
    entry = entry_of(encoded)
    first, second = codec.decode("key", entry), codec.decode("key", entry)
    assert first is not second
    assert first is not value
    assert form(first) == form(second) == form(value)


def test_changing_a_value_never_changes_the_cache():
    """Neither that which was written, nor that which was read."""
    codec = Codec()
    value = {"rows": [[1], {2}]}
    entry = entry_of(codec.encode("key", value))
    value["rows"].append(3)
    codec.decode("key", entry)["rows"][0].append(4)
    assert codec.decode("key", entry) == {"rows": [[1], {2}]}


# --- what is refused ---------------------------------------------------------------------------------------------


class Finalised:
    def __del__(self): ...


@dataclass
class WithDel(Finalised):
    size: int


@dataclass
class DictToo(dict):
    size: int = 0


@dataclass
class Renamed:
    size: int


Renamed.__qualname__ = "Elsewhere"


class Doubled:
    """A descriptor that is the default of a field, as dataclasses allow."""

    def __get__(self, instance, owner):
        return 1 if instance is None else vars(instance)["_size"]

    def __set__(self, instance, value):
        vars(instance)["_size"] = 2 * value


@dataclass
class Computed:
    size: int = Doubled()


class SubTuple(Point):
    pass


class Zone(tzinfo):
    pass


def local():
    @dataclass
    class Local:
        size: int

    return Local(1)


def with_extra():
    value = Address("x")
    value.session = 1
    return value


def half_slotted():
    value = HalfSlotted(1)
    value.hidden = 2
    return value


def sub_tuple():
    value = SubTuple(1)
    value.more = 2
    return value


def nameless_zone():
    for folder in zoneinfo.TZPATH:
        if (path := Path(folder) / "Europe/Berlin").is_file():
            with path.open("rb") as file:
                return ZoneInfo.from_file(file)
    return pytest.skip("no time zones here")


def unset():
    value = Address("x")
    del value.street
    return value


IN_HERE = {"__module__": __name__}
REFUSED = {
    "object": (object, "builtins.object cannot be kept: it is none of the types"),
    "function": (lambda: local, "builtins.function"),
    "class": (lambda: Address, "builtins.type"),
    "error": (lambda: ValueError("x"), "ValueError"),
    "memoryview": (lambda: memoryview(b""), "memoryview"),
    "subclass of str": (lambda: type("Text", (str,), {})("x"), "Text"),
    "defaultdict": (lambda: defaultdict(list), "defaultdict"),
    "Counter": (lambda: Counter("ab"), "Counter"),
    "local class": (local, "defined inside a function"),
    "class whose name is another's": (make_dataclass("Address", [], namespace=IN_HERE), "under its name"),
    "class under another name": (lambda: Renamed(1), "does not hold it under its name"),
    "class with __del__": (lambda: WithDel(1), "__del__"),
    "dataclass that is a dict": (DictToo, "more than its fields"),
    "field that is a descriptor": (lambda: Computed(1), "'size' is a property"),
    "attribute that is no field": (with_extra, "no fields: session"),
    "slot that is no field": (half_slotted, "no fields: hidden"),
    "named tuple with attributes": (sub_tuple, "no fields"),
    "field that is not set": (unset, "street"),
    "flags": (lambda: Right.READ | Right.WRITE, "combination of flags"),
    "zone of a program": (lambda: datetime(2024, 1, 1, tzinfo=Zone()), "Zone"),
    "zone without a name": (nameless_zone, "without a name"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_not_come_back_is_refused(case):
    """At once, when it is written, and with the reason; alone or deep inside."""
    make, why = REFUSED[case]
    for value in (make(), {"deep": [(make(),)]}):
        with pytest.raises(StoreError, match=why):
            Codec().encode("key", value)


def test_a_refusal_names_the_type_and_the_ways_out():
    """Whoever reads it knows what to do."""
    with pytest.raises(StoreError) as refused:
        Codec().encode("key", object())
    assert str(refused.value).startswith("a value of type builtins.object cannot be kept: it is none")
    assert "register_type(object, encode, decode)" in str(refused.value)
    assert "secret=" in str(refused.value)


def test_a_value_that_holds_itself_is_refused():
    """Lists, dicts and instances; never a RecursionError."""
    loop = []
    loop.append(loop)
    circle = {}
    circle["me"] = (circle,)
    boss = Customer("A")
    boss.boss = boss
    for value in (loop, circle, boss):
        with pytest.raises(StoreError, match="holds itself"):
            Codec().encode("key", value)


@pytest.mark.parametrize(
    ("wrap", "depth"),
    [(lambda v: [v], 100), (lambda v: {"v": v}, 100), (lambda v: (v,), 100), (Box, 50)],
    ids=["list", "dict", "tuple", "dataclass"],
)
def test_a_value_may_be_nested_a_hundred_deep(wrap, depth):
    """What is deeper is refused when it is written, and not only when it is read; an instance counts twice."""
    value = 0.5
    for _ in range(depth):
        value = wrap(value)
    assert form(again(value)) == form(value)
    with pytest.raises(StoreError, match="more than 100 deep"):
        Codec().encode("key", wrap(wrap(value)))


def test_what_is_shared_is_two_after_a_store():
    """Said in the documentation: a value is a tree."""
    shared = [1]
    first, second = again([shared, shared])
    assert first == second
    assert first is not second


# --- a class that has changed ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [["street"], ["street", "lines", "more"], ["street", "line"]], ids=str)
def test_an_instance_of_a_class_that_has_changed_is_a_miss(monkeypatch, fields):
    """A field is gone, new, or has another name: nothing is guessed."""
    entry = entry_of(Codec().encode("key", Address("Main")))
    changed = make_dataclass("Address", fields)
    changed.__module__ = __name__
    monkeypatch.setattr(sys.modules[__name__], "Address", changed)
    with pytest.raises(CorruptEntryError):
        Codec().decode("key", entry)


def test_a_member_that_is_gone_and_a_class_of_another_kind_are_a_miss(monkeypatch):
    """An enumeration without that name, a named tuple where a dataclass was, and nothing at all."""
    member, instance = (entry_of(Codec().encode("key", value)) for value in (Colour.RED, Box(1)))
    monkeypatch.setattr(sys.modules[__name__], "Colour", Enum("Colour", {"GREEN": 1}, module=__name__))
    tuples = namedtuple("Box", "held", module=__name__)
    monkeypatch.setattr(sys.modules[__name__], "Box", tuples)
    assert again(tuples(1)) == (1,)
    for entry in (member, instance):
        with pytest.raises(CorruptEntryError):
            Codec().decode("key", entry)
    monkeypatch.delattr(sys.modules[__name__], "Box")
    with pytest.raises(CorruptEntryError):
        Codec().decode("key", instance)


# --- registered types --------------------------------------------------------------------------------------------


class Price(Exception):
    """Nothing that a cache would know."""

    def __init__(self, amount):
        super().__init__(amount)
        self.amount = amount


def price_of(amount):
    return Price(amount)


@pytest.fixture
def types():
    return Registry()


def test_a_registered_type_comes_back_by_its_own_functions(types):
    """Whatever its class is; what encode gives comes back exactly, tuples as tuples."""
    types.register(Price, lambda money: (money.amount, "EUR"), lambda parts: Price(parts[0]))
    back = again([Price(Decimal("1.5"))], Codec(types=types))[0]
    assert type(back) is Price
    assert back.amount == Decimal("1.5")


def test_a_registered_type_has_its_own_way_even_if_the_cache_knows_another(types):
    """A dataclass, and a class that is defined inside a function."""
    value = local()
    types.register(type(value), lambda one: one.size, type(value))
    types.register(Address, lambda one: one.street, lambda street: Address(street, ["decoded"]))
    codec = Codec(types=types)
    assert again(value, codec) == value
    assert again(Address("Main"), codec) == Address("Main", ["decoded"])


def test_what_a_registered_type_raises_or_mistakes_is_a_damaged_entry(types):
    """Its decode function fails, gives something else, or is gone; encode fails when it is written."""
    kept = {}
    for amount, decode in ((1, lambda amount: amount), (2, lambda amount: 1 / 0)):
        types.register(Price, lambda money: money.amount, decode)
        kept[amount] = entry_of(Codec(types=types).encode("key", Price(amount)))
        with pytest.raises(CorruptEntryError):
            Codec(types=types).decode("key", kept[amount])
    with pytest.raises(CorruptEntryError):
        Codec(types=Registry()).decode("key", kept[1])

    types.register(Price, lambda money: 1 / 0, price_of)
    with pytest.raises(StoreError, match="division"):
        Codec(types=types).encode("key", Price(1))


def test_a_class_that_is_loaded_again_takes_the_place_of_the_old_one(types):
    """By name; the old class is not kept any more."""
    old, new = (type("Reloaded", (), {"__module__": "shop"}) for _ in range(2))
    for cls in (old, new):
        types.register(cls, lambda value: None, lambda none, cls=cls: cls())
    assert type(again(new(), Codec(types=types))) is new
    with pytest.raises(StoreError):
        Codec(types=types).encode("key", old())


def test_types_are_registered_for_every_cache():
    """The function of the package fills what a codec looks into by default."""
    register_type(Price, lambda money: money.amount, price_of)
    assert again(Price(5)).amount == 5


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("Price", str, price_of), "give a class"),
        ((dict, list, dict), "kept already"),
        ((Decimal, str, Decimal), "kept already"),
        ((Price, "amount", price_of), "encode='amount'"),
        ((Price, str, None), "decode=None"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_a_wrong_registration_is_refused(types, arguments, why):
    """When it is made, with what would be right."""
    with pytest.raises(ConfigurationError, match=why):
        types.register(*arguments)


# --- what other libraries make -----------------------------------------------------------------------------------

pydantic = pytest.importorskip("pydantic")
attrs = pytest.importorskip("attrs")


class Item(pydantic.BaseModel):
    name: str
    price: Decimal = Decimal(1)
    parts: list["Item"] = pydantic.Field(default_factory=list)
    _seen: int = pydantic.PrivateAttr(default=0)

    @pydantic.field_validator("name")
    @classmethod
    def short(cls, name):
        if len(name) > 5:
            raise ValueError("too long")
        return name

    @cached_property
    def shout(self):
        return self.name.upper()


class Open(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow", frozen=True)
    name: str


class Names(pydantic.RootModel[list[str]]):
    pass


class Page(pydantic.BaseModel, Generic[T]):
    items: list[T]


class ItemPage(Page[Item]):
    pass


@pydantic.dataclasses.dataclass
class Checked:
    size: int


def model_state(model):
    """All that a model is."""
    if isinstance(model, pydantic.BaseModel):
        private = getattr(model, "__pydantic_private__", None)
        return type(model), vars(model), model.model_fields_set, model.model_extra, private
    return type(model), model


def test_a_model_comes_back_with_all_that_it_is():
    """Fields with their exact types, which were given, extra and private attributes."""
    item = Item(name="a", parts=[Item(name="b")])
    item._seen = 5
    assert item.shout == "A"
    back = again(item)
    assert (back, back._seen, back.model_fields_set, type(back.parts[0])) == (item, 5, {"name", "parts"}, Item)
    assert vars(back).keys() == {"name", "price", "parts"}
    for model in (Open(name="x", more=(1, 2)), Names(["a"]), ItemPage(items=[Item(name="c")]), Checked(1)):
        assert model_state(again(model)) == model_state(model)
    assert hash(again(Open(name="x"))) == hash(Open(name="x"))


def test_no_validator_runs_when_a_model_comes_back():
    """A model that its validators would refuse now is what it was."""
    item = Item(name="a")
    item.name = "far too long"
    assert again(item).name == "far too long"
    assert again(Item.model_construct(name=1)).name == 1


def test_a_model_without_a_name_or_in_part_is_refused():
    """A generic one that no module holds; one that lacks fields would not come back whole."""
    for model in (Page[bytes](items=[]), Item.model_construct()):
        with pytest.raises(StoreError):
            Codec().encode("key", model)


@attrs.define
class Wheel:
    size: int
    _name: str = "w"

    def __attrs_post_init__(self):
        self.size += 1


@attrs.frozen(slots=False)
class Car:
    wheels: list[Wheel]


def test_a_class_of_attrs_comes_back():
    """With slots and without, frozen or not; nothing is computed again."""
    car = Car([Wheel(1), Wheel(2, "x")])
    back = again(car)
    assert back == car
    assert (type(back), back.wheels[0].size) == (Car, 2)
