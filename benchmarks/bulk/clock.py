"""The clock by which made-up usage has its days and months."""

from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Shanghai")
