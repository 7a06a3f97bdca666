"""Projects of lk, LiveKit's own command: its file has the URL, key and secret of each. Read only where somebody asks.

(facts: livekit/livekit-cli pkg/config/config.go, 2.x)
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from dispatcher.config.document import Document, read_document
from dispatcher.config.environment import read_environment
from dispatcher.config.load import find
from dispatcher.config.problems import BadConfig, Problem, did_you_mean, in_environment

LK_FILE: Final = Path(".livekit") / "cli-config.yaml"  # in the home directory

_FIELDS: Final = {"LIVEKIT_URL": "url", "LIVEKIT_API_KEY": "api_key", "LIVEKIT_API_SECRET": "api_secret"}
_CONNECTION: Final = (*_FIELDS, "LIVEKIT_API_SECRET_FILE", "LIVEKIT_KEYS", "LIVEKIT_KEYS_FILE")
_OTHERS: Final = 0o077  # permissions of everybody but the owner


def with_lk_project(
    name: str, path: Path | None, environ: Mapping[str, str], home: Path
) -> tuple[dict[str, str], tuple[Problem, ...]]:
    """The environment with the URL, key and secret that lk has of this project; and warnings.

    `path`: the configuration's file, if it was named. Raises BadConfig: lk has no such project, or the environment or
    the configuration says another one.
    """
    file = home / LK_FILE
    document = read_document(file)
    if document.tree is None:
        raise BadConfig(document.problems)
    problems = [*_others(path, environ)]
    project = _named(name, document)
    if isinstance(project, Problem):
        problems.append(project)
    if problems or isinstance(project, Problem):
        raise BadConfig(problems)
    return {**environ, **project}, tuple(_loose(file))


def _named(name: str, document: Document) -> dict[str, str] | Problem:
    """Its connection, as variables."""
    listed = (document.tree or {}).get("projects")
    written = listed if isinstance(listed, tuple) else ()
    projects = {str(one.get("name")): (place, one) for place, one in enumerate(written) if isinstance(one, dict)}
    if name not in projects:
        has = f"lk has {', '.join(sorted(projects))}" if projects else "lk has none: `lk project add` adds one"
        return document.problem(("projects",), f"no project of this name{did_you_mean(name, projects)}; {has}")
    place, project = projects[name]
    if missing := next((field for field in _FIELDS.values() if not project.get(field)), None):
        return document.problem(("projects", place), f"this project has no {missing}")
    return {variable: str(project[field]) for variable, field in _FIELDS.items()}


def _others(path: Path | None, environ: Mapping[str, str]) -> Iterator[Problem]:
    """What says another project: nobody has to guess which one it is."""
    for variable in _CONNECTION:
        if environ.get(variable, "").strip():
            yield in_environment(variable, "is set, too: unset it, or leave out --lk-project")
    file = path or find(read_environment(environ))
    document = read_document(file) if file else None
    if document and document.tree and "projects" in document.tree:
        yield document.problem(("projects",), "--lk-project says which project: leave out one of them", at_name=True)


def _loose(file: Path) -> Iterator[Problem]:
    mode = file.stat().st_mode & 0o777
    if mode & _OTHERS:
        yield Problem(str(file), 0, 0, "", f"others may read the secrets in it ({mode:o}): chmod 600 {file}")
