"""Neither a token, nor a question, nor a link's key is ever in a log, a metric or a table."""

import json
import uuid
from pathlib import Path


def test_secrets_of_a_whole_visit_are_nowhere_to_be_read(service):
    link, token = service.add_link(), service.add_visitor()
    key = link.url.rsplit("/", 1)[1]
    question = f"where did I put {uuid.uuid4().hex}?"
    quote = f"a private passage {uuid.uuid4().hex}"
    node = {"id": "n", "moduleType": "chatNode", "totalPoints": 1, "quoteList": [{"q": quote}]}
    guest = f"shareChat-1754557200000-{uuid.uuid4().hex[:24]}"
    link.init(token)
    link.start(token, question)
    link.finish(token, [node])
    link.finish("no-such-token-" + uuid.uuid4().hex, [node])
    link.init(guest)
    link.call("start", json.dumps({"token": token, "question": question})[:-5].encode())
    link.pool.request("GET", f"{link.url}/shareAuth/init?token={token}")
    link.pool.request("POST", f"{link.url}/nonsense/{token}", json={"token": token})
    service.cli("users", "list", "--json")
    metrics = service.pool.request("GET", f"{service.url}/metrics").data.decode()
    for secret in (token, key, question, quote, guest):
        assert secret not in service.log()
        assert secret not in metrics
        assert not found_in_tables(service, secret), secret


def test_logs_are_json_with_request_ids(service):
    link = service.add_link()
    reference = link.init("nobody")["reference"]
    lines = [line for line in service.log().splitlines() if reference in line]
    assert lines
    assert all(json.loads(line)["request_id"] == reference for line in lines)


def found_in_tables(service, secret: str) -> bool:
    if service.environ.get("SHAREAUTH_DATABASE__URL"):
        tables = service.rows(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        )
        return any(
            secret in str(row)
            for [table] in tables
            for row in service.rows(f"SELECT t::text FROM {table} t")
        )
    files = Path(service.data_dir).glob("shareauth.sqlite3*")
    return any(secret.encode() in path.read_bytes() for path in files)
