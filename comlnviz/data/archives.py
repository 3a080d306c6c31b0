"""Files by name, wherever they lie: in a folder, or in zip and tar archives from strangers.

A zip is read in place. A tar, which can be read from its start only, is extracted into a folder
that goes away after use, so that nothing extracted half-way can pass for a whole.
"""

import bz2
import gzip
import lzma
import os
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from io import BufferedIOBase
from pathlib import Path, PurePosixPath
from typing import Any

from .errors import DamagedFile, DataError

MAX_BYTES = 64 * 2**30
MAX_MEMBERS = 2_000_000
MAX_RATIO = 100  # of images and arrays none shrinks as much
_OPEN = {"": open, ".gz": gzip.open, ".tgz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_WRONG = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError,
          ValueError, NotImplementedError, RuntimeError)  # fmt: skip
Opener = Callable[[], Any]


class Files:
    """Files by their path inside a folder or archive, with `/` between its parts."""

    def __init__(self, where: Path, openers: dict[str, Opener]):
        self.where, self._openers = where, openers
        self.names = tuple(sorted(openers))

    def find(self, path: str) -> str | None:
        """The name that ends with this path; the shortest, should there be several."""
        ends = [name for name in self.names if f"/{name}".endswith(f"/{path}")]
        return min(ends, key=len, default=None)

    @contextmanager
    def open(self, name: str) -> Iterator[BufferedIOBase]:
        """**Raises** `DamagedFile` when it proves unreadable on the way."""
        try:
            with self._openers[name]() as stream:
                yield stream
        except _WRONG as error:
            raise DamagedFile(f"{name} in {self.where} is damaged ({error})") from error

    def read(self, name: str, limit: int = 64 * 2**20) -> bytes:
        """All its bytes. **Raises** `DamagedFile` when they are more than `limit`."""
        with self.open(name) as stream:
            data = stream.read(limit + 1)
        if len(data) > limit:
            raise DamagedFile(f"{name} in {self.where} has more than {limit:,} bytes")
        return data


def is_archive(path: Path) -> bool:
    """Whether its name is that of a zip or a tar."""
    return path.name.lower().endswith((".zip", *_TARS))


def stem(path: Path) -> str:
    """The file's name without `.zip`, `.tar.gz` and the like."""
    ending = next((end for end in (".zip", *_TARS) if path.name.lower().endswith(end)), "")
    return path.name[: len(path.name) - len(ending)]


@contextmanager
def open_files(where: Path, parts: tuple[str, ...], scratch: Path) -> Iterator[Files]:
    """The files in an archive; or in a folder, and in the archives that lie directly in it.

    **Arguments:**

    - `parts`: take only these subfolders, or archives of that name; all when empty.
    - `scratch`: the folder to extract tars into, for as long as the context lasts.

    **Raises** `DamagedFile` for an archive that is cut short or corrupt, has links, encrypted
    members or members outside of it, or expands beyond `MAX_BYTES`, `MAX_MEMBERS` or `MAX_RATIO`.
    """
    with ExitStack() as stack:
        if where.is_dir():
            archives = [p for p in sorted(where.iterdir()) if is_archive(p)]
            archives = [p for p in archives if not parts or stem(p) in parts]
            openers = _in_folder(where)
        else:
            archives, openers = [where], {}
        for archive in archives:
            try:
                openers |= _in_archive(archive, scratch, stack)
            except _WRONG as error:
                raise DamagedFile(f"{archive} is cut short or corrupt ({error})") from error
        wanted = lambda name: not parts or not set(parts).isdisjoint(name.split("/"))
        yield Files(where, {n: opener for n, opener in openers.items() if wanted(n)})


def _in_folder(folder: Path) -> dict[str, Opener]:
    found = {}
    for root, _, names in os.walk(folder, followlinks=True):
        for name in names:
            path = Path(root, name)
            found[path.relative_to(folder).as_posix()] = partial(open, path, "rb")
        if len(found) > MAX_MEMBERS:
            raise DataError(f"{folder} has more than {MAX_MEMBERS:,} files; give a dataset's own.")
    return found


def _in_archive(path: Path, scratch: Path, stack: ExitStack) -> dict[str, Opener]:
    if path.name.lower().endswith(".zip"):
        return _in_zip(path, stack.enter_context(zipfile.ZipFile(path)))
    scratch.mkdir(parents=True, exist_ok=True)
    target = stack.enter_context(tempfile.TemporaryDirectory(prefix=".extracting-", dir=scratch))
    extract_tar(path, Path(target))
    return _in_folder(Path(target))


def _in_zip(path: Path, archive: zipfile.ZipFile) -> dict[str, Opener]:
    budget = _Budget(path)
    for info in archive.infolist():
        budget.spend(info.filename, info.file_size)
        if stat.S_ISLNK(info.external_attr >> 16):
            raise DamagedFile(f"{path} holds a link, {info.filename!r}, and is not trusted")
        if info.flag_bits & 1:
            raise DamagedFile(f"{path} is encrypted")
    return {i.filename: partial(archive.open, i) for i in archive.infolist() if not i.is_dir()}


def extract_tar(path: Path, target: Path) -> None:
    """Write the files of a tar, compressed or not, into the folder `target`.

    **Raises** `DamagedFile` as `open_files` does.
    """
    budget = _Budget(path)
    opened = _OPEN[path.suffix.lower() if path.suffix.lower() in _OPEN else ""](path, "rb")
    with opened as stream, tarfile.open(fileobj=_Metered(stream, budget), mode="r|") as archive:  # pyright: ignore[reportArgumentType, reportCallIssue]
        for member in archive:
            budget.spend(member.name, member.size)
            if member.isdir():
                continue
            if not member.isfile() or member.issparse():
                raise DamagedFile(f"{path} holds a link, {member.name!r}, and is not trusted")
            destination = target.joinpath(*PurePosixPath(member.name).parts)
            destination.parent.mkdir(parents=True, exist_ok=True)
            source = archive.extractfile(member)
            with open(destination, "xb") as file:
                while source and (chunk := source.read(2**20)):
                    file.write(chunk)


class _Budget:
    """What an archive may still expand to."""

    def __init__(self, path: Path):
        self._path, self._members = path, 0
        self.bytes = min(MAX_BYTES, MAX_RATIO * (path.stat().st_size + 2**16))

    def spend(self, name: str, size: int) -> None:
        """Take a member's size off. **Raises** `DamagedFile` where it may not be in an archive."""
        parts = PurePosixPath(name).parts
        if name.startswith("/") or ".." in parts or "\\" in name or ":" in name or not parts:
            raise DamagedFile(f"{self._path} has a member outside of it, {name!r}; do not trust it")
        self._members += 1
        self.bytes -= size
        if self._members > MAX_MEMBERS or self.bytes < 0:
            raise DamagedFile(f"{self._path} expands to more than an archive of data would")


class _Metered:
    """A decompressed stream that ends where a bomb goes off:

    headers can hide as much as members.
    """

    def __init__(self, stream: Any, budget: _Budget):
        self._stream, self._left, self._path = stream, 2 * budget.bytes, budget._path

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise DamagedFile(f"{self._path} expands to more than an archive of data would")
        return data
