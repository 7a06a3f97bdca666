"""The syntax tree of a checked expression as CEL hands it out: bytes of its own message, cel.expr.CheckedExpr.

Declared here is as much of that message as is read; the rest is carried along unread.
"""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from dispatcher.expressions.nodes import Call, Constant, Field, Loop, Made, Name, Node, Text

Message: TypeAlias = Any  # one of those below

_AND: Final = "_&&_"
_MANY: Final = "*"
_COMPUTED: Final = "…"
_SCALARS: Final = {
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "string": FieldDescriptorProto.TYPE_STRING,
}
_MESSAGES: Final = {  # (google/cel-spec, proto/cel/expr: checked.proto, syntax.proto)
    "Checked": {"expr": (4, "Expr"), "source_info": (5, "Source")},
    "Source": {"positions": (4, "Position*")},
    "Position": {"key": (1, "int64"), "value": (2, "int32")},
    "Expr": {
        "id": (2, "int64"),
        "const_expr": (3, "Constant"),
        "ident_expr": (4, "Ident"),
        "select_expr": (5, "Select"),
        "call_expr": (6, "Call"),
        "list_expr": (7, "List"),
        "struct_expr": (8, "Struct"),
        "comprehension_expr": (9, "Comprehension"),
    },
    "Constant": {"string_value": (6, "string")},
    "Ident": {"name": (1, "string")},
    "Select": {"operand": (1, "Expr"), "field": (2, "string"), "test_only": (3, "bool")},
    "Call": {"target": (1, "Expr"), "function": (2, "string"), "args": (3, "Expr*")},
    "List": {"elements": (1, "Expr*")},
    "Struct": {"message_name": (1, "string"), "entries": (2, "Entry*")},
    "Entry": {"map_key": (3, "Expr"), "value": (4, "Expr")},
    "Comprehension": {
        "iter_var": (1, "string"),
        "iter_range": (2, "Expr"),
        "accu_var": (3, "string"),
        "accu_init": (4, "Expr"),
        "loop_condition": (5, "Expr"),
        "loop_step": (6, "Expr"),
        "result": (7, "Expr"),
    },
}


def _file() -> FileDescriptorProto:
    # proto2 knows an empty text from none: a constant '' would be lost when a part is written out again
    file = FileDescriptorProto(name="checked.proto", package="tree", syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = DescriptorProto(name=name)
        for field, (number, kind) in fields.items():
            many = kind.endswith(_MANY)
            label = FieldDescriptorProto.LABEL_REPEATED if many else FieldDescriptorProto.LABEL_OPTIONAL
            added = message.field.add(name=field, number=number, label=label)
            if kind in _SCALARS:
                added.type = _SCALARS[kind]
            else:
                added.type, added.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".tree.{kind.rstrip(_MANY)}"
        file.message_type.append(message)
    return file


class Grammar:
    """Reads trees."""

    def __init__(self) -> None:
        pool = DescriptorPool()
        pool.Add(_file())
        self._checked = GetMessageClass(pool.FindMessageTypeByName("tree.Checked"))

    def tree(self, serialized: bytes) -> "Tree":
        """The tree of what `Expression.serialize` gives."""
        packed = AnyMessage.FromString(serialized)
        return Tree(packed.type_url, self._checked.FromString(packed.value))


class Tree:
    """One expression's tree. Offsets are characters of its text, from 0."""

    def __init__(self, type_url: str, checked: Message) -> None:
        self._type_url = type_url
        self._checked = checked
        self._offsets = {one.key: one.value for one in checked.source_info.positions}

    def root(self) -> Node:
        """The whole of it. CEL lets it be 32 deep, and a macro adds four at most."""
        return self._node(self._checked.expr)

    def conjuncts(self) -> Iterator[bytes]:
        """Each of the expressions that `&&` joins, in order, as bytes that CEL deserializes."""
        for message in _joined(self._checked.expr):
            part = type(self._checked)()
            part.CopyFrom(self._checked)
            part.expr.CopyFrom(message)
            yield AnyMessage(type_url=self._type_url, value=part.SerializeToString()).SerializeToString()

    def entries(self) -> Iterator[tuple[str, bytes]]:
        """Of a map that is written out, each entry: its name, and a map of it alone, as bytes that CEL deserializes.

        A map inside it is gone into; `a.b` is the entry b of that which is named a. One of a computed name is `…`.
        """
        for name, path in _leaves(self._checked.expr.struct_expr):
            part = type(self._checked)()
            part.CopyFrom(self._checked)
            struct = part.expr.struct_expr
            for at in path:
                del struct.entries[at + 1 :]
                del struct.entries[:at]
                struct = struct.entries[0].value.struct_expr
            yield name, AnyMessage(type_url=self._type_url, value=part.SerializeToString()).SerializeToString()

    def joints(self) -> list[int]:
        """The offsets of each `&&` between them."""
        return sorted(self._offsets[message.id] for message in _ands(self._checked.expr))

    def _node(self, message: Message) -> Node:
        match message.ListFields()[-1][0].name:
            case "const_expr" if message.const_expr.HasField("string_value"):
                return Text(message.const_expr.string_value)
            case "const_expr":
                return Constant()
            case "ident_expr":
                return Name(message.ident_expr.name)
            case "select_expr":
                select = message.select_expr
                return Field(self._node(select.operand), select.field, select.test_only)
            case "call_expr":
                return self._call(message)
            case "comprehension_expr":
                return self._loop(message.comprehension_expr)
            case "list_expr":
                items = tuple(self._node(one) for one in message.list_expr.elements)
                return Made(items, len(items))
            case _:
                return self._struct(message.struct_expr)

    def _call(self, message: Message) -> Call:
        call = message.call_expr
        target = (call.target,) if call.HasField("target") else ()
        args = (*target, *call.args)
        offsets = tuple(min(self._offsets[one.id] for one in _within(arg)) for arg in args)
        return Call(call.function, tuple(map(self._node, args)), offsets)

    def _struct(self, struct: Message) -> Made:
        parts = [one for entry in struct.entries for one in (entry.map_key, entry.value) if one.ListFields()]
        return Made(tuple(self._node(one) for one in parts), len(struct.entries))

    def _loop(self, loop: Message) -> Loop:
        return Loop(
            item=loop.iter_var,
            over=self._node(loop.iter_range),
            made=loop.accu_var,
            start=self._node(loop.accu_init),
            condition=self._node(loop.loop_condition),
            step=self._node(loop.loop_step),
            result=self._node(loop.result),
        )


def _within(message: Message) -> Iterator[Message]:
    """Itself and every expression below it, in any order."""
    waiting = [message]
    while waiting:
        one = waiting.pop()
        if one.DESCRIPTOR.name == "Expr":
            yield one
        for field, value in one.ListFields():
            if field.message_type is not None:
                waiting.extend(value if field.is_repeated else (value,))


def _leaves(struct: Message) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every entry of a map that holds no other map that is written out, and where it stands."""
    for at, entry in enumerate(struct.entries if not struct.message_name else ()):
        constant = entry.map_key.const_expr
        name = constant.string_value if constant.HasField("string_value") else _COMPUTED
        below = list(_leaves(entry.value.struct_expr))
        yield from ((f"{name}.{within}", (at, *path)) for within, path in below)
        if not below:
            yield name, (at,)


def _joined(message: Message) -> Iterator[Message]:
    if message.call_expr.function != _AND:
        yield message
        return
    for side in message.call_expr.args:
        yield from _joined(side)


def _ands(message: Message) -> Iterator[Message]:
    if message.call_expr.function == _AND:
        yield message
        for side in message.call_expr.args:
            yield from _ands(side)
