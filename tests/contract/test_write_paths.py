"""No module writes a file but through `contract.files`.

A detector reads every module of the product; it errs on the side of complaint, and is itself held to samples.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGES = ("agents", "ai", "analytics", "console", "contract", "market", "trading")
MAY_WRITE = {
    "contract/files.py": "the two write paths",
    "contract/system.py": "the seam below them",
    "contract/log.py": "the rotating log",
    "contract/journal.py": "the rename of a journal whose day is over",
    "console/launch.py": "what the supervisor prints",
    "console/supervisor.py": "what the programs print",
    "console/demo.py": "a scratch directory of its own, which is gone when it ends",
    "ai/test_rl_system.py": "a scratch directory of its own, which is gone when it ends",
}

FUNCTIONS = {
    "os": "open fdopen write pwrite writev truncate ftruncate rename renames replace remove unlink rmdir removedirs "
    "mkdir makedirs mkfifo mknod link symlink chmod chown utime sendfile copy_file_range posix_fallocate",
    "shutil": "copy copy2 copyfile copyfileobj copymode copystat copytree move rmtree make_archive unpack_archive",
    "tempfile": "mkstemp mkdtemp mktemp TemporaryFile NamedTemporaryFile SpooledTemporaryFile TemporaryDirectory",
    "logging": "FileHandler",
    "logging.handlers": "RotatingFileHandler TimedRotatingFileHandler WatchedFileHandler",
    "numpy": "save savez savez_compressed savetxt memmap",
    "torch": "save",
    "sqlite3": "connect",
    "zipfile": "ZipFile",
    "tarfile": "open TarFile",
    "gzip": "open GzipFile",
    "bz2": "open BZ2File",
    "lzma": "open LZMAFile",
    "shelve": "open",
    "dbm": "open",
}
FORBIDDEN = {f"{module}.{name}" for module, names in FUNCTIONS.items() for name in names.split()}
OPENERS = ("open", "builtins.open", "io.open", "codecs.open", "io.FileIO")
PATH_METHODS = {
    *("write_text", "write_bytes", "touch", "unlink", "rename", "mkdir", "rmdir", "symlink_to", "hardlink_to"),
    *("chmod", "lchmod", "tofile"),
}
SEAM_METHODS = {"write", "truncate", "replace", "fsync"}
EXPORTS = {
    *("to_csv", "to_json", "to_parquet", "to_pickle", "to_excel", "to_feather", "to_hdf", "to_html", "to_stata"),
    *("to_latex", "savefig"),
}
READ_FLAGS = ("O_RDONLY", "O_NONBLOCK", "O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC")


class Detector(ast.NodeVisitor):
    """Collects what in a module writes, or could."""

    def __init__(self, source: str) -> None:
        self.found: list[tuple[int, str]] = []
        self._origins: dict[str, str] = {}
        """What an imported name stands for."""
        self._buffers: set[str] = set()
        """Names that stand for memory rather than for a file."""
        tree = ast.parse(source)
        for node in ast.walk(tree):
            self._learn(node)
        self.visit(tree)

    def _learn(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            for name in node.names:
                package = name.name.split(".")[0]
                self._origins[name.asname or package] = name.name if name.asname else package
        elif isinstance(node, ast.ImportFrom):
            for name in node.names:
                self._origins[name.asname or name.name] = f"{node.module}.{name.name}"
        elif isinstance(node, ast.Assign) and self._makes_a_buffer(node.value):
            self._buffers.update(target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.withitem) and self._makes_a_buffer(node.context_expr):
            if isinstance(node.optional_vars, ast.Name):
                self._buffers.add(node.optional_vars.id)

    def _makes_a_buffer(self, value: ast.expr) -> bool:
        return isinstance(value, ast.Call) and self._dotted(value.func).split(".")[-1] in ("BytesIO", "StringIO")

    def _dotted(self, node: ast.expr) -> str:
        """`np.save` as `numpy.save`; `?` for what is computed."""
        if isinstance(node, ast.Name):
            return self._origins.get(node.id, node.id)
        return f"{self._dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else "?"

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        imported = {f"{node.module}.{name.name}" for name in node.names}
        self.found += [(node.lineno, name) for name in imported & FORBIDDEN]

    def visit_Name(self, node: ast.Name) -> None:
        self._refer(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._refer(node)
        self.generic_visit(node)

    def _refer(self, node: ast.Name | ast.Attribute) -> None:
        if self._dotted(node) in FORBIDDEN:
            self.found.append((node.lineno, self._dotted(node)))

    def visit_Call(self, node: ast.Call) -> None:
        name = self._dotted(node.func)
        if name in FORBIDDEN and self._is_harmless(node):
            for value in node.args:
                self.visit(value)
            return
        if name in OPENERS:
            self._must_read(node, argument(node, 1, "mode"))
        elif isinstance(node.func, ast.Attribute):
            self._visit_method(node, node.func)
        self.generic_visit(node)

    def _is_harmless(self, node: ast.Call) -> bool:
        """Into memory, or into nothing."""
        return any(self._dotted(value) in {*self._buffers, "os.devnull"} for value in node.args)

    def _visit_method(self, node: ast.Call, method: ast.Attribute) -> None:
        owner = self._dotted(method.value).split(".")[-1]
        is_seam = owner in ("system", "_system")
        wrong = method.attr in (SEAM_METHODS if is_seam else PATH_METHODS)
        if method.attr == "open" and self._dotted(method) not in FORBIDDEN:
            if is_seam:
                wrong = not reads_by_flags(argument(node, 1, "flags"))
            elif owner == "Path" or not owner[:1].isupper():  # some class of ours may open something else
                self._must_read(node, argument(node, 0 if owner != "Path" else 1, "mode"))
        elif method.attr == "replace" and not is_seam:
            wrong = len(node.args) == 1 and not node.keywords  # texts take two arguments, times only names
        elif method.attr in EXPORTS:
            target = argument(node, 0, "path_or_buf", "path", "buf", "fname")
            wrong = target is not None and self._dotted(target) not in self._buffers
        if wrong:
            self.found.append((node.lineno, ast.unparse(method)))

    def _must_read(self, node: ast.Call, mode: ast.expr | None) -> None:
        is_constant = isinstance(mode, ast.Constant) and isinstance(mode.value, str)
        if mode is not None and not (is_constant and not set(ast.literal_eval(mode)) & set("wax+")):
            self.found.append((node.lineno, f"{ast.unparse(node.func)} with {ast.unparse(mode)}"))


def argument(node: ast.Call, position: int, *names: str) -> ast.expr | None:
    named = [keyword.value for keyword in node.keywords if keyword.arg in (*names, None)]
    return node.args[position] if len(node.args) > position else next(iter(named), None)


def reads_by_flags(flags: ast.expr | None) -> bool:
    if isinstance(flags, ast.BinOp) and isinstance(flags.op, ast.BitOr):
        return reads_by_flags(flags.left) and reads_by_flags(flags.right)
    return isinstance(flags, ast.Attribute) and flags.attr in READ_FLAGS


def modules() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((CHECKOUT / package).rglob("*.py"))


def test_only_the_write_paths_write() -> None:
    found = [
        f"{module.relative_to(CHECKOUT)}:{line}: {what}"
        for module in modules()
        if str(module.relative_to(CHECKOUT)) not in MAY_WRITE
        for line, what in Detector(module.read_text(encoding="utf-8")).found
    ]
    assert found == []


def test_there_are_modules_and_the_write_paths_are_found_out() -> None:
    assert len(list(modules())) > 30
    for module in ("contract/files.py", "contract/system.py", "contract/log.py"):
        assert Detector((CHECKOUT / module).read_text(encoding="utf-8")).found, module


WRITES = """
open(path, "w")
open(path, mode="ab")
open(path, "r+")
open(path, "x")
open(path, mode)
open(path, **options)
open(path, "r" if reading else "w")
io.open(path, "wt")
path.open("w")
path.open(mode="a")
path.open(mode)
(root / name).open("xb")
Path.open(path, "w")
os.open(path, os.O_RDONLY)
descriptor = os.fdopen(3, "w")
opener = os.open
from os import open as look
import os as o; o.replace(a, b)
os.rename(a, b)
os.makedirs(path)
path.write_text("x")
(root / name).write_bytes(b"x")
path.touch()
path.unlink(missing_ok=True)
path.rename(other)
path.replace(other)
path.parent.mkdir(parents=True)
path.symlink_to(other)
shutil.copyfile(a, b)
shutil.rmtree(path)
tempfile.mkstemp()
from tempfile import TemporaryDirectory
import numpy as np; np.save(path, array)
np.savez(path, a=array)
numpy.memmap(path)
array.tofile(path)
torch.save(state, path)
frame.to_csv(path)
frame.to_csv(path_or_buf=path)
frame.to_json("out.json")
figure.savefig("out.png")
plt.savefig(fname=path)
system.write(descriptor, data)
self._system.replace(a, b)
context.system.truncate(descriptor, 0)
system.open(path, os.O_WRONLY | os.O_CREAT)
system.open(path, os.O_RDWR)
system.open(path, flags)
system.open(path, flags=os.O_APPEND)
logging.FileHandler(path)
from logging.handlers import RotatingFileHandler
class Log(logging.handlers.RotatingFileHandler): pass
sqlite3.connect(path)
zipfile.ZipFile(path)
gzip.open(path)
io.BytesIO(); buffer = 3; numpy.save(buffer, array)
"""
READS = """
open(path)
open(path, "rb")
open(path, mode="r", encoding="utf-8")
io.open(path)
path.open()
path.open("rb")
path.open(encoding="utf-8", newline="")
path.read_text()
Path.open(path)
Ledger.open(cash)
system.open(path, os.O_RDONLY)
system.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
self._system.mkdir(path, 0o700)
system.unlink(path)
os.open(os.devnull, os.O_WRONLY)
os.stat(path)
shutil.disk_usage(path)
text.replace("a", "b")
moment.replace(tzinfo=UTC)
dataclasses.replace(record, age=3)
buffer = io.BytesIO(); np.save(buffer, array)
with BytesIO() as picture: figure.savefig(picture, format="svg")
buffer = io.StringIO(); frame.to_csv(buffer)
frame.to_csv()
frame.to_json(orient="records")
logging.StreamHandler(sys.stderr)
json.dumps(values)
print("open(path, 'w')")
# open(path, "w")
"""
IMPORTS = """
import gzip, io, logging, logging.handlers, os, shutil, sqlite3, tempfile, zipfile
import numpy, torch
import numpy as np
from io import BytesIO
from pathlib import Path
"""


def lines(samples: str) -> list[str]:
    return samples.strip().splitlines()


@pytest.mark.parametrize("sample", lines(WRITES))
def test_what_writes_is_found(sample: str) -> None:
    assert Detector(f"{IMPORTS}{sample}").found


@pytest.mark.parametrize("sample", lines(READS))
def test_what_reads_is_left_alone(sample: str) -> None:
    assert Detector(f"{IMPORTS}{sample}").found == []
