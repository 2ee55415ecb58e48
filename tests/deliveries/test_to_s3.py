"""S3-compatible storage over a real socket: what is wrong is said, and what comes back is used."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from app.config import Settings
from app.deliveries import sending
from app.deliveries.carrying import NotTaken
from moto.server import ThreadedMotoServer
from pyarrow import fs

pytestmark = pytest.mark.parametrize("db", ["sqlite"], indirect=True)

SECRET = "a secret key that nobody may see"


@pytest.fixture
def storage(free_port):
    """Where a server may be started, stopped and started again."""
    server = ThreadedMotoServer("127.0.0.1", free_port, verbose=False)
    yield server, f"http://127.0.0.1:{free_port}"
    server.stop()


def connect(endpoint):
    return fs.S3FileSystem(
        access_key="key",
        secret_key=SECRET,
        endpoint_override=endpoint.removeprefix("http://"),
        scheme="http",
        region="us-east-1",
        allow_bucket_creation=True,
    )


def add(depot, endpoint, **more):
    given = {"bucket": "reports", "prefix": "fast/gpt", "access_key": "key", "secret_key": SECRET}
    return depot.add("s3", endpoint=endpoint, **{**given, **more})[0]


def test_files_go_up_in_parts_overwrite_themselves_and_can_be_tried(depot, storage):
    server, endpoint = storage
    server.start()
    there = connect(endpoint)
    there.create_dir("reports")
    id_ = add(depot, endpoint)
    assert "removed again" in depot.probe(id_)
    big = depot.file("big.bin", b"0123456789abcdef" * 800_000, "application/octet-stream")
    delivery = depot.order(id_, depot.file(), big)
    depot.send()
    assert depot.delivery(delivery).place == "s3://reports/fast/gpt/june.manifest.json"
    assert there.open_input_stream("reports/fast/gpt/report.csv").read() == b"a,b\n1,2\n"
    assert there.get_file_info("reports/fast/gpt/big.bin").size == big.size
    depot.order(id_, depot.file(content=b"a,b\n3,4\n"), is_again=True)
    depot.send()
    assert there.open_input_stream("reports/fast/gpt/report.csv").read() == b"a,b\n3,4\n"
    found = there.get_file_info(fs.FileSelector("reports", recursive=True))
    names = sorted(one.base_name for one in found if one.type.name == "File")
    assert names == ["big.bin", "june.manifest.json", "report.csv"]


class Refusing:
    """Storage that says no to every write, as S3 does."""

    def __init__(self, code):
        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                said = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
                self.send_response(403)
                self.send_header("Content-Type", "application/xml")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("InvalidAccessKeyId", "does not know the access key"),
        ("SignatureDoesNotMatch", "the secret key is wrong"),
        ("AccessDenied", "does not let this key write to reports"),
    ],
)
def test_a_wrong_key_is_said_in_one_sentence_without_the_secret(depot, code, sentence):
    with Refusing(code) as far, pytest.raises(NotTaken, match=sentence) as refused:
        depot.probe(add(depot, far.url))
    assert SECRET not in str(refused.value)


def test_a_missing_bucket_is_named(depot, storage):
    server, endpoint = storage
    server.start()
    with pytest.raises(NotTaken, match="there is no bucket elsewhere"):
        depot.probe(add(depot, endpoint, bucket="elsewhere"))


def test_a_server_that_is_away_gets_it_when_it_is_back(depot, storage):
    server, endpoint = storage
    id_ = add(depot, endpoint)
    delivery = depot.order(id_)
    depot.send()
    waiting = depot.delivery(delivery)
    assert (waiting.status, waiting.attempts) == ("pending", 1)
    assert "does not answer" in waiting.error
    assert SECRET not in waiting.error
    server.start()
    connect(endpoint).create_dir("reports")
    depot.now = waiting.due_at
    depot.send()
    assert depot.delivery(delivery).status == "delivered"
    assert depot.attempts(delivery) == ["failed", "delivered"]


def test_private_storage_is_called_only_where_the_settings_permit_it(depot):
    depot.ways = sending.ways(Settings())
    for endpoint in ("http://127.0.0.1:9", "https://127.0.0.1:9", "https://169.254.169.254"):
        id_, _ = depot.add(
            "s3", endpoint, endpoint=endpoint, bucket="abc", access_key="k", secret_key="s"
        )
        with pytest.raises(NotTaken, match="allow_private_addresses"):
            depot.probe(id_)
