"""Check a proof: `python3 check.py DIRECTORY_OR_ZIP` says "ok", or what is wrong, with exit 1."""

import json
import sys
import zipfile
from collections import Counter
from hashlib import file_digest, sha256
from pathlib import Path


def require(holds, what):
    _ = holds or sys.exit(f"wrong: {what}")


def digest(value):
    return sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


root = (zipfile.Path if zipfile.is_zipfile(sys.argv[1]) else Path)(sys.argv[1])
text, noted = (root / "manifest.json").read_bytes(), (root / "manifest.sha256").read_bytes()
require(noted == f"{sha256(text).hexdigest()}  manifest.json\n".encode(), "the manifest's digest")
manifest, totals, chains, charges, heads = json.loads(text), Counter(), {}, {}, sha256()
archives = Counter({n: -int(one["events_digest"], 16) for n, one in manifest["archives"].items()})
for name, expected in manifest["files"].items():
    require(file_digest((root / name).open("rb"), "sha256").hexdigest() == expected, name)
for row in map(json.loads, (root / "transactions.jsonl").open("rb")):  # along each wallet's chain
    link, house = row["link"], row["link"]["postings"][1][0]
    wallet, amount, event = link["wallet"], link["amount"], link["event_id"]
    sequence, balance, head = chains.get(wallet, (0, 0, "0" * 64))
    must = {"sequence": sequence + 1, "balance_after": balance + amount, "previous_hash": head}
    must |= {"postings": [[wallet, amount], [house, -amount]], "currency": manifest["currency"]}
    require(link == link | must and digest(link) == row["hash"], f"transaction {row['id']}")
    require("words" not in row or digest(row["words"]) == link["words_hash"], f"words {row['id']}")
    chains[wallet] = (sequence + 1, balance + amount, row["hash"])
    charges |= {event: (wallet, -amount, link["posted_at"])} if link["kind"] == "charge" else {}
    totals.update({link["kind"]: 1, "wallets": amount, house: -amount})
for event in map(json.loads, (root / "events.jsonl").open("rb")):
    sums = [sum(line[what] for line in event["lines"]) for what in ("points", "charge")]
    took = [event["points"], event["charge"]]
    if event["archive"]:  # its lines lie there, with a digest over what all answers in it took
        archives[event["archive"]] += int(digest([event["id"], *took]), 16) if any(took) else 0
        sums = sums if event["lines"] else took
    charge = (f"wallet:{event['user']}", event["charge"], event["received_at"])
    require(charges.pop(event["id"], None) == charge and sums == took, f"event {event['id']}")
    totals.update(events=1, lines=len(event["lines"]), points=sums[0], charged=sums[1])
for at in map(json.loads, (root / "accounts.jsonl").open("rb")):
    state = chains.pop(at["name"], (0, totals[at["name"]], "0" * 64))  # the house: a sum
    require(state == (at["version"], at["balance"], at["head_hash"]), f"account {at['name']}")
    require(":" in at["name"] or at["name"] in manifest["totals"], f"account {at['name']}")
    heads.update(f"{at['name']} {state[0]} {state[2]}\n".encode() if ":" in at["name"] else b"")
    totals.update(accounts=1)
require(not any(n % 2**256 for n in archives.values()), "answers whose lines lie in archives")
require(not chains and not charges and totals["charge"] == totals["events"], "something is missing")
require((totals, heads.hexdigest()) == (Counter(manifest["totals"]), manifest["heads"]), "totals")
print(f"ok: {dict(totals)}, heads {heads.hexdigest()}")
