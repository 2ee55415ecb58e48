"""The moment at which most tests happen: noon in Asia/Shanghai."""

from datetime import UTC, datetime

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
