"""How the pages of the reference read our code: what mkdocstrings cannot know of it by itself."""

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:class|meth|func|attr|data|mod|exc):(?=`)")
_LITERAL = re.compile(r"^[ ]*::\n", re.MULTILINE)


class Reading(griffe.Extension):
    """Takes ``@settings`` for the dataclass that it makes, and docstrings for Markdown."""

    def on_class_instance(self, *, cls: griffe.Class, **_: Any) -> None:
        """Show the options of a stage with their types and defaults."""
        for decorator in cls.decorators:
            if str(decorator.value) == "settings":
                decorator.value = griffe.ExprCall(_Dataclass("dataclass"), [griffe.ExprKeyword("kw_only", "True")])

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Drop the marks of reStructuredText: roles such as ``:class:``, and the colons before literal blocks."""
        if obj.docstring is not None:
            obj.docstring.value = _LITERAL.sub("", _ROLE.sub("", obj.docstring.value))


class _Dataclass(griffe.ExprName):
    """The name of the decorator that griffe knows."""

    @property
    def canonical_path(self) -> str:
        """Where it is defined."""
        return "dataclasses.dataclass"
