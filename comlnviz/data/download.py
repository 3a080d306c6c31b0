"""Downloads by pooch: whole and checked, or not there; resumed where they broke off."""

import os
from pathlib import Path
from typing import Any

from .errors import DataError, require
from .sources import SOURCES, Remote
from .store import data_folder

_CHUNK = 2**18
_TIMEOUT = 30  # seconds without an answer


def get(name: str) -> Path:
    """Download what is missing of a dataset; the folder where it is then.

    **Raises** `DataError` when nothing of the kind is published at a stable address, when no
    address answers, and when what comes has another digest than it should.
    """
    source = SOURCES[name]
    folder = data_folder() / name
    if source.make is not None:
        raise DataError(f"{name} needs no files: comlnviz.data.load({name!r}) makes it.")
    if not source.remotes:
        raise DataError(
            f"{name} has no address to download from: put {source.obtain} into {folder}."
        )
    require("pooch")
    for remote in source.remotes:
        _fetch(remote, folder)
    return folder


def _fetch(remote: Remote, folder: Path) -> None:
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")
    reasons = []
    for url in remote.urls:
        try:
            # pooch downloads to a temporary name, compares digests, and renames.
            downloader: Any = _resuming
            pooch.retrieve(url, remote.digest, remote.file, folder, downloader=downloader)
            return
        except requests.RequestException as error:
            reasons.append(f"{url}: {_reason(error)}")
        except ValueError as error:
            if "hash" not in str(error):
                raise
            reasons.append(f"{url}: what came is not {remote.file} as published, by its digest")
    raise DataError(f"{remote.file} could not be downloaded ({'; '.join(reasons)}).")


def _reason(error: Any) -> str:
    if error.response is not None:
        return f"{error.response.status_code} {error.response.reason}"
    return "no answer" if "Timeout" in type(error).__name__ else "no connection"


def _resuming(url: str, output_file: Any, pooch: Any) -> None:
    """Download to `output_file`, a temporary name; what an earlier attempt has got is not got
    again.

    The part that is there lies beside the file under a name of its own, with the server's mark of
    the version (ETag): the rest of another version is not appended to it.
    """
    import requests
    from tqdm.auto import tqdm

    name = url.rsplit("/", 1)[-1]
    part = Path(output_file).parent / f".{name}.part"
    mark = part.with_suffix(".etag")
    size = part.stat().st_size if part.exists() and mark.exists() else 0
    headers = {"Accept-Encoding": "identity"}
    if size:
        headers |= {"Range": f"bytes={size}-", "If-Range": mark.read_text()}
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
        if answer.status_code == 416:  # all of it is there, or it has changed
            part.unlink()
            return _resuming(url, output_file, pooch)
        answer.raise_for_status()
        resumed = answer.status_code == 206
        if not resumed:
            mark.unlink(missing_ok=True)
        held = size if resumed else 0
        total = int(answer.headers.get("Content-Length", 0))
        total += held if total else 0
        with (
            part.open("ab" if resumed else "wb") as file,
            tqdm(desc=name, total=total or None, initial=held, unit="B", unit_scale=True) as bar,
        ):
            if not resumed and "ETag" in answer.headers:
                mark.write_text(answer.headers["ETag"])
            for chunk in answer.iter_content(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
    if total and part.stat().st_size < total:
        raise requests.ConnectionError(f"{name} broke off")
    os.replace(part, output_file)
    mark.unlink(missing_ok=True)
