"""Dataclasses whose methods are made when the first object of their kind is.

``dataclasses.dataclass`` writes and compiles up to six methods for each class, which
takes half a millisecond. A daemon knows some hundred and fifty such classes, and has
made objects of a few dozen of them when it begins to serve. The `dataclass` of this
module takes the same arguments and makes the same classes, but a class has no more than
its slots until somebody makes the first object.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

__all__ = ["dataclass"]

#: In a class: makes its methods.
_COMPLETE: Final = "__complete_dataclass__"
#: In a class that is complete: its fields.
_FIELDS: Final = "__dataclass_fields__"
#: What a class made here has in its own way.
_OWN: Final = ("__slots__", "__init__", "__setattr__", "__delattr__")


def _dataclass(
    *, slots: bool = False, frozen: bool = False, eq: bool = True, kw_only: bool = False
) -> Callable[[type], type]:
    """Make a class a dataclass with slots; see `dataclasses.dataclass`.

    Raises:
        TypeError: The class is to have no slots.
    """
    if not slots:
        raise TypeError("this dataclass needs slots=True; that of dataclasses does not")
    add_methods = dataclasses.dataclass(
        slots=True, frozen=frozen, eq=eq, kw_only=kw_only
    )

    def make(declared: type) -> type:
        made: type = _with_slots(declared, add_methods)
        if frozen:
            _freeze(made)
        return made

    return make


def _with_slots(declared: type, add_methods: Callable[[type], type]) -> Any:
    """A class with slots whose first object completes it."""
    contents = dict(vars(declared), __qualname__=declared.__qualname__)
    for name in ("__dict__", "__weakref__"):
        contents.pop(name, None)
    fields = _field_names(declared)
    made: Any = _like(declared, {**_without(contents, fields), "__slots__": fields})

    def complete() -> None:
        # Two threads may be here at once: both give the same, ``__init__`` at the end.
        for base in made.__mro__[1:]:
            if _COMPLETE in vars(base) and _FIELDS not in vars(base):
                getattr(base, _COMPLETE)()
        model = vars(add_methods(_like(declared, contents)))
        for name, value in _without(model, (*model[_FIELDS], *_OWN)).items():
            if name not in contents or contents[name] is not value:
                setattr(made, name, value)
        made.__init__ = model["__init__"]

    def complete_and_begin(self: object, *arguments: Any, **named: Any) -> None:
        complete()
        made.__init__(self, *arguments, **named)

    made.__init__ = complete_and_begin
    setattr(made, _COMPLETE, staticmethod(complete))
    return made


def _field_names(declared: type) -> tuple[str, ...]:
    """The fields that a class has, and none of its bases."""
    inherited = {
        name
        for base in declared.__mro__[1:]
        for name in vars(base).get("__slots__", ())
    }
    return tuple(
        name
        for name, annotation in declared.__annotations__.items()
        if name not in inherited and not str(annotation).startswith("ClassVar")
    )


def _without(contents: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in contents.items() if name not in names}


def _like(declared: type, contents: dict[str, Any]) -> type:
    made: type = type(declared)(declared.__name__, declared.__bases__, dict(contents))
    return made


def _freeze(made: Any) -> None:
    """Have nobody change an object; what ``__init__`` does passes by this."""

    def refuse(self: object, name: str, act: str) -> None:
        if type(self) is made or name in getattr(made, _FIELDS):
            raise dataclasses.FrozenInstanceError(f"cannot {act} field {name!r}")

    def set_attribute(self: object, name: str, value: object) -> None:
        refuse(self, name, "assign to")
        super(made, self).__setattr__(name, value)

    def delete_attribute(self: object, name: str) -> None:
        refuse(self, name, "delete")
        super(made, self).__delattr__(name)

    made.__setattr__ = set_attribute
    made.__delattr__ = delete_attribute


if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    dataclass = _dataclass
