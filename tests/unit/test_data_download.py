"""Downloads from a server on this machine, and archives."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from advcodes.core.errors import AdvcodesError
from advcodes.data import download

CONTENT = bytes(range(256)) * 12_000  # 3 MB: several blocks
MD5 = hashlib.md5(CONTENT).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT; ``faults`` are taken one a request: an HTTP status, or the bytes to stop after."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges, self.faults, self.resumes, self.shift, self.length = [], [], True, 0, True
        self.url = f"http://127.0.0.1:{self.server_address[1]}/file.bin"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.ranges.append(self.headers.get("Range"))
        fault = server.faults.pop(0) if server.faults else None
        if isinstance(fault, str):
            return self.send_error(int(fault))
        start = 0
        if server.resumes and self.headers.get("Range"):
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            if start >= len(CONTENT):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
                self.send_header("Content-Length", "0")
                return self.end_headers()
            start += server.shift
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        else:
            self.send_response(200)
        if server.length:
            self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        end = len(CONTENT) if fault is None else start + fault
        self.wfile.write(CONTENT[start:end])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "BACKOFF", 0.001)
    monkeypatch.setenv("no_proxy", "*")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "raw" / "file.bin"


def test_whole_file(server, path):
    assert download.fetch(server.url, path, md5=MD5) == path
    assert path.read_bytes() == CONTENT and server.ranges == [None]
    assert not path.with_name("file.bin.part").exists()
    download.fetch(server.url, path, md5=MD5, sha256_prefix=SHA256[:8])
    assert len(server.ranges) == 1  # it was there


def test_without_a_length(server, path):
    server.length = False
    assert download.fetch(server.url, path, sha256_prefix=SHA256[:8]).read_bytes() == CONTENT


def test_goes_on_after_a_broken_connection(server, path):
    server.faults = [1_500_000, 700_000]
    download.fetch(server.url, path, md5=MD5)
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1500000-", "bytes=2200000-"]


def test_goes_on_in_a_later_call(server, path):
    path.parent.mkdir()
    path.with_name("file.bin.part").write_bytes(CONTENT[:1000])
    download.fetch(server.url, path, md5=MD5)
    assert path.read_bytes() == CONTENT and server.ranges == ["bytes=1000-"]


def test_starts_again_where_the_server_cannot_resume(server, path):
    server.resumes, server.faults = False, [1_500_000]
    download.fetch(server.url, path, md5=MD5)
    assert path.read_bytes() == CONTENT and server.ranges == [None, "bytes=1500000-"]


@pytest.mark.parametrize("extra", [0, 5])
def test_a_partial_that_is_complete_or_longer_than_the_file(server, path, extra):
    path.parent.mkdir()
    path.with_name("file.bin.part").write_bytes(CONTENT + b"x" * extra)
    download.fetch(server.url, path, md5=MD5)
    assert path.read_bytes() == CONTENT and server.ranges[1:] == ([None] if extra else [])


def test_a_server_that_sends_another_range_is_asked_again(server, path):
    path.parent.mkdir()
    path.with_name("file.bin.part").write_bytes(CONTENT[:1000])
    server.shift = 7
    assert download.fetch(server.url, path, md5=MD5).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-", None]


def test_wrong_checksum_says_expected_and_got_and_deletes_the_download(server, path):
    with pytest.raises(AdvcodesError, match=f"MD5 is {MD5}, expected {'0' * 32}; the download was deleted"):
        download.fetch(server.url, path, md5="0" * 32)
    assert not path.exists() and not path.with_name("file.bin.part").exists()
    with pytest.raises(AdvcodesError, match=f"SHA256 is {SHA256[:4]}, expected beef"):
        download.fetch(server.url, path, sha256_prefix="beef")


def test_a_damaged_file_on_disk_is_downloaded_again(server, path, capsys):
    path.parent.mkdir()
    path.write_bytes(b"damaged")
    assert download.fetch(server.url, path, md5=MD5).read_bytes() == CONTENT
    assert "downloading it again" in capsys.readouterr().out


def test_missing_file_is_not_asked_for_twice(server, path):
    server.faults = ["404"]
    with pytest.raises(AdvcodesError, match=r"file.bin: HTTP 404 Not Found; check the address"):
        download.fetch(server.url, path)
    assert len(server.ranges) == 1


def test_a_busy_server_is_asked_again(server, path):
    server.faults = ["503", "500"]
    assert download.fetch(server.url, path, md5=MD5).read_bytes() == CONTENT


def test_a_server_that_stays_broken(server, path):
    server.faults = ["503"] * 10
    with pytest.raises(AdvcodesError, match=r"cannot be downloaded \(HTTP 503 Service Unavailable; 4 attempts\)"):
        download.fetch(server.url, path)
    assert len(server.ranges) == download.ATTEMPTS


def test_no_server(server, path):
    server.shutdown()
    server.server_close()
    with pytest.raises(AdvcodesError, match=r"cannot be downloaded \(Connection refused; 4 attempts\)") as error:
        download.fetch(server.url, path)
    assert "\n" not in str(error.value)


def test_only_the_web(path):
    with pytest.raises(AdvcodesError, match="expected an http or https address"):
        download.fetch("file:///etc/hostname", path)


def test_a_folder_that_cannot_be_made(server, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(AdvcodesError, match="cannot write"):
        download.fetch(server.url, tmp_path / "taken" / "file.bin")


def test_two_at_once_download_once(server, path):
    threads = [threading.Thread(target=download.fetch, args=(server.url, path), kwargs={"md5": MD5}) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert path.read_bytes() == CONTENT and server.ranges == [None]


def _tar(path, *members):
    with tarfile.open(path, "w:gz") as tar:
        for name, content, link in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if link:
                info.type, info.linkname = tarfile.SYMTYPE, link
            tar.addfile(info, io.BytesIO(content))
    return path


def test_unpack(tmp_path):
    download.unpack(_tar(tmp_path / "good.tgz", ("a/b.txt", b"hello", "")), tmp_path / "out")
    assert (tmp_path / "out" / "a" / "b.txt").read_bytes() == b"hello"


@pytest.mark.parametrize(
    "members",
    [
        [("../evil.txt", b"x", "")],
        [("a/../../evil.txt", b"x", "")],
        [("link", b"", ".."), ("link/evil.txt", b"x", "")],
        [("link", b"", "/etc"), ("link/evil.txt", b"x", "")],
    ],
)
def test_no_member_leaves_the_folder(tmp_path, members):
    archive = _tar(tmp_path / "evil.tgz", *members)
    with pytest.raises(AdvcodesError, match=r"evil.tgz: refused, since a member would leave its folder"):
        download.unpack(archive, tmp_path / "out" / "deep")
    assert not list(tmp_path.rglob("evil.txt"))


def test_damaged_archives(tmp_path):
    whole = _tar(tmp_path / "a.tgz", ("a", CONTENT, "")).read_bytes()
    (tmp_path / "a.tgz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AdvcodesError, match=r"a.tgz: damaged archive .*; copy or download it again"):
        download.unpack(tmp_path / "a.tgz", tmp_path / "out")
    (tmp_path / "b.gz").write_bytes(b"no gzip at all")
    with pytest.raises(AdvcodesError, match=r"b.gz: damaged gzip file"):
        download.gunzip(tmp_path / "b.gz", tmp_path / "b")
