"""What somebody planted in a store runs nothing, and raises nothing but CorruptEntryError."""

import os
import pickle
import random
import sys
import types
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.msgpack import Ext

from resilient.caching.codec import Codec, Registry
from resilient.caching.codec.kinds import CONTAINERS, SCALARS
from resilient.entry import COUNTER, Entry
from resilient.errors import ConfigurationError, CorruptEntryError, StoreError

SECRET, OTHER = "a secret of the program", b"another secret of it"
MEMBER, TUPLE, RECORD, MODEL, REGISTERED = 64, 65, 66, 67, 96
HERE = __name__
MARKS = []
"""What was run."""


def kind_of(one):
    """A name for a case; what a value says of itself may be different in every process."""
    return type(one).__name__


def marking(name):
    """A method that leaves a mark, whatever it is given."""

    def method(self, *args, **kwargs):
        MARKS.append(name)
        return 1

    return method


class Meta(type):
    """A metaclass with code in every place where a look-up could pass."""

    def __call__(cls, *args, **kwargs):
        MARKS.append("__call__")

    def __instancecheck__(cls, instance):
        MARKS.append("__instancecheck__")
        return True

    def __subclasscheck__(cls, subclass):
        MARKS.append("__subclasscheck__")
        return True

    def __getattr__(cls, name):
        MARKS.append(name)
        raise AttributeError(name)


CODE = [
    "__new__", "__init__", "__post_init__", "__setattr__", "__getattr__", "__iter__", "__next__", "__reversed__",
    "__len__", "__length_hint__", "__index__", "__int__", "__float__", "__complex__", "__trunc__", "__round__",
    "__bytes__", "__buffer__", "__str__", "__repr__", "__fspath__", "__bool__", "__getitem__", "__setitem__",
    "__contains__", "__call__", "__add__", "__radd__", "__mul__", "__rmul__", "__setstate__", "__getstate__",
    "__reduce__", "split", "items", "keys", "values", "tzinfo", "utcoffset", "dst", "tzname", "encode", "decode",
]  # fmt: skip


class Trap(metaclass=Meta):
    """A dataclass with code in every place that decoding, a constructor or a container could touch."""

    size: int = 0

    for _name in CODE:
        locals()[_name] = marking(_name)
    del _name


Trap = dataclass(init=False, repr=False, eq=False)(Trap)


@dataclass(eq=False)
class Hashed:
    """What a look-up in a dict would ask."""

    __hash__ = marking("__hash__")


class Choice(Enum):
    ONE = 1

    @classmethod
    def _missing_(cls, value):
        MARKS.append("_missing_")
        return cls.ONE


class Base(NamedTuple):
    x: int


class Pair(Base):
    def __new__(cls, x):
        MARKS.append("__new__")
        return super().__new__(cls, x)


@dataclass
class WithDel:
    path: str

    def __del__(self):
        MARKS.append("__del__")


@dataclass
class Plain:
    held: object = None


class Proxy:
    """Says that it is a class, by code, as lazy objects do."""

    @property
    def __class__(self):
        MARKS.append("__class__")
        return type

    def __getattr__(self, name):
        MARKS.append(name)
        raise AttributeError(name)


class LazyModule(types.ModuleType):
    def __getattribute__(self, name):
        MARKS.append(name)
        return super().__getattribute__(name)


class NotAModule:
    Inner = Plain
    __getattr__ = marking("__getattr__")


proxy = Proxy()


class Exploit:
    """What everybody plants first."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.fixture(autouse=True)
def _no_marks():
    """Nothing at all was run, whatever a test did."""
    MARKS.clear()
    yield
    assert MARKS == []


def entry_of(body, meta=(("kind", "msgpack"), ("v", 1))):
    return Entry(body=body, meta=dict(meta), stored_at=0.0, fresh_until=1.0, expires_at=1.0)


def kept(value, codec=None, key="key"):
    encoded = (codec or Codec()).encode(key, value)
    return entry_of(encoded.body, encoded.meta.items())


def ext(code, *parts):
    return Ext(code, msgspec.msgpack.encode(list(parts)))


def planted(value):
    """An entry with what is not to be had from the encoder."""
    return entry_of(msgspec.msgpack.encode(value))


def refused(entry, codec=None, key="key"):
    """Whether the entry is refused, and for no other reason than that it is damaged."""
    with pytest.raises(CorruptEntryError) as caught:
        (codec or Codec()).decode(key, entry)
    return caught.value.kind == "corrupt"


def trap():
    return ext(RECORD, HERE, "Trap", {"size": 1})


def hashed():
    return ext(RECORD, HERE, "Hashed", {})


# --- classes -----------------------------------------------------------------------------------------------------


def test_an_instance_is_made_without_a_line_of_its_class():
    """No constructor, setter, metaclass; and a look-up passes no code either."""
    back = Codec().decode(
        "key", planted([trap(), ext(TUPLE, HERE, "Pair", {"x": 1}), ext(MEMBER, HERE, "Choice", "ONE")])
    )
    assert [type(one) is cls for one, cls in zip(back, (Trap, Pair, Choice), strict=True)] == [True] * 3
    assert vars(back[0]) == {"size": 1}


@pytest.mark.parametrize("code", [MEMBER, TUPLE, RECORD, MODEL])
@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"), ("os", "path"), ("subprocess", "Popen"), ("builtins", "object"), ("builtins", "type"),
        ("builtins", "eval"), ("types", "FunctionType"), ("pathlib", "Path"), (HERE, "proxy"), (HERE, "proxy.x"),
        (HERE, "Exploit"), (HERE, "WithDel"), (HERE, "Trap.no"),
        (HERE, "Plain.held"), (HERE, "Plain.__init__"), (HERE, "Plain.__class__"),
        (HERE, ""), (HERE, "."), (HERE, "no"), (HERE, "Plain.no"), ("", ""), ("no.such", "Plain"), (HERE, "Choice.ONE"),
        ("planted_thing", "Inner"), ("planted_lazy", "Gone"), ("planted_lazy", "__class__"), (None, "Plain"),
        (HERE, None), (HERE, b"Plain"), ([], "Plain"), (HERE, trap()), (trap(), "Plain"), (1, 2), (hashed(), "Plain"),
    ],
    ids=kind_of,
)  # fmt: skip
def test_what_is_no_class_to_be_filled_is_refused(monkeypatch, code, module, name):
    """Functions, objects, classes of other kinds, names of nothing, and things that answer by code."""
    monkeypatch.setitem(sys.modules, "planted_thing", NotAModule())
    monkeypatch.setitem(sys.modules, "planted_lazy", LazyModule("planted_lazy"))
    MARKS.clear()  # monkeypatch itself looks at them
    assert refused(planted(ext(code, module, name, {})))
    assert refused(planted(ext(code, module, name, "ONE")))
    assert refused(planted(ext(code, module, name)))
    assert refused(planted(ext(code, module, name, {}, [], None, None)))


def test_no_module_is_imported():
    """One that is there to be imported stays unloaded."""
    assert "antigravity" not in sys.modules
    assert refused(planted(ext(RECORD, "antigravity", "Plain", {})))
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    "state",
    [
        {}, {"held": 1, "more": 2}, {"Held": 1}, {"__class__": 1}, {"held": 1, "__class__": 1}, {"__dict__": {}}, [],
        [["held", 1]], None, "held", 1, {1: 2}, {None: None}, trap(),
    ],
    ids=kind_of,
)  # fmt: skip
def test_a_state_that_is_not_of_the_class_is_refused(state):
    """Missing, unknown and special names, and what is no state at all."""
    for code, name in ((RECORD, "Plain"), (TUPLE, "Pair"), (MEMBER, "Choice")):
        assert refused(planted(ext(code, HERE, name, state)))
    assert refused(planted(ext(RECORD, HERE, "Plain", {"held": 1}, 2)))


def test_a_kind_is_given_to_no_class_of_another():
    """A dataclass is no named tuple, whatever its fields are called."""
    right = {("Plain", RECORD): {"held": 1}, ("Pair", TUPLE): {"x": 1}, ("Choice", MEMBER): "ONE"}
    for (name, code), state in right.items():
        Codec().decode("key", planted(ext(code, HERE, name, state)))
        for other in {MEMBER, TUPLE, RECORD, MODEL} - {code}:
            assert refused(planted(ext(other, HERE, name, state)))


# --- parts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", SCALARS, ids=lambda code: SCALARS[code].kind.__name__)
def test_the_parts_of_a_scalar_are_never_instances(code):
    """In any place, in any number; so no constructor asks an object of the program for its number or its text."""
    for parts in (
        [trap()],
        [trap()] * 2,
        [trap()] * 3,
        [1, trap()],
        ["2024-01-01", trap(), 0],
        ["2024-01-01", None, trap()],
    ):
        assert refused(planted(ext(code, *parts)))


@pytest.mark.parametrize("code", CONTAINERS, ids=lambda code: CONTAINERS[code].kind.__name__)
def test_what_a_container_holds_is_a_list_and_not_an_instance(code):
    """Iterating over an instance would run its code."""
    assert refused(planted(Ext(code, msgspec.msgpack.encode(trap()))))
    assert refused(planted(Ext(code, msgspec.msgpack.encode("text"))))
    assert refused(planted(Ext(code, msgspec.msgpack.encode({1: 2}))))


@pytest.mark.parametrize(
    "value",
    [
        ext(3, 10**12), ext(3, True), ext(1, 5), ext(1), ext(1, b"", b""), ext(2, "x"), ext(2, b"\xff"),
        ext(5, 1, 2, 0), ext(5, 1.5), ext(6, "one"), ext(6, "1", "2"), ext(7, b"short"), ext(7, "sixteen letters!"),
        ext(8, "2024-13-01"), ext(9, "25:00", None, 0), ext(9, "01:00", None, 7), ext(9, "01:00", None, None),
        ext(10, "2024-02-30T00:00:00", None, 0),
        ext(10, "2024-01-01T00:00:00", "UTC", 0), ext(11, 10**9 * 2, 0, 0), ext(12, 5), ext(12, ext(11, 2, 0, 0)),
        ext(13, "No/Where"), ext(13, "../../../etc/passwd"), ext(13, "/etc/passwd"), ext(13, "a\0b"), ext(13, ""),
        ext(13, "Europe"), ext(17, "x"), ext(14, 1), ext(14, b"x"), ext(32, 1), ext(32, [], 1), ext(34, []),
        ext(34, {}),
        ext(36), ext(36, -1), ext(36, "1"), ext(36, 2**64 - 1), ext(37, 1), ext(37, [], 2), ext(0), ext(99), ext(127),
        ext(-1), ext(-2), Ext(1, b""), Ext(33, b""), Ext(33, b"\xc1"), {"a": ext(33, ext(34, []))},
    ],
    ids=lambda part: type(part).__name__,
)  # fmt: skip
def test_parts_that_make_no_value_are_refused(value):
    """Each kind with what its constructor refuses, and with what it would take for something else."""
    assert refused(planted(value))
    assert refused(planted([value]))


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\xc1", b"\x91", b"\x01\x01",
        b"\xdd\xff\xff\xff\xff\x01", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff",
        b"\xd9\xff", b"\xa1\xff", b"\x91" * 1_000_000, b"\x81\x01" * 1_000_000, b"\xc7\x0c\xff" + b"\xff" * 12,
    ],
    ids=lambda body: ascii(body[:8]),
)  # fmt: skip
def test_what_is_no_messagepack_is_refused(body):
    """Nothing, cut off, too much, lengths that are not there, text that is none, bombs of depth."""
    assert refused(entry_of(body))


@pytest.mark.parametrize("code", [33, 32, 1, RECORD])
def test_a_bomb_of_nested_extensions_is_refused(code):
    """Each in the one before, thousands deep: no RecursionError gets out, and no memory is filled."""
    depth = 20_000
    lengths = [7 * left for left in range(depth - 1, -1, -1)]
    heads = [b"\xc9" + (length + 1).to_bytes(4, "big") + bytes([code]) + b"\x91" for length in lengths]
    assert refused(entry_of(b"".join(heads)))


# --- every byte --------------------------------------------------------------------------------------------------

SAMPLE = {
    "rows": [Plain([1, Decimal("2.5")]), Base(2), Choice.ONE, (1, {3}), b"x", 2**70],
    (1, None): datetime(2024, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")),
    "at": datetime(2024, 1, 1, tzinfo=UTC),
    "\ud800": Path("a"),
}


def survives(entry, codec):
    """Decode; a value or a CorruptEntryError are both right, since nothing was signed."""
    try:
        codec.decode("key", entry)
    except CorruptEntryError:
        return


def test_a_pickle_at_every_position_of_a_record_runs_nothing(tmp_path):
    """In place of what is there, and between it; as every kind; marker never made."""
    marker = tmp_path / "marker"
    exploit = pickle.dumps(Exploit(str(marker)))
    assert pickle.loads(pickle.dumps(Exploit(str(tmp_path / "proof")))) is None
    assert (tmp_path / "proof").is_dir()  # it would work

    body = kept(SAMPLE).body
    for codec in (Codec(), Codec(secret=SECRET)):
        for at in range(len(body) + 1):
            for changed in (body[:at] + exploit + body[at:], body[:at] + exploit, exploit + body[at:]):
                survives(entry_of(changed), codec)
        for kind in ("int", "bytes", "str", "msgpack", "pickle", "Pickle", "json"):
            for v in (1, 2, None):
                survives(entry_of(exploit, {"kind": kind, "v": v}.items()), codec)
    assert refused(entry_of(exploit, {"kind": "pickle", "v": 1}.items()))
    assert not marker.exists()


@pytest.mark.slow
def test_any_byte_changed_raises_nothing_else():
    """Each byte of a record of many kinds becomes each other byte, or is the last one."""
    codec, body = Codec(), kept(SAMPLE).body
    codec.decode("key", entry_of(body))
    for at in range(len(body)):
        survives(entry_of(body[:at]), codec)
        for byte in range(256):
            survives(entry_of(body[:at] + bytes([byte]) + body[at + 1 :]), codec)


@settings(deadline=None, max_examples=300)
@given(st.binary(), st.sampled_from(["int", "bytes", "str", "msgpack", "pickle"]))
def test_random_bytes_raise_nothing_else(body, kind):
    """As every kind."""
    for codec in (Codec(), Codec(secret=SECRET)):
        survives(entry_of(body, {"kind": kind, "v": 1}.items()), codec)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)
KINDS = st.sampled_from(["int", "bytes", "str", "msgpack", "pickle"])


@settings(deadline=None)
@given(
    PLAIN
    | st.fixed_dictionaries({"kind": KINDS | PLAIN}, optional={"v": st.just(1) | PLAIN, "mac": PLAIN, "more": PLAIN}),
    st.sampled_from([b"", b"1", b"\x91\x01", b"text", "1", None, 1, bytearray(b"1"), memoryview(b"1")]),
)
@example({"kind": []}, b"1")
@example({"kind": "msgpack", "v": 1}, bytearray(b"\x91\x01"))
def test_metadata_and_body_may_be_anything(meta, body):
    """Of whatever type: a value or CorruptEntryError."""
    for codec in (Codec(), Codec(secret=SECRET)):
        survives(Entry(body=body, meta=meta, stored_at=0.0, fresh_until=1.0, expires_at=1.0), codec)


@pytest.mark.parametrize("kind", ["int", "bytes", "str", "msgpack"])
@pytest.mark.parametrize("body", ["1", None, 1, bytearray(b"1"), memoryview(b"1"), [b"1"]])
def test_a_body_that_is_no_bytes_is_refused(kind, body):
    """Not even what could be read as such: bytes come back as bytes."""
    meta = {"kind": kind, "v": 1} if kind == "msgpack" else {"kind": kind}
    assert refused(entry_of(body, meta.items()))


@pytest.mark.parametrize(
    "entry", [None, b"", {}, object(), types.SimpleNamespace(decoded=None, meta=COUNTER, body=b"1")]
)
def test_what_is_no_entry_is_refused(entry):
    """A store of a third party may give back anything."""
    assert refused(entry)


@pytest.mark.parametrize(
    ("kind", "body"),
    [("int", b""), ("int", b"1.0"), ("int", b"1" * 20), ("int", b"x"), ("int", " 1"), ("str", b"\xff"),
     ("msgpack", b""), ("nothing", b""), ("", b""), ("pickle", b"N."), ("json", b"1")],
)  # fmt: skip
def test_a_body_that_its_kind_does_not_have_is_refused(kind, body):
    """And kinds that there are not."""
    meta = {"kind": kind} if kind in ("int", "str") else {"kind": kind, "v": 1}
    assert refused(entry_of(body, meta.items()))


def test_another_version_of_the_format_is_refused():
    """A newer program wrote it; it is not understood, so it is a miss."""
    for meta in ({"kind": "msgpack", "v": 2}, {"kind": "msgpack"}, {"kind": "str", "v": 2}, {**COUNTER, "v": 1}):
        assert refused(entry_of(b"1", meta.items()))


# --- registered types --------------------------------------------------------------------------------------------


class Token:
    pass


def test_only_registered_names_run_a_function():
    """Any other name is looked for nowhere else."""
    registry = Registry()
    registry.register(Token, lambda token: None, lambda state: Token())
    codec = Codec(types=registry)
    assert type(codec.decode("key", planted(ext(REGISTERED, f"{HERE}:Token", None)))) is Token
    for name in (f"{HERE}:Plain", f"{HERE}.Token", "os:system", "", None, 1, [], trap(), hashed(), b"x"):
        assert refused(planted(ext(REGISTERED, name, None)), codec)
    assert refused(planted(ext(REGISTERED)), codec)
    assert refused(planted(ext(REGISTERED, f"{HERE}:Token", None, None)), codec)


# --- signatures --------------------------------------------------------------------------------------------------


def test_a_signed_entry_is_read_by_whoever_has_the_secret():
    """As text or bytes, one or several: the first signs, each is accepted."""
    for secret in (SECRET, SECRET.encode(), [SECRET], (OTHER, SECRET)):
        assert Codec(secret=secret).decode("key", kept([1], Codec(secret=SECRET))) == [1]
    old, both, new = Codec(secret=SECRET), Codec(secret=[OTHER, SECRET]), Codec(secret=OTHER)
    assert new.decode("key", kept([1], both)) == [1]
    assert refused(kept([1], both), old)
    assert refused(kept([1], old), new)


@pytest.mark.parametrize(
    "value", ["text", b"bytes", [1], None, 2**70, defaultdict(list)], ids=lambda one: type(one).__name__
)
def test_a_forged_entry_is_refused(value):
    """Unsigned, signed by another, of another key, of another kind, with another signature."""
    codec = Codec(secret=SECRET)
    entry = kept(value, codec)
    assert codec.decode("key", entry) == value
    meta = entry.meta
    right = meta["mac"]
    fresh = kept(value, codec)
    assert refused(fresh, codec, key="other key")
    assert refused(fresh, codec, key="")
    assert refused(fresh, Codec(secret=OTHER))
    for mac in (None, b"", right[:-1], right + b"\0", bytes(32), right.hex(), bytearray(right), 1, [right]):
        assert refused(entry_of(entry.body, {**meta, "mac": mac}.items()), codec)
    assert refused(entry_of(entry.body, {name: held for name, held in meta.items() if name != "mac"}.items()), codec)
    for kind in {"bytes", "str", "msgpack", "pickle"} - {meta["kind"]}:
        assert refused(entry_of(entry.body, {**meta, "kind": kind, "v": 1}.items()), codec)
    assert refused(entry_of(b"", meta.items()), codec) or entry.body == b""


@settings(deadline=None, max_examples=100)
@given(st.text(), st.text(), st.binary(), st.binary())
def test_a_signature_is_of_one_key_and_one_body(key, other, body, more):
    """Another key, or a body that is cut off, breaks it."""
    codec = Codec(secret=SECRET)
    entry = kept(body + more, codec, key=key)
    assert codec.decode(key, entry) == body + more
    if other != key:
        assert refused(kept(body + more, codec, key=key), codec, key=other)
    if more:
        assert refused(entry_of(body, entry.meta.items()), codec, key=key)


def test_no_byte_moves_from_the_key_into_the_body():
    """Joined without their lengths, these two would be signed alike."""
    codec = Codec(secret=SECRET)
    assert refused(entry_of(b"23", kept(b"3", codec, key="12").meta.items()), codec, key="1")


def test_ten_thousand_flipped_bits_are_all_refused():
    """Of the body and of the signature; with one bit wrong nothing is decoded, and nothing is unpickled."""
    codec, dice = Codec(secret=SECRET), random.Random(7)
    for value in (SAMPLE, defaultdict(list, a=[1])):
        entry = kept(value, codec)
        whole = entry.body + entry.meta["mac"]
        for _ in range(5_000):
            bit = dice.randrange(8 * len(whole))
            changed = bytearray(whole)
            changed[bit // 8] ^= 1 << bit % 8
            body, mac = bytes(changed[:-32]), bytes(changed[-32:])
            assert refused(entry_of(body, {**entry.meta, "mac": mac}.items()), codec)


def test_a_value_that_the_rules_do_not_know_is_pickled_under_a_secret_alone():
    """A defaultdict, a cycle; what cannot be pickled either is refused."""
    codec = Codec(secret=SECRET)
    loop = []
    loop.append(loop)
    entry = kept(defaultdict(list, a=[1]), codec)
    assert entry.meta["kind"] == "pickle"
    back = codec.decode("key", entry)
    assert (type(back), back, back["new"]) == (defaultdict, {"a": [1], "new": []}, [])
    assert (back := codec.decode("key", kept(loop, codec)))[0] is back
    for value in (lambda: None, [lambda: None]):
        with pytest.raises(StoreError, match="cannot be pickled"):
            codec.encode("key", value)
    assert refused(kept(defaultdict(list), codec), Codec())


def test_a_pickle_is_run_only_after_its_signature_was_found_right(tmp_path):
    """Planted as it is, with somebody else's signature, and with one that was made for these bytes as bytes."""
    marker = tmp_path / "marker"
    exploit = pickle.dumps(Exploit(str(marker)))
    codec = Codec(secret=SECRET)
    uploaded = kept(exploit, codec)  # the program kept an upload as bytes, and so signed it
    for mac in (None, b"", bytes(32), uploaded.meta["mac"], kept(exploit, Codec(secret=OTHER)).meta["mac"]):
        assert refused(entry_of(exploit, {"kind": "pickle", "v": 1, "mac": mac}.items()), codec)
    assert not marker.exists()


def test_a_codec_without_a_secret_reads_what_is_signed_but_no_pickle():
    """So that signing can be taken back; without a secret nothing is checked anyway."""
    assert Codec().decode("key", kept([1], Codec(secret=SECRET))) == [1]


@pytest.mark.parametrize(
    "secret", ["", "short", b"fifteen letters", [], [SECRET, "short"], [b""]], ids=lambda one: type(one).__name__
)
def test_a_secret_that_could_be_guessed_is_refused(secret):
    """Each of several must be long enough."""
    with pytest.raises(ConfigurationError, match="at least 16"):
        Codec(secret=secret)


@pytest.mark.parametrize("secret", [[1], [None, SECRET], [SECRET, 7]], ids=kind_of)
def test_a_secret_that_is_no_text_is_refused(secret):
    """Without showing any of it."""
    with pytest.raises(ConfigurationError, match="text or bytes") as caught:
        Codec(secret=secret)
    assert SECRET not in str(caught.value)


def test_a_secret_turns_up_nowhere():
    """Not in what is printed of a codec, nor in an error, nor in an entry."""
    codec = Codec(secret=SECRET)
    entry = kept({"a": 1}, codec)
    shown = [repr(codec), str(codec), repr(entry), repr(codec.encode("key", [1]))]
    for decode in (lambda: codec.decode("other", entry), lambda: codec.encode("key", lambda: None)):
        with pytest.raises(StoreError) as caught:
            decode()
        shown += [repr(caught.value), repr(caught.value.__cause__), repr(vars(caught.value))]
    with pytest.raises(ConfigurationError) as short:
        Codec(secret=[SECRET, "short secret"])
    assert not [text for text in (*shown, str(short.value)) if "secret of" in text or "short secret" in text]


# --- models ------------------------------------------------------------------------------------------------------

pydantic = pytest.importorskip("pydantic")


class Item(pydantic.BaseModel):
    name: str
    _seen: int = pydantic.PrivateAttr(default=0)

    def model_post_init(self, context):
        MARKS.append("model_post_init")

    @pydantic.field_validator("name")
    @classmethod
    def check(cls, name):
        MARKS.append("validator")
        return name


class Open(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    name: str


def model(name, fields, given=("name",), extra=None, private=None):
    return planted(ext(MODEL, HERE, name, fields, ext(34, *given), extra, private))


def test_a_model_is_made_without_a_line_of_its_class():
    """Neither validators nor its post-init."""
    back = Codec().decode("key", model("Item", {"name": 1}, private={"_seen": 2}))
    assert (type(back), back.name, back._seen) == (Item, 1, 2)
    assert Codec().decode("key", model("Open", {"name": 1}, ["more"], {"more": 2})).more == 2


@pytest.mark.parametrize(
    "entry",
    [
        model("Item", {}), model("Item", {"name": 1, "more": 1}), model("Item", {"name": 1}, ["more"]),
        model("Item", {"name": 1}, extra={}), model("Item", {"name": 1}, extra={"more": 1}),
        model("Item", {"name": 1}, private={"_other": 1}), model("Item", {"name": 1}, private=1),
        model("Open", {"name": 1}, extra={"name": 2}), model("Open", {"name": 1}, extra={1: 2}),
        model("Open", {"name": 1}, extra="x"), model("Open", {"name": 1}, private={"_seen": 1}), model("Item", None),
        planted(ext(MODEL, HERE, "Item", {"name": 1}, ["name"], None, None)),
        planted(ext(MODEL, HERE, "Item", {"name": 1}, trap(), None, None)),
        planted(ext(MODEL, HERE, "Item", {"name": 1}, ext(34), trap(), None)),
        planted(ext(MODEL, HERE, "Item", {"name": 1})),
    ],
)  # fmt: skip
def test_a_state_that_is_not_of_the_model_is_refused(entry):
    """Unknown names of fields, extra and private attributes, and what is no state at all."""
    assert refused(entry)


def test_metadata_is_any_mapping():
    """A store may give back a read-only one, as it was given."""
    assert isinstance(COUNTER, Mapping)
    encoded = Codec().encode("key", [1])
    entry = Entry(body=encoded.body, meta=encoded.meta, stored_at=0.0, fresh_until=1.0, expires_at=1.0)
    assert Codec().decode("key", entry) == [1]
