"""Downloads and archives: whole or not at all, and nothing outside the folder."""

import base64
import contextlib
import errno
import gzip
import hashlib
import io
import os
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from explorer.data import files, published
from explorer.data.files import check_writable, download, read_archive, replacing_folder, write_whole
from explorer.errors import DataError, StorageError

CONTENT = bytes(range(256)) * 1000


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/missing":
            return self.send_error(404)
        self.send_response(200)
        if self.path != "/unsized":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:100_000] if self.path == "/short" else CONTENT)

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def serving(handler):
    """The address of a server that answers so."""
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture(scope="module")
def server():
    with serving(Handler) as address:
        yield address


def test_downloads_whole_and_tells_the_progress(server, tmp_path):
    seen = []
    path = download(
        [f"{server}/missing", f"{server}/whole"],
        tmp_path / "new" / "file",
        sha256=hashlib.sha256(CONTENT).hexdigest()[:8],
        progress=lambda done, total: seen.append((done, total)),
    )
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT)) and sorted(seen) == seen and len(seen) > 1
    assert [p.name for p in path.parent.iterdir()] == ["file"]


class Resuming(BaseHTTPRequestHandler):
    """Ends early at the first request; later sends the rest of the version asked for, or all of the one there is."""

    etag, asked = '"one"', []

    def do_GET(self):
        asked = self.headers.get("Range")
        self.asked.append(asked)
        rest = asked is not None and self.headers.get("If-Range") == self.etag
        start = int(asked.removeprefix("bytes=").rstrip("-")) if rest else 0
        self.send_response(206 if rest else 200)
        self.send_header("ETag", self.etag)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start:] if len(self.asked) > 1 else CONTENT[:100_000])

    def log_message(self, *args):
        pass


class Publishing(BaseHTTPRequestHandler):
    """Says an MD5 of what it sends."""

    headers_sent = None

    def do_GET(self):
        self.send_response_only(200)
        for name, value in (self.headers_sent or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *args):
        pass


MD5 = hashlib.md5(CONTENT)
BASE64, AMAZON = base64.b64encode(MD5.digest()).decode(), {"Server": "AmazonS3"}
PUBLISHED = {
    "Content-MD5": ({"Content-MD5": BASE64}, {"Content-MD5": base64.b64encode(bytes(16)).decode()}),
    "Google": ({"x-goog-hash": f"crc32c=AAAAAA==,md5={BASE64}"}, {"x-goog-hash": "md5=AAAAAAAAAAAAAAAAAAAAAA=="}),
    "Amazon": (AMAZON | {"ETag": f'"{MD5.hexdigest()}"'}, AMAZON | {"ETag": f'"{"0" * 32}"'}),
}


@contextlib.contextmanager
def publishing(headers):
    Publishing.headers_sent = headers
    with serving(Publishing) as address:
        yield f"{address}/file"


@pytest.mark.parametrize(("right", "wrong"), PUBLISHED.values(), ids=PUBLISHED)
def test_what_arrives_has_the_md5_that_its_source_publishes_or_is_refused(tmp_path, right, wrong):
    held, target = [], tmp_path / "file"
    with publishing(right) as url:
        download([url], target, told=held.append)
    assert target.read_bytes() == CONTENT
    assert held == [f"256,000 bytes, with the MD5 that their source publishes ({MD5.hexdigest()})."]
    with publishing(wrong) as url, pytest.raises(DataError, match=r"its MD5 is .*damaged on the way"):
        download([url], tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"ETag": f'"{"0" * 32}"'},  # any other server's tag is any word
        AMAZON | {"ETag": f'"{"0" * 32}-17"'},  # an upload in pieces
        AMAZON | {"ETag": f'"{"0" * 32}"', "x-amz-server-side-encryption": "aws:kms"},
        {"Content-MD5": "no MD5"},
        {"x-goog-hash": "crc32c=AAAAAA=="},
    ],
)
def test_where_none_is_published_that_is_said(tmp_path, headers):
    held = []
    with publishing(headers) as url:
        assert download([url], tmp_path / "file", told=held.append).read_bytes() == CONTENT
    assert held == [f"256,000 bytes, as many as their source says; it publishes no MD5, theirs is {MD5.hexdigest()}."]


def test_of_a_rest_its_own_md5_says_nothing_about_the_whole():
    assert published.md5({"content-md5": BASE64}) == MD5.hexdigest() and not published.md5(
        {"content-md5": BASE64}, False
    )


@pytest.mark.parametrize("version", ['"one"', '"two"'], ids=["same version", "another version"])
def test_a_download_that_ended_early_goes_on_where_it_was(tmp_path, version):
    Resuming.etag, Resuming.asked = '"one"', []
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Resuming)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    url, target, seen = f"http://127.0.0.1:{httpd.server_port}/file", tmp_path / "file", []
    try:
        with pytest.raises(DataError, match="ended after 100,000 of"):
            download([url], target)
        assert not target.exists() and (tmp_path / ".file.part").stat().st_size == 100_000
        Resuming.etag = version
        sha256 = hashlib.sha256(CONTENT).hexdigest()
        download([url], target, sha256=sha256, progress=lambda done, total: seen.append((done, total)))
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()
    assert target.read_bytes() == CONTENT and [path.name for path in tmp_path.iterdir()] == ["file"]
    assert Resuming.asked == [None, "bytes=100000-"] and seen[-1] == (len(CONTENT), len(CONTENT))
    assert (seen[0][0] > 100_000) == (version == '"one"')


def test_total_is_unknown_without_a_length(server, tmp_path):
    seen = []
    download([f"{server}/unsized"], tmp_path / "f", progress=lambda *at: seen.append(at))
    assert {total for _, total in seen} == {None}


def refuse(arrived):
    assert arrived.read_bytes() == CONTENT
    raise DataError("This is not the course's file.")


@pytest.mark.parametrize(
    ("address", "options", "words"),
    [
        ("/missing", {}, "404"),
        ("/short", {}, "connection ended"),
        ("/whole", {"sha256": "00000000"}, "SHA-256"),
        ("/whole", {"check": refuse}, "not the course's"),
    ],
)
def test_a_failure_leaves_what_was_there(server, tmp_path, address, options, words):
    target = tmp_path / "file"
    target.write_bytes(b"before")
    with pytest.raises(DataError, match=words):
        download([server + address], target, **options)
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


def test_progress_can_cancel_and_nothing_is_left(server, tmp_path):
    def cancel(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download([f"{server}/whole"], tmp_path / "f", progress=cancel)
    assert not list(tmp_path.iterdir())


def test_only_web_addresses(tmp_path):
    with pytest.raises(DataError, match="not a web address"):
        download(["file:///etc/passwd"], tmp_path / "f")


def test_no_server(tmp_path):
    with pytest.raises(DataError, match="EXPLORER_DATA"):
        download(["http://127.0.0.1:9/x"], tmp_path / "f", timeout=2)


def make_archive(path, *members, mode="w:gz"):
    with tarfile.open(path, mode) as tar:
        for member in members:
            if isinstance(member, str):
                member = (member, b"hello " * 1000)
            if isinstance(member, tuple):
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
            else:
                tar.addfile(member)
    return path


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize("mode", ["w:gz", "w"])
def test_reads_every_file_and_writes_nothing(tmp_path, mode):
    archive = make_archive(tmp_path / "a.tar", "top/a.txt", "top/deep/b.txt", mode=mode)
    found = {str(path): file.read() for path, file in read_archive(archive)}
    assert found == dict.fromkeys(["top/a.txt", "top/deep/b.txt"], b"hello " * 1000)
    assert [p.name for p in tmp_path.iterdir()] == ["a.tar"]


@pytest.mark.parametrize(
    ("member", "words"),
    [
        ("../escaped.txt", "leads out"),
        ("a/../../escaped.txt", "leads out"),
        ("/tmp/escaped.txt", "leads out"),
        ("C:\\escaped.txt", "leads out"),
        ("a\\..\\..\\escaped.txt", "leads out"),
        (special("link", tarfile.SYMTYPE, "/etc/passwd"), "link"),
        (special("hard", tarfile.LNKTYPE, "good.txt"), "link"),
        (special("device", tarfile.CHRTYPE), "device"),
        (special("pipe", tarfile.FIFOTYPE), "device"),
    ],
)
def test_refuses_what_could_leave_the_folder(tmp_path, member, words):
    archive = make_archive(tmp_path / "a.tgz", "good.txt", member)
    with pytest.raises(DataError, match=words):
        list(read_archive(archive))
    assert [p.name for p in tmp_path.iterdir()] == ["a.tgz"]


def test_every_truncation_is_noticed(tmp_path):
    noise = b"".join(hashlib.sha256(bytes([i])).digest() for i in range(256))
    whole = make_archive(tmp_path / "a.tgz", ("a", noise), ("b", noise), "c").read_bytes()
    cut = tmp_path / "cut.tgz"
    for length in [0, 1, 10, *range(100, len(whole), len(whole) // 40), len(whole) - 9, len(whole) - 1]:
        cut.write_bytes(whole[:length])
        with pytest.raises(DataError, match="damaged"):
            list(read_archive(cut))


def test_a_flipped_bit_is_noticed(tmp_path):
    noise = b"".join(hashlib.sha256(bytes([i])).digest() for i in range(256))
    archive = make_archive(tmp_path / "a.tgz", ("a", noise))
    raw = bytearray(archive.read_bytes())
    raw[len(raw) // 2] ^= 1
    archive.write_bytes(raw)
    with pytest.raises(DataError, match="damaged"):
        list(read_archive(archive))


def test_absurd_sizes_are_refused(tmp_path):
    archive = make_archive(tmp_path / "a.tgz", ("zeros", bytes(300_000)))
    assert archive.stat().st_size < 3_000
    with pytest.raises(DataError, match="absurd"):
        list(read_archive(archive, most_bytes=200_000))
    liar = special("liar", tarfile.REGTYPE)
    liar.size = 1 << 60
    with gzip.open(tmp_path / "liar.tgz", "wb") as file:
        file.write(liar.tobuf(tarfile.GNU_FORMAT))
    with pytest.raises(DataError, match="absurd"):
        list(read_archive(tmp_path / "liar.tgz"))


def test_not_an_archive_and_not_there(tmp_path):
    (tmp_path / "a.tgz").write_text("<html>404</html>")
    with pytest.raises(DataError, match="damaged"):
        list(read_archive(tmp_path / "a.tgz"))
    with pytest.raises(DataError, match="cannot be read"):
        list(read_archive(tmp_path / "none.tgz"))


# -- whole or not at all -------------------------------------------------------------------------------


def test_a_file_is_replaced_whole_or_stays(tmp_path, monkeypatch):
    target = tmp_path / "new" / "file"
    write_whole(target, b"first")
    assert target.read_bytes() == b"first"

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        write_whole(target, b"second")
    assert target.read_bytes() == b"first" and list(target.parent.iterdir()) == [target]


def test_a_folder_is_replaced_whole_or_stays(tmp_path):
    target = tmp_path / "folder"
    with replacing_folder(target) as content:
        (content / "first").touch()
    with pytest.raises(KeyError), replacing_folder(target) as content:
        (content / "second").touch()
        raise KeyError
    assert [p.name for p in target.iterdir()] == ["first"]
    with replacing_folder(target) as content:
        (content / "third").touch()
    assert [p.name for p in target.iterdir()] == ["third"] and list(tmp_path.iterdir()) == [target]


def test_whether_a_file_could_be_written_is_known_before(tmp_path):
    check_writable(tmp_path / "new" / "file")
    assert not list((tmp_path / "new").iterdir())
    with pytest.raises(StorageError, match="Give another file name"):
        check_writable(tmp_path)
