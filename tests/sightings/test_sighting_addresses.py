"""What of an address is shown, and which key it names."""

import pytest
from app.sightings.addresses import has_hook_folder_twice, named_key, shown

KEY = "Ab3x" + "Z9" * 14


@pytest.mark.parametrize(
    ("path", "said", "key"),
    [
        (f"/l/{KEY}/shareAuth/init", "/l/Ab3x…/shareAuth/init", KEY),
        (f"/l/{KEY}/shareAuth/shareAuth/init", "/l/Ab3x…/shareAuth/shareAuth/init", KEY),
        (f"/l/{KEY}", "/l/Ab3x…", KEY),
        (f"/{KEY}/shareauth/init", "/Ab3x…/shareauth/init", KEY),
        (f"/proxy/l/{KEY}/shareAuth/init", "/prox…/l/Ab3x…/shareAuth/init", KEY),
        ("/shareAuth/finish", "/shareAuth/finish", None),
        ("/l/", "/l/", None),
        ("/", "/", None),
        ("/l/a\0\ud800\n/x", "/l/a???/x", "a\0\ud800\n"),
        ("/" + "a/" * 20, "/" + "a/" * 12 + "…", None),
    ],
)
def test_address_shows_what_is_wrong_and_no_key(path, said, key):
    assert shown("POST", path) == f"POST {said}"
    assert named_key(path) == key
    assert KEY not in shown(KEY, path)


def test_folder_of_the_hooks_is_counted_in_any_case():
    assert has_hook_folder_twice("POST /l/Ab3x…/shareAuth/shareauth/init")
    assert not has_hook_folder_twice("POST /l/Ab3x…/shareAuth/stop")
