"""The contracts of the import linter leave nothing out."""

import tomllib

from house_rules import ROOT

CONTRACTS = {
    contract["name"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"][
        "importlinter"
    ]["contracts"]
}
LAYERS = CONTRACTS["Layers"]
PURE = CONTRACTS["Pure modules compute and nothing else"]

PURE_PACKAGES = {
    "app/metering": {"store.py", "models.py", "commands.py", "__init__.py"},
    "app/sightings": {"store.py", "models.py", "__init__.py"},
}
"""Packages whose every module is pure, but for these."""

PURE_MODULES = [
    "app/alerts/backoff.py",
    "app/alerts/bots.py",
    "app/alerts/judging.py",
    "app/alerts/quiet.py",
    "app/alerts/signing.py",
    "app/alerts/texts.py",
    "app/archives/tally.py",
    "app/csv_text.py",
    "app/closings/content.py",
    "app/closings/granted.py",
    "app/closings/months.py",
    "app/limits.py",
    "app/money.py",
    "app/pricing/book.py",
    "app/pricing/differences.py",
    "app/pricing/rating.py",
    "app/ledger/transactions.py",
    "app/ledger/chain.py",
    "app/ledger/reratings.py",
    "app/ledger/redemptions.py",
    "app/ledger/grants.py",
    "app/ledger/burndown.py",
    "app/codes/notation.py",
    "app/admission/periods.py",
    "app/turns/fingerprint.py",
    "app/reports/spans.py",
    "app/reports/rollup/fold.py",
    "app/schedules/calendar.py",
    "app/reports/times.py",
    "app/metering/segments/document.py",
    "app/spool/frames.py",
]


def _names(lines):
    return {name.strip(" ()") for line in lines for name in line.split("|")}


def test_every_package_and_module_has_its_layer():
    children = {
        path.stem
        for path in (ROOT / "app").iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").is_file()) and path.stem != "__init__"
    }
    assert LAYERS["exhaustive"] is True
    assert children - _names(LAYERS["layers"]) == set()


def test_every_pure_module_is_under_the_contract_of_purity():
    paths = {path for path in PURE_MODULES if (ROOT / path).is_file()}
    for package, others in PURE_PACKAGES.items():
        found = {p.relative_to(ROOT).as_posix() for p in (ROOT / package).glob("*.py")}
        paths |= found - {f"{package}/{name}" for name in others}
    expected = {path.removesuffix(".py").replace("/", ".") for path in paths}
    assert set(PURE["source_modules"]) == expected
