"""What the code of the package never does, whatever its inputs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import condor_twisted

PACKAGE = Path(condor_twisted.__file__).parent


@cache
def trees() -> tuple[tuple[Path, ast.Module], ...]:
    """The modules of the package."""
    return tuple(
        (path.relative_to(PACKAGE), ast.parse(path.read_text()))
        for path in sorted(PACKAGE.rglob("*.py"))
    )


def dotted(node: ast.AST) -> str:
    """A name or a chain of attributes, as written."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


class CodeTests(SynchronousTestCase):
    def calls(self) -> Iterator[tuple[Path, ast.Call, str]]:
        """Every call in the package."""
        for path, tree in trees():
            for node in ast.walk(tree):
                if isinstance(node, ast.Call):
                    yield path, node, dotted(node.func)

    def test_mnh_3_4_the_recursion_limit_stays(self) -> None:
        """Nothing raises the interpreter's limit to make an input pass."""
        for path, _, name in self.calls():
            self.assertNotIn("setrecursionlimit", name, path)

    def test_mnh_2_6_deadlines_know_the_monotonic_clock(self) -> None:
        """No protocol and no timer asks for the wall clock."""
        for path, call, name in self.calls():
            if path.parts[0] == "protocols":
                self.assertNotIn(name, ("time.time", "datetime.now"), path)
            if name.endswith("callLater"):
                self.assertNotIn("unix", ast.dump(call.args[0]), path)

    def test_mnh_10_13_no_finalizers(self) -> None:
        """No class has a ``__del__``, and no connection is held weakly."""
        for path, tree in trees():
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef):
                    self.assertNotEqual(node.name, "__del__", path)
                if path.parts[0] in ("protocols", "daemoncore") and isinstance(
                    node, ast.Import | ast.ImportFrom
                ):
                    names = [each.name for each in node.names]
                    module = getattr(node, "module", None) or ""
                    self.assertNotIn("weakref", [*names, module], path)

    def test_mnh_9_7_nothing_is_executed(self) -> None:
        """No text becomes code, and no shell is asked."""
        forbidden = {"eval", "exec", "compile", "__import__", "os.system", "os.popen"}
        for path, call, name in self.calls():
            self.assertNotIn(name, forbidden, path)
            self.assertNotIn(name.partition(".")[0], ("pickle", "marshal"), path)
            for keyword in call.keywords:
                self.assertNotEqual(keyword.arg, "shell", path)

    def test_mnh_10_4_numbers_of_peers(self) -> None:
        """The collector's state takes no text for digits that is not ASCII."""
        for path, call, name in self.calls():
            if name.endswith((".isdigit", ".isdecimal", ".isnumeric")):
                self.assertIsInstance(call.func, ast.Attribute, path)
                self.assertFalse(name.endswith((".isnumeric", ".isdecimal")), path)

    def test_mnh_10_14_depth_is_limited_where_trees_are_made(self) -> None:
        """Deep input never becomes a deep tree: all readers refuse it at once."""
        from condor_twisted.classad.expressions import check_expression
        from condor_twisted.classad.syntax import read_syntax
        from condor_twisted.errors import ExpressionError

        for opening, closing in (
            (b"(", b")"),
            (b"{", b"}"),
            (b"[a=", b"]"),
            (b"f(", b")"),
            (b"-(", b")"),
            (b"a?", b":1"),
        ):
            text = opening * 5000 + b"1" + closing * 5000
            self.assertFalse(check_expression(text))
            with self.assertRaises(ExpressionError):
                read_syntax(text)
