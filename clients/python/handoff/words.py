"""Enum values as people write them: "call-family" for TASK_KIND_CALL_FAMILY. Driven by the schema."""

from __future__ import annotations

from typing import Any, TypeVar, cast

Enum = TypeVar("Enum", bound=int)  # as the schema's modules declare theirs


def _prefix(enum: Any) -> str:
    """TASK_KIND_ of TASK_KIND_UNSPECIFIED: every enum's zero is named so."""
    return str(enum.Name(0)).removesuffix("UNSPECIFIED")


def word(enum: type[int], value: int) -> str:
    """Of a value of `enum`, such as common_pb2.TaskKind. "" of what is absent, digits of what this version does not
    know."""
    known = cast(Any, enum)
    if value not in known.values():
        return str(value)
    name = str(known.Name(value)).removeprefix(_prefix(enum))
    return "" if value == 0 else name.lower().replace("_", "-")


def number(enum: type[Enum], of: int | str) -> Enum:
    """The value with this word, or full name. ValueError, with those that there are, if there is none."""
    if isinstance(of, int):
        return cast(Enum, of)
    known = cast(Any, enum)
    name = of.upper().replace("-", "_")
    for full in (_prefix(enum) + name, name):
        if full in known.keys():
            return cast(Enum, known.Value(full))
    words = ", ".join(word(enum, value) for value in known.values() if value)
    raise ValueError(f"{of!r} is none of {words}")
