"""Downloads from a server on this machine: whole or not there, resumed, from mirrors."""

import dataclasses
import hashlib
import http.server
import threading
import typing

import published_formats
import pytest

from comlnviz.cli import main
from comlnviz.data import DataError, download, load, sources
from comlnviz.data import omniglot as omniglot_module


class Server(http.server.BaseHTTPRequestHandler):
    files: typing.ClassVar[dict[str, bytes]] = {}
    requests: typing.ClassVar[list[tuple[str, str | None]]] = []
    breaks_after: int | None = None

    def do_GET(self):
        asked = self.headers.get("Range")
        type(self).requests.append((self.path, asked))
        data = self.files.get(self.path)
        if data is None:
            return self.send_error(404)
        tag = f'"{hashlib.md5(data).hexdigest()}"'
        start = 0
        if asked and self.headers.get("If-Range") == tag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if start else 200)
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start:][: self.breaks_after])
        self.close_connection = True

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    for name, value in dict(files={}, requests=[], breaks_after=None).items():
        monkeypatch.setattr(Server, name, value)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture
def omniglot(server, tmp_path, monkeypatch):
    """The minimal Omniglot, published on a server that one mirror does not have."""
    parts = ("images_background_small1", "images_background_small2")
    published_formats.omniglot(
        tmp_path / "made", {parts[0]: {"Latin": 2}, parts[1]: {"Tagalog": 1}}
    )
    remotes = []
    for part in parts:
        data = (tmp_path / "made" / f"{part}.zip").read_bytes()
        Server.files[f"/{part}.zip"] = data
        urls = (f"{server}/elsewhere/{part}.zip", f"{server}/{part}.zip")
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        remotes.append(sources.Remote(f"{part}.zip", urls, digest))
    monkeypatch.setattr(omniglot_module, "_MINIMAL_CHARACTERS", 3)
    source = dataclasses.replace(sources.SOURCES["omniglot-minimal"], remotes=tuple(remotes))
    monkeypatch.setitem(sources.SOURCES, "omniglot-minimal", source)
    return source


def test_a_download_comes_from_the_mirror_that_has_it_and_is_not_repeated(omniglot, cache):
    folder = download.get("omniglot-minimal")
    assert sorted(p.name for p in folder.iterdir()) == [r.file for r in omniglot.remotes]
    assert load("omniglot-minimal").names == ("Latin character01", "Latin character02")
    before = len(Server.requests)
    download.get("omniglot-minimal")
    assert len(Server.requests) == before == 4


def test_an_interrupted_download_does_not_look_complete_and_is_taken_up(
    omniglot, cache, monkeypatch
):
    monkeypatch.setattr(download, "_CHUNK", 1000)
    data = Server.files["/images_background_small1.zip"]
    Server.breaks_after = 3000
    with pytest.raises(DataError, match=r"small1.zip could not be downloaded .*no connection"):
        download.get("omniglot-minimal")
    folder = cache / "data" / "omniglot-minimal"
    assert not [p for p in folder.iterdir() if not p.name.startswith(".")]
    with pytest.raises(DataError, match="is not on this computer"):
        load("omniglot-minimal")
    Server.breaks_after = None
    download.get("omniglot-minimal")
    assert ("/images_background_small1.zip", "bytes=3000-") in Server.requests
    assert (folder / "images_background_small1.zip").read_bytes() == data
    assert not [p for p in folder.iterdir() if p.name.startswith(".")]


def test_the_rest_of_another_version_is_not_appended(omniglot, cache):
    Server.breaks_after = 3000
    with pytest.raises(DataError):
        download.get("omniglot-minimal")
    Server.breaks_after = None
    good = Server.files["/images_background_small1.zip"]
    part = cache / "data" / "omniglot-minimal" / ".images_background_small1.zip.part"
    part.with_suffix(".etag").write_text('"of an earlier version"')
    download.get("omniglot-minimal")
    path = cache / "data" / "omniglot-minimal" / "images_background_small1.zip"
    assert path.read_bytes() == good


def test_what_has_another_digest_is_not_kept(omniglot, cache):
    Server.files["/images_background_small2.zip"] = b"something else"
    with pytest.raises(DataError, match=r"small2.zip as published, by its digest"):
        download.get("omniglot-minimal")
    folder = cache / "data" / "omniglot-minimal"
    assert [p.name for p in folder.iterdir()] == ["images_background_small1.zip"]


def test_what_has_no_address_says_where_to_put_it(cache):
    with pytest.raises(DataError, match=r"no address to download.*: put MetaOptNet's three pick"):
        download.get("cifar-fs")
    with pytest.raises(DataError, match="glyphs needs no files"):
        download.get("glyphs")


def test_the_command_line_lists_gets_verifies_and_finds(omniglot, cache, capsys):
    assert main(["data", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(sources.SOURCES)
    assert any("omniglot-minimal" in line and line.endswith("MIT [to download]") for line in lines)
    assert main(["data", "get", "omniglot-minimal"]) == 0
    folder = cache / "data" / "omniglot-minimal"
    assert capsys.readouterr().out.strip() == str(folder)
    assert main(["data", "verify", "omniglot-minimal"]) == 0
    shown = capsys.readouterr().out
    assert "small1.zip: as published, by its sha256" in shown
    assert "train: 2 classes of 20, each 28×28×1" in shown
    assert main(["data", "path", "omniglot-minimal"]) == 0
    assert capsys.readouterr().out.strip() == str(folder)
    assert main(["data", "path"]) == 0
    assert capsys.readouterr().out.strip() == str(cache / "data")
    archive = folder / "images_background_small2.zip"
    archive.write_bytes(archive.read_bytes()[:-1])
    assert main(["data", "verify", "omniglot-minimal"]) == 2
    says = capsys.readouterr().err
    assert says.startswith("comlnviz data verify: ") and says.count("\n") == 1
    assert "not as published, by its digest: delete it and run `comlnviz data get" in says
    assert main(["data", "get", "nothing"]) == 2
    assert "There is no dataset 'nothing'" in capsys.readouterr().err
