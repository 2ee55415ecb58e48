"""What a token looks like decides whom to ask, and nothing else."""

import pytest
from app.tokens.shapes import shape, signed_part


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sat_abc", "opaque"),
        ("shareChat-1760000000000-aB3dE5fG7hJ9kL1mN3pQ5rS7", "guest"),
        ("shareChat-1695600000000-abc_efghijklmnopqrstuvwx", "guest"),
        ("a.b.c", "jwt"),
        ("a.b.", "jwt"),
        ("a==.b.c=", "jwt"),
        ("", "other"),
        ("shareChat-1760000000000-short", "other"),
        ("shareChat-1760000000000-aB3dE5fG7hJ9kL1mN3pQ5rS7\n", "other"),
        ("shareChat-١٧٦٠٠٠٠٠٠٠٠٠٠-aB3dE5fG7hJ9kL1mN3pQ5rS7", "other"),
        ("a.b.c.d", "other"),
        ("a.b", "other"),
        ("é.b.c", "other"),
        ("ou_7d8a6e6df7621556ce0d21922b676706ccs", "other"),
    ],
)
def test_shape(text, expected):
    assert shape(text) == expected


def test_signed_part_leaves_the_signature_out():
    assert signed_part("a.b.c") == signed_part("a.b.d==") == "a.b"
    assert signed_part("sat_a") == "sat_a"
