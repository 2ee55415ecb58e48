"""The snippets that sign tokens are run as they stand; the service's own verifier judges them."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from app.tokens import verify as verifier
from app.tokens.issuers import IssuerSpec
from app.tokens.refusals import TokenRejected

ROOT = Path(__file__).resolve().parents[2]
SNIPPETS = ROOT / "docs" / "snippets"
SECRET = "f" * 64
SHARE_URL = "https://fastgpt.example/chat/share?shareId=abc123"
ISSUER = IssuerSpec(
    name="portal", algorithms=("HS256",), audience=("shareauth",), secrets=(SECRET,)
)


@dataclass(frozen=True)
class Runtime:
    file: str
    command: str
    probe: tuple[str, ...]
    """Succeeds where the language is there and new enough."""

    def __str__(self):
        return self.file

    @property
    def is_there(self) -> bool:
        if shutil.which(self.probe[0]) is None:
            return False
        return subprocess.run(self.probe, capture_output=True, check=False).returncode == 0


ALL = [
    Runtime("sign_token.py", sys.executable, (sys.executable, "--version")),
    Runtime("sign-token.mjs", "node", ("node", "-e", "Buffer.from('').toString('base64url')")),
    Runtime("SignToken.java", "java", ("javac", "--version")),
    Runtime("sign_token.php", "php", ("php", "-r", "exit(PHP_VERSION_ID < 80000 ? 1 : 0);")),
]
ELSEWHERE = {"follow_into_duckdb.py"}
"""Signs nothing; tests/feed runs it."""
PRESENT = [one for one in ALL if one.is_there]


@pytest.fixture(scope="module", autouse=True)
def _name_what_is_not_run(request):
    """A snippet whose language is not installed here cannot be run; that is said aloud."""
    plugins = request.config.pluginmanager
    with plugins.get_plugin("capturemanager").global_and_fixture_disabled():
        for one in ALL:
            if one not in PRESENT:
                sys.stdout.write(f"\n{one.file} is not run: no {one.command} (new enough)\n")


def _sign(runtime, subject, name, secret=SECRET):
    """The visitor URL that the snippet prints."""
    command = [runtime.command, str(SNIPPETS / runtime.file), subject, name, SHARE_URL]
    environ = {**os.environ, "SIGNING_SECRET": secret, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command, env=environ, capture_output=True, check=False, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _token(url):
    return parse_qs(urlsplit(url).query)["authToken"][0]


def _verify(token, issuer=ISSUER):
    return verifier.verify(token, issuer, lambda _kid: issuer.static_keys)


def test_every_snippet_is_run_where_its_language_is_there():
    found = {path.name for path in SNIPPETS.iterdir() if path.is_file()}
    assert {one.file for one in ALL} == found - ELSEWHERE
    assert "sign_token.py" in [one.file for one in PRESENT]


@pytest.mark.parametrize("runtime", PRESENT, ids=str)
def test_what_a_snippet_signs_is_taken(runtime):
    before = datetime.now(UTC).replace(microsecond=0)
    url = _sign(runtime, "emp-4711", "Alice Chen")
    claims = _verify(_token(url))
    assert url.startswith(SHARE_URL + "&authToken=")
    assert (claims.subject, claims.name) == ("emp-4711", "Alice Chen")
    assert before <= claims.issued_at <= datetime.now(UTC)
    assert claims.expires_at - claims.issued_at == timedelta(minutes=10)
    verifier.check_times(
        ISSUER,
        issued_at=claims.issued_at,
        not_before=claims.not_before,
        expires_at=claims.expires_at,
        now=datetime.now(UTC),
    )


@pytest.mark.parametrize("runtime", PRESENT, ids=str)
def test_a_name_with_quotes_and_chinese_arrives_whole(runtime):
    name = '陈晓明 "Al" \\ é 😀'
    assert _verify(_token(_sign(runtime, "企业微信:42", name))).name == name


@pytest.mark.parametrize("runtime", PRESENT, ids=str)
def test_another_secret_is_not_taken(runtime):
    token = _token(_sign(runtime, "alice", "Alice", secret="e" * 64))
    with pytest.raises(TokenRejected):
        _verify(token)


@pytest.mark.parametrize("runtime", ALL, ids=str)
def test_all_snippets_make_the_same_claims(runtime):
    """Also for a language that cannot be run here."""
    text = (SNIPPETS / runtime.file).read_text("utf-8")
    for word in ["sub", "name", "iss", "portal", "aud", "shareauth", "iat", "exp", "HS256"]:
        assert re.search(rf"\b{word}\b", text), f"{runtime.file} does not mention {word}"
    assert "&authToken=" in text


@pytest.mark.parametrize("page", ["docs/sign-tokens.md", "docs/sign-tokens.zh-CN.md"])
@pytest.mark.parametrize("runtime", ALL, ids=str)
def test_the_page_shows_the_snippet_as_it_is(runtime, page):
    assert (SNIPPETS / runtime.file).read_text("utf-8") in (ROOT / page).read_text("utf-8")


@pytest.mark.parametrize("page", ["docs/sign-tokens.md", "docs/sign-tokens.zh-CN.md"])
def test_the_page_shows_the_claims_that_the_snippets_make(page):
    shown = re.findall(r"```json\n(\{.*?\})\n```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    assert set(json.loads(shown[0])) == {"sub", "name", "iss", "aud", "iat", "exp"}
