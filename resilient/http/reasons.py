"""Why an answer is not kept, or the store not asked; the words that Cache-Status and events have for it."""

from __future__ import annotations

from typing import Literal, TypeAlias

Reason: TypeAlias = Literal[
    "method",             # another one than GET and HEAD
    "conditional",        # a condition that only the origin can judge
    "request-no-store",   # the request forbids it
    "request-body",       # a request with a body: its URL does not say what was asked
    "partial",            # a part of an answer
    "status",             # the status is not final, not one that caches know, or needs a word that was not said
    "must-understand",    # the status is unknown, and the answer says that this matters
    "no-store",           # the answer forbids it
    "event-stream",       # it has no end
    "vary",               # it depends on what cannot be compared, or on too much
    "unkeyed",            # it may depend on a field that its Vary does not name
    "no-validator",       # it is never fresh, and cannot be confirmed
    "incomplete",         # the body broke off, or nothing says that it did not
    "too-large",          # the body is larger than what is kept
    "undecodable",        # the body is not coded as its Content-Encoding says
]  # fmt: skip
