import pytest

from lightninglens.app.origins import exact_origin


@pytest.mark.parametrize(
    "origin",
    ["https://lens.example", "http://localhost:8080", "http://127.0.0.1:5173", "https://lens.example:8443"],
)
def test_an_origin_is_taken_as_browsers_send_it(origin: str) -> None:
    assert exact_origin(origin) == origin


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not an origin"),
        ("*", "is not an origin"),
        ("null", "is not an origin"),
        ("lens.example", "is not an origin"),
        ("ftp://lens.example", "is not an origin"),
        ("file:///tmp/index.html", "is not an origin"),
        ("https://*.example", "without a pattern"),
        ("https://lens.example/", "leave out the path"),
        ("https://lens.example/dashboard", "leave out the path"),
        ("https://lens.example?a=1", "leave out the path"),
        ("https://me@lens.example", "leave out the path"),
        ("https://Lens.example", "lower case"),
        ("https://lëns.example", "xn--"),
        ("https://lens.example:443", "leave out :443"),
        ("http://lens.example:80", "leave out :80"),
        ("http://lens.example:port", "a port that is none"),
    ],
)
def test_what_no_browser_would_send_is_refused_with_the_remedy(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        exact_origin(text)
