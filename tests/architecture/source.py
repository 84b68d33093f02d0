"""The source as syntax trees, for tests of what the tree may hold."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "saqtau"


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def modules(*rooms: str) -> Iterator[Path]:
    """Every module below `src/saqtau`, or only those of some rooms."""
    for path in sorted(SOURCE.rglob("*.py")):
        if not rooms or path.relative_to(SOURCE).parts[0].removesuffix(".py") in rooms:
            yield path


def name(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def names_used(module: ast.Module) -> set[str]:
    """Every name a module imports, loads or reaches as an attribute."""
    used: set[str] = set()
    for node in ast.walk(module):
        match node:
            case ast.Name():
                used.add(node.id)
            case ast.Attribute():
                used.add(node.attr)
            case ast.alias():
                used.add(node.name.rpartition(".")[2])
            case _:
                pass
    return used


def called(module: ast.Module) -> Iterator[str]:
    """The last name of everything that is called."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Name(id=found) | ast.Attribute(attr=found):
                    yield found
                case _:
                    pass


def texts(module: ast.Module) -> Iterator[str]:
    """Every string constant that is no docstring."""
    said = {
        id(node.body[0].value)
        for node in ast.walk(module)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.value
