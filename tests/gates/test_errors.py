"""Errors have one root and say what to do; a name says which class is meant."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module

from dispatcher.core.errors import DispatcherError
from tests.gates.tree import modules


def errors() -> Iterator[type[BaseException]]:
    """Every exception class that the package defines."""
    for name in modules():
        if not name or name == "__main__":
            continue
        module = import_module(f"dispatcher.{name}")
        for one in vars(module).values():
            if isinstance(one, type) and issubclass(one, BaseException) and one.__module__ == module.__name__:
                yield one


def public_classes(source: str) -> set[str]:
    """The classes of a module's top level that others may use."""
    return {one.name for one in ast.parse(source).body if isinstance(one, ast.ClassDef) and one.name[0] != "_"}


def test_every_error_of_ours_has_one_root() -> None:
    """Whoever embeds the package catches all of it by one name, and nothing foreign with it."""
    found = set(errors())

    assert len(found) > 10
    assert [one for one in found if not issubclass(one, DispatcherError)] == []


def test_every_error_says_what_it_means_for_whoever_catches_it() -> None:
    """In a sentence of its own, not its parent's."""
    assert [one for one in errors() if not (vars(one).get("__doc__") or "").rstrip().endswith(".")] == []


def test_no_two_public_classes_have_one_name() -> None:
    """A log, a traceback or a search for the name leads to one place."""
    places = defaultdict(list)
    for module, path in modules().items():
        for name in public_classes(path.read_text()):
            places[name].append(module)

    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_classes_are_read_from_a_modules_top_level() -> None:
    """Private ones, and those within others, may repeat."""
    assert public_classes("class A:\n    class B: ...\nclass _C: ...\n") == {"A"}
