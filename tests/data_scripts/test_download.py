"""Downloads, against a server of our own on this machine."""

from __future__ import annotations

import hashlib
import http.server
import socket
import threading
import time

import pytest

from data_scripts import download as downloads
from data_scripts.download import Patience, Remote, download
from data_scripts.errors import DataError, NoSource
from data_scripts.specs import CIFAR10, MNIST

CONTENT = bytes(range(256)) * 2000
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def server(tmp_path):
    """(address, folder that it serves, list of requested paths)."""
    folder, requested = tmp_path / "served", []
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=folder)

        def do_GET(self):
            requested.append(self.path)
            super().do_GET()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}", folder, requested
        running.shutdown()


@pytest.fixture
def silent():
    """The address of a server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_file_is_downloaded(server, tmp_path):
    address, folder, _ = server
    (folder / "file").write_bytes(CONTENT)
    path = download(Remote((f"{address}/file",), "file", MD5), tmp_path, Patience())
    assert path.read_bytes() == CONTENT
    assert not list(tmp_path.glob("*.part"))


def test_the_next_mirror_is_asked_when_one_lacks_the_file_or_has_another(server, tmp_path):
    address, folder, requested = server
    (folder / "other").write_bytes(CONTENT[:-1])
    (folder / "file").write_bytes(CONTENT)
    urls = (f"{address}/absent", f"{address}/other", f"{address}/file")
    assert download(Remote(urls, "file", MD5), tmp_path, Patience()).read_bytes() == CONTENT
    assert requested == ["/absent", "/other", "/file"]


def test_a_file_with_another_checksum_is_never_kept(server, tmp_path):
    address, folder, _ = server
    (folder / "file").write_bytes(CONTENT[:-1])
    with pytest.raises(NoSource, match=r"511,999 bytes with MD5"):
        download(Remote((f"{address}/file",), "file", MD5), tmp_path, Patience())
    assert not list(tmp_path.glob("file*"))


def test_a_whole_file_is_not_downloaded_again(server, tmp_path):
    address, _, requested = server
    (tmp_path / "file").write_bytes(CONTENT)
    download(Remote((f"{address}/file",), "file", MD5), tmp_path, Patience())
    assert requested == []


def test_a_file_that_is_too_large_is_given_up(server, tmp_path, monkeypatch):
    address, folder, _ = server
    (folder / "file").write_bytes(CONTENT)
    monkeypatch.setattr(downloads, "MAX_FILE", 1000)
    with pytest.raises(NoSource, match="more than 1,000 bytes"):
        download(Remote((f"{address}/file",), "file", MD5), tmp_path, Patience())


def test_all_servers_together_get_no_more_than_the_patience(silent, tmp_path):
    remote = Remote(tuple(f"{silent}/{k}" for k in range(90)), "file", MD5)
    patience = Patience(total=0.3, attempt=0.1)
    begun = time.monotonic()
    with pytest.raises(NoSource, match=r"(?s)no answer within.*no server has answered so far"):
        download(remote, tmp_path, patience)
    with pytest.raises(NoSource, match="file/0: not tried"):  # the second download knows already
        download(remote._replace(urls=(f"{silent}/file/0",)), tmp_path, patience)
    assert time.monotonic() - begun < 5  # 90 attempts of 0.1 s would take 9


def test_the_default_patience_is_below_ten_seconds():
    assert Patience().left < 10


def test_a_name_lookup_that_hangs_is_given_up(tmp_path, monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(downloads.urllib.request, "urlopen", lambda *_, **__: released.wait(30))
    with pytest.raises(NoSource, match="no answer within"):
        download(Remote(("http://127.0.0.1/file",), "file", MD5), tmp_path, Patience(total=0.1, attempt=0.1))
    released.set()


def test_mnist_is_downloaded_decoded_and_the_download_removed(server, small_mnist, mnist_arrays, tmp_path):
    from dataclasses import replace

    from .conftest import assert_same, write_idx

    address, folder, _ = server
    write_idx(folder, mnist_arrays)
    md5 = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    spec = replace(small_mnist.spec, mirrors=(f"{address}/", f"{address}/other/"), downloads=md5)
    served = replace(small_mnist, spec=spec)
    assert_same(served.fetch(tmp_path / "root", [], Patience()), mnist_arrays)
    assert not (tmp_path / "root" / ".mnist.download").exists()


def test_a_download_that_fails_says_where_it_looked_and_how_to_go_on(small_mnist, tmp_path):
    (tmp_path / "mirror").mkdir()
    with pytest.raises(NoSource) as refused:
        small_mnist.fetch(tmp_path / "root", [tmp_path / "mirror", tmp_path / "typo"], Patience())
    text = str(refused.value)
    assert "mirror (no copy in it)" in text
    assert "typo (no such folder)" in text
    assert "no network in tests" in text
    assert "python -m data_scripts.fetch mnist" in text
    assert isinstance(refused.value, DataError)
    assert [path.name for path in (tmp_path / "root").iterdir()] == [".mnist.lock"]


def test_addresses_and_checksums_are_torchvisions():
    from torchvision import datasets

    assert set(MNIST.mirrors) <= set(datasets.MNIST.mirrors)
    assert list(MNIST.downloads.items()) == datasets.MNIST.resources
    assert [CIFAR10.mirrors[0] + name for name in CIFAR10.downloads] == [datasets.CIFAR10.url]
    assert list(CIFAR10.downloads.values()) == [datasets.CIFAR10.tgz_md5]
    assert list(CIFAR10.md5.items()) == [tuple(pair) for pair in datasets.CIFAR10.train_list + datasets.CIFAR10.test_list]
