"""A setting that changes while the service runs is followed, or it is told that it is not."""

import ast
from collections.abc import Iterator
from typing import Final

from dispatcher.config import Config
from dispatcher.config.types import FIXED
from tests.gates.tree import ROOT, modules

FOLLOWED_IN: Final = (  # where a new configuration is made ready
    "dispatcher/runtime/snapshot.py",
    "dispatcher/runtime/in_force.py",
    "dispatcher/runtime/connection.py",
)
NO_SETTINGS: Final = {
    "file",
    "text",
    "warnings",
    "hints",
    "take_over",
}  # where it is from, how it is shown, what is odd about it, `serve --take-over`


def read_of_config(source: str, *functions: str) -> Iterator[str]:
    """The attributes of `config` that the source reads; in these functions alone, if any are named."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and (not functions or node.name in functions):
            for one in ast.walk(node):
                if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name) and one.value.id == "config":
                    yield one.attr


def read_in_force(source: str) -> Iterator[str]:
    """The settings that the source reads of the snapshot, wherever it has it from."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("snapshot.config"):
            yield node.attr


def fields_behind(name: str) -> set[str]:
    """The fields that a property or a method of Config reads; of a field itself, that one."""
    tree = ast.parse((ROOT / "dispatcher/config/types.py").read_text())
    config = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Config")
    behind = next((node for node in config.body if isinstance(node, ast.FunctionDef) and node.name == name), None)
    if behind is None:
        return {name}
    own = [one.attr for one in ast.walk(behind) if isinstance(one, ast.Attribute) and ast.unparse(one.value) == "self"]
    return {field for one in own for field in fields_behind(one)}


def test_every_setting_is_followed_or_said_to_need_a_restart() -> None:
    """What neither `runtime/snapshot` nor `runtime/in_force` takes of a new one must stand in `FIXED`."""
    snapshot, app, connection = ((ROOT / path).read_text() for path in FOLLOWED_IN)
    taken = {*read_of_config(snapshot), *read_of_config(app, "_apply"), *read_of_config(connection, "mask_key")}
    taken |= {name for path in modules().values() for name in read_in_force(path.read_text())}
    followed = {field for name in taken for field in fields_behind(name)} - set(FIXED)

    assert followed | set(FIXED) | NO_SETTINGS == set(Config.__struct_fields__)
    assert not followed & NO_SETTINGS
