"""A pickle read as data, by a machine that calls nothing.

A pickle is a small program, and Python's own machine imports and calls whatever it names. This one
knows the few operations that files of weights need. A name stays a name, and what it stands
for is asked of the reader of the format. Operations that could allocate more than the pickle is
long, or hang on a structure that contains itself many times over, do not exist here.
"""

import pickletools
import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, BinaryIO

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_LITERALS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING"),
}


@dataclass(frozen=True)
class Name:
    """Something of Python's that a pickle refers to, "collections.OrderedDict"."""

    text: str


class InertUnpickler(ABC):
    """Reads pickles of one format, which says what names and persistent ids stand for.

    Attributes:
        allowed: the names that may occur.
    """

    allowed: frozenset[str]

    @abstractmethod
    def build(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """Return what calling an allowed name with these arguments stands for."""

    @abstractmethod
    def refer(self, persistent_id: Any) -> Any:
        """Return what a persistent id stands for."""

    def load(self, stream: BinaryIO) -> Any:
        """Return what the next pickle describes, leaving the stream behind its end.

        Raises:
            ValueError: it is none, is damaged, or asks for something that is not allowed.
        """
        self._stack: list[Any] = []
        self._marks: list[int] = []  # heights of the stack
        self._memo: dict[int, Any] = {}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # of pickletools, about text that is none
                for opcode, argument, _ in pickletools.genops(stream):
                    if opcode.name == "STOP":
                        return self._stack.pop()
                    self._step(opcode.name, argument)
        except (IndexError, KeyError, TypeError, Warning) as error:
            raise ValueError(f"a damaged pickle ({type(error).__name__})") from None
        raise ValueError("a pickle without an end")

    def _step(self, operation: str, argument: Any) -> None:
        stack = self._stack
        match operation:
            case "PROTO" | "FRAME":
                pass
            case constant if constant in _CONSTANTS:
                stack.append(_CONSTANTS[constant])
            case literal if literal in _LITERALS:
                stack.append(argument)
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "MARK":
                self._marks.append(len(stack))
            case "TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = operation.removeprefix("TUPLE")
                stack.append(tuple(self._pop(int(count)) if count else self._pop_to_mark()))
            case "LIST":
                stack.append(self._pop_to_mark())
            case "DICT":
                stack.append(_updated({}, self._pop_to_mark()))
            case "SETITEM" | "SETITEMS":
                items = self._pop(2) if operation == "SETITEM" else self._pop_to_mark()
                _updated(stack[-1], items)
            case "APPEND" | "APPENDS":
                items = self._pop(1) if operation == "APPEND" else self._pop_to_mark()
                _of_type(list, stack[-1]).extend(items)
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = stack[-1]
            case "MEMOIZE":
                self._memo[len(self._memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(self._memo[argument])
            case "GLOBAL":  # written as two lines, which pickletools joins by a blank
                stack.append(self._name(argument.replace(" ", ".")))
            case "STACK_GLOBAL":
                module, attribute = self._pop(2)
                stack.append(self._name(f"{_of_type(str, module)}.{_of_type(str, attribute)}"))
            case "REDUCE":
                called, arguments = self._pop(2)
                stack.append(self.build(_of_type(Name, called).text, _of_type(tuple, arguments)))
            case "BINPERSID":
                stack.append(self.refer(stack.pop()))
            case "BUILD":  # attributes of a dict: versions of modules, which say nothing here
                stack.pop()
                _of_type(dict, stack[-1])
            case _:
                raise ValueError(f"the pickle operation {operation}, which weights do not need")

    def _pop(self, count: int) -> list[Any]:
        if count > len(self._stack):
            raise IndexError
        return self._cut(len(self._stack) - count)

    def _pop_to_mark(self) -> list[Any]:
        return self._cut(self._marks.pop())

    def _cut(self, height: int) -> list[Any]:
        values = self._stack[height:]
        del self._stack[height:]
        return values

    def _name(self, text: str) -> Name:
        if text not in self.allowed:
            raise ValueError(
                f"asks for {text[:100]!r}, which weights have no need of; nothing was run"
            )
        return Name(text)


def _of_type(kind: type | tuple[type, ...], value: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError
    return value


def _updated(target: Any, items: list[Any]) -> dict[Any, Any]:
    """Return a dict that was given keys and values in turn."""
    for key, value in zip(items[::2], items[1::2], strict=True):
        # Only these as keys: to hash tuples nested in tuples could take for ever.
        _of_type(dict, target)[_of_type((str, int), key)] = value
    return target
