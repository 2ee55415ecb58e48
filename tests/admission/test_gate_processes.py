"""Several processes, one gate: as gunicorn's workers are."""

import json
from pathlib import Path

import pytest

from admission_builders import make_gate
from zygote import NURSERY

TESTS = Path(__file__).parents[1]
ASK_MANY = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
sys.path.insert(0, {tests!r})
from admission_builders import Books, make_ask, make_settings
from app.admission.gate import Gate, QuestionRefused
from app.limits import VisitorLimits

gate = Gate(make_settings({namespace!r}), url={url!r})
asks = [make_ask(visitor=VisitorLimits(open_questions=5)) for _ in range(25)]

def ask(one):
    try:
        return gate.admit(one, Books()).mode
    except QuestionRefused as refusal:
        return refusal.code

print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(25) as pool:
    print(json.dumps(list(pool.map(ask, asks))))
gate.close()
"""


@pytest.mark.parametrize("server", ["valkey_url", "valkey_cluster_url"])
def test_hundred_questions_over_four_processes_admit_exactly_five(request, namespace, server):
    url = request.getfixturevalue(server)
    gate = make_gate(url, namespace)
    program = ASK_MANY.format(tests=str(TESTS), namespace=namespace, url=url)
    workers = [NURSERY.start_python(program, cwd=TESTS.parent) for _ in range(4)]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    answers = [answer for worker in workers for answer in json.loads(worker.communicate())]
    assert answers.count("gate") == 5
    assert answers.count("visitor_open") == 95
    assert gate.snapshot(7, 3).visitor_open == 5
    gate.close()
