"""The syntax tree of a checked expression: its regexes, what it reads, and what its `&&` joins.

CEL hands the tree out as bytes of its own message, cel.expr.CheckedExpr. Declared here is as much of that message as is
read; the rest is carried along unread.
"""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

Node: TypeAlias = Any  # cel.expr.Expr

_AND: Final = "_&&_"
_MANY: Final = "*"
_SCALARS: Final = {
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
    "Select": {"operand": (1, "Expr"), "field": (2, "string")},
    "Call": {"target": (1, "Expr"), "function": (2, "string"), "args": (3, "Expr*")},
    "List": {"elements": (1, "Expr*")},
    "Struct": {"entries": (2, "Entry*")},
    "Entry": {"map_key": (3, "Expr"), "value": (4, "Expr")},
    "Comprehension": {
        "iter_range": (2, "Expr"),
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

    def __init__(self, type_url: str, checked: Node) -> None:
        self._type_url = type_url
        self._checked = checked
        self._offsets = {one.key: one.value for one in checked.source_info.positions}

    def regexes(self) -> Iterator[tuple[int, str]]:
        """Every regex that is written out, with its offset."""
        for node in _nodes(self._checked.expr):
            call = node.call_expr
            pattern = call.args[-1] if call.function == "matches" and call.args else None
            if pattern is not None and pattern.HasField("const_expr"):
                yield self._offsets.get(pattern.id, 0), pattern.const_expr.string_value

    def names(self) -> frozenset[str]:
        """Every name in it: `room.name` where a field is read of one, `room` where it is used whole."""
        nodes = list(_nodes(self._checked.expr))
        fields = {one.select_expr.operand.id: one.select_expr.field for one in nodes if one.HasField("select_expr")}
        named = {one.id: one.ident_expr.name.lstrip(".") for one in nodes if one.HasField("ident_expr")}
        return frozenset(f"{name}.{fields[at]}" if at in fields else name for at, name in named.items())

    def conjuncts(self) -> Iterator[bytes]:
        """Each of the expressions that `&&` joins, in order, as bytes that CEL deserializes."""
        for node in _joined(self._checked.expr):
            part = type(self._checked)()
            part.CopyFrom(self._checked)
            part.expr.CopyFrom(node)
            yield AnyMessage(type_url=self._type_url, value=part.SerializeToString()).SerializeToString()

    def joints(self) -> list[int]:
        """The offsets of each `&&` between them."""
        return sorted(self._offsets[node.id] for node in _ands(self._checked.expr))


def _joined(node: Node) -> Iterator[Node]:
    if node.call_expr.function != _AND:
        yield node
        return
    for side in node.call_expr.args:
        yield from _joined(side)


def _ands(node: Node) -> Iterator[Node]:
    if node.call_expr.function == _AND:
        yield node
        for side in node.call_expr.args:
            yield from _ands(side)


def _nodes(node: Node) -> Iterator[Node]:
    """The node and all below it, in any order; without recursion, as a long sum is a deep tree."""
    waiting = [node]
    while waiting:
        message = waiting.pop()
        if message.DESCRIPTOR.name == "Expr":
            yield message
        for field, value in message.ListFields():
            if field.message_type is not None:
                waiting.extend(value if field.is_repeated else (value,))
