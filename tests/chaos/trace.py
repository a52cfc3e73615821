"""What a process did to a folder, call by call, and what it said on its connections meanwhile: strace's record, read.

`strace` options that make such a record are in OPTIONS; the process stays the child of whoever starts it (-D).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path

STRACE = shutil.which("strace") or "strace"
# All by which a file's octets, size or name change on disk, and by which something is said.
CALLS = (
    "openat,open,creat,write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,fallocate,rename,renameat,renameat2,"
    "link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,fsync,fdatasync,sync_file_range,mmap,sendto,sendmsg,"
    "copy_file_range,sendfile,symlink,symlinkat"
)
ATTACHED = ("-f", "-q", "-y", "-xx", "-s", "64000000", "-e", "signal=none")  # to a process that runs already
OPTIONS = ("-D", "--seccomp-bpf", *ATTACHED)
_UNREAD = frozenset(
    ["writev", "pwritev", "pwritev2", "fallocate", "truncate", "sync_file_range", "copy_file_range", "sendfile"]
)
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_FILE = re.compile(r"(\d+|AT_FDCWD)<((?:\\x[0-9a-f]{2})*)>")
_NAME = re.compile(r'(?:(?:\d+|AT_FDCWD)<(?P<at>(?:\\x[0-9a-f]{2})*)>, )?"(?P<name>(?:\\x[0-9a-f]{2})*)"')
_NUMBER = re.compile(r", (-?\d+)")


class Did(Enum):
    """What a step is. SYNCING and SYNCED are the beginning and the end of one fsync, by one thread."""

    MAKE = "make"  # a file that wasn't there
    FOLDER = "folder"
    WRITE = "write"
    SIZE = "size"
    RENAME = "rename"
    LINK = "link"
    REMOVE = "remove"
    SYNCING = "syncing"
    SYNCED = "synced"
    SAID = "said"  # to a socket; counted from the call's beginning


@dataclass(frozen=True, slots=True)
class Step:
    """`path` is below the folder, `to` where it got (RENAME, LINK). `at`: where a WRITE begins, or the new SIZE."""

    did: Did
    thread: int
    path: str = ""
    to: str = ""
    at: int = 0
    octets: bytes = b""
    failed: bool = False


@dataclass(frozen=True, slots=True)
class _Call:
    thread: int
    name: str
    words: str  # its arguments
    ended: bool
    result: int = 0
    opened: str = ""  # the file behind a descriptor that is its result


@cache
def lacking() -> str:
    """Why nothing can be traced here, "" where it can."""
    if shutil.which("strace") is None:
        return "strace isn't installed (Debian: strace)"
    done = subprocess.run([STRACE, "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else "no ptrace: strace may not trace here"


def steps(record: Path, folder: Path, before: Path | None = None) -> list[Step]:
    """What happened below `folder`, in the order in which it was done. `before`: a copy of it at the beginning.

    Raises:
        ValueError: something was done that isn't understood here: what would be concluded could be wrong.
    """
    reader = _Reader(str(folder), _sizes(before) if before else {})
    with record.open("rb") as lines:
        return [step for call in _calls(lines) for step in reader.read(call)]


def _sizes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def _calls(lines: Iterable[bytes]) -> Iterator[_Call]:
    begun: dict[int, str] = {}
    for raw in lines:
        thread, _, rest = raw.decode("ascii", "replace").rstrip("\n").partition(" ")
        rest = rest.lstrip()
        if rest.startswith(("+++", "---", "strace:")):
            continue
        if rest.endswith("<unfinished ...>"):
            begun[int(thread)] = rest.removesuffix("<unfinished ...>").rstrip()
            yield _call(int(thread), begun[int(thread)], "")
            continue
        if rest.startswith("<... "):
            if int(thread) not in begun:
                continue  # it was under way when the record began
            rest = begun.pop(int(thread)) + rest.partition(" resumed>")[2]
        else:
            yield _call(int(thread), rest, "")
        before, _, result = rest.rpartition(" = ")
        yield _call(int(thread), before, result)


def _call(thread: int, said: str, result: str) -> _Call:
    name, _, words = said.partition("(")
    number, file = re.match(r"-?\d+", result), _FILE.match(result)
    return _Call(thread, name, words, bool(result), int(number[0]) if number else -1, file[2] if file else "")


def _whole(at: bytes, name: bytes) -> bytes:
    """A name from the root on, as far as it's told; `at` is the folder that it is below, "" where none is named."""
    return name if name.startswith(b"/") or not at else at + b"/" + name


def _octets(hexadecimal: str) -> bytes:
    return bytes.fromhex(hexadecimal.replace("\\x", ""))


class _Reader:
    """Keeps how far each open file was written to. One that was open before is a pack, or the like: it grows."""

    def __init__(self, folder: str, sizes: dict[str, int]) -> None:
        self._folder = folder
        self._ends: dict[tuple[str, str], int] = {}  # by path and descriptor: where the next write goes
        self._appended: set[tuple[str, str]] = set()
        self._sizes = sizes

    def read(self, call: _Call) -> Iterator[Step]:
        if not call.ended:
            yield from self._begun(call)
        elif call.name in {"fsync", "fdatasync"}:
            if path := self._file(call):
                yield Step(Did.SYNCED, call.thread, path, failed=call.result < 0)
        elif call.result >= 0:
            yield from self._done(call)

    def _begun(self, call: _Call) -> Iterator[Step]:
        if call.name in {"fsync", "fdatasync"}:
            if path := self._file(call):
                yield Step(Did.SYNCING, call.thread, path)
        elif call.name in {"write", "sendto"} and _to_socket(call):
            yield Step(Did.SAID, call.thread, octets=_string(call))

    def _done(self, call: _Call) -> Iterator[Step]:
        if call.name in {"openat", "creat", "open"}:
            yield from self._opened(call)
        elif call.name in {"write", "pwrite64"}:
            yield from self._wrote(call)
        elif call.name == "ftruncate":
            if path := self._file(call):
                self._sizes[path] = int(_NUMBER.findall(call.words)[-1])
                yield Step(Did.SIZE, call.thread, path, at=self._sizes[path])
        elif call.name == "mmap":
            self._mapped(call)
        elif call.name in _UNREAD:
            if self._file(call):
                raise ValueError(f"{call.name} isn't understood")
        elif call.name not in {"sendto", "sendmsg"}:
            yield from self._named(call)

    def _opened(self, call: _Call) -> Iterator[Step]:
        path = self._below(_octets(call.opened))
        if not path or "O_DIRECTORY" in call.words:
            return
        at = (path, str(call.result))
        self._ends[at] = 0
        if "O_APPEND" in call.words:
            self._appended.add(at)
        else:
            self._appended.discard(at)
        if "O_CREAT" in call.words and path not in self._sizes:
            self._sizes[path] = 0
            yield Step(Did.MAKE, call.thread, path)
        if "O_TRUNC" in call.words:
            self._sizes[path] = 0
            yield Step(Did.SIZE, call.thread, path, at=0)

    def _wrote(self, call: _Call) -> Iterator[Step]:
        path = self._file(call)
        if not path:
            return
        file = _FILE.match(call.words)
        assert file
        octets, key = _string(call)[: call.result], (path, file[1])
        if call.name == "pwrite64":
            at = int(_NUMBER.findall(call.words)[-1])
        else:
            end = self._sizes.get(path, 0)
            at = end if key in self._appended else self._ends.get(key, end)
            if key in self._ends:
                self._ends[key] = at + len(octets)
        self._sizes[path] = max(self._sizes.get(path, 0), at + len(octets))
        yield Step(Did.WRITE, call.thread, path, at=at, octets=octets)

    def _mapped(self, call: _Call) -> None:
        """What is written through shared memory would be missed. SQLite's WAL-index is made anew after a crash."""
        shared = "MAP_SHARED" in call.words and "PROT_WRITE" in call.words
        file = _FILE.search(call.words)
        path = self._below(_octets(file[2])) if file else ""
        if shared and path and not path.endswith("-shm"):
            raise ValueError(f"{path} is written through shared memory")

    def _named(self, call: _Call) -> Iterator[Step]:
        names = [_whole(_octets(each["at"] or ""), _octets(each["name"])) for each in _NAME.finditer(call.words)]
        if not all(name.startswith(b"/") for name in names):
            raise ValueError(f"{call.name} of {names}: a name that isn't whole")
        paths = [self._below(name) for name in names]
        if not any(paths):
            return
        if call.name in {"mkdir", "mkdirat"}:
            yield Step(Did.FOLDER, call.thread, paths[0])
        elif call.name in {"unlink", "unlinkat", "rmdir"}:
            self._sizes.pop(paths[0], None)
            yield Step(Did.REMOVE, call.thread, paths[0])
        elif call.name in {"rename", "renameat", "renameat2"}:
            self._sizes[paths[1]] = self._sizes.pop(paths[0], 0)
            yield Step(Did.RENAME, call.thread, paths[0], paths[1])
        elif call.name in {"link", "linkat"}:
            self._sizes[paths[1]] = self._sizes.get(paths[0], 0)
            yield Step(Did.LINK, call.thread, paths[0], paths[1])
        else:
            raise ValueError(f"{call.name} isn't understood")

    def _file(self, call: _Call) -> str:
        """The path below the folder of the file that a call is about; "" where it's another's, or has no name."""
        file = _FILE.match(call.words)
        if not file or call.words[file.end() :].startswith("(deleted)"):
            return ""
        return self._below(_octets(file[2]))

    def _below(self, path: bytes) -> str:
        """ "." for the folder itself."""
        name = path.decode("utf-8", "surrogateescape")
        if name == self._folder:
            return "."
        if not name.startswith(f"{self._folder}/"):
            return ""
        return name.removeprefix(f"{self._folder}/")


def _to_socket(call: _Call) -> bool:
    file = _FILE.match(call.words)
    return file is not None and _octets(file[2]).startswith(b"socket:")


def _string(call: _Call) -> bytes:
    found = _STRING.search(call.words)
    return _octets(found[1]) if found else b""
