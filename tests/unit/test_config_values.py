"""Each kind of value: what passes, what it becomes, and that what doesn't pass is told."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import values


@pytest.mark.parametrize(
    ("written", "meant"),
    [("60s", 60), ("5m", 300), ("2h", 7200), ("5d", 432000), ("5 d", 432000), ("0s", 0)],
)
def test_durations(written: str, meant: int) -> None:
    assert values.duration(written) == timedelta(seconds=meant)


@pytest.mark.parametrize("wrong", ["", "5", "5 days", "-5s", "1.5h", "d", 60, True, None, "99999999d"])
def test_wrong_durations(wrong: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        values.duration(wrong)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("08:30", time(8, 30)), ("8:30", time(8, 30)), ("23:59", time(23, 59)), (time(0), time(0))],
)
def test_clock(written: object, meant: time) -> None:
    assert values.clock(written) == meant


@pytest.mark.parametrize("wrong", ["", "24:00", "8", "8h30", "08:60", "-1:00", "٠٨:٣٠", 8, None, time(8, 30, 1)])
def test_wrong_clock(wrong: object) -> None:
    with pytest.raises(ValueError, match="must be a time of day"):
        values.clock(wrong)


def test_times_are_in_order_and_each_once() -> None:
    assert values.times((time(17), time(8), time(17))) == (time(8), time(17))
    with pytest.raises(ValueError, match="at least"):
        values.times(())


@pytest.mark.parametrize("written", ["2028-02-29", date(2028, 2, 29)])
def test_days(written: object) -> None:
    assert values.day(written) == date(2028, 2, 29)


@pytest.mark.parametrize(
    "wrong",
    ["", "20280229", "2027-02-29", "2028-W09-2", "29/02/2028", 20280229, None, datetime(2028, 2, 29, tzinfo=UTC)],
)
def test_wrong_days(wrong: object) -> None:
    with pytest.raises(ValueError, match="must be a day"):
        values.day(wrong)


def test_nothing_set_is_none() -> None:
    check = values.or_none(values.duration)
    assert check("") is check(None) is None
    assert check("0s") == timedelta(0)
    with pytest.raises(ValueError, match="must be a duration"):
        check(0)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("25 MB", 25_000_000),
        ("500kB", 500_000),
        ("10 MiB", 10_485_760),
        ("1 GiB", 2**30),
        ("7 B", 7),
        ("7", 7),
        (7, 7),
    ],
)
def test_sizes(written: object, meant: int) -> None:
    assert values.size(written) == meant


@pytest.mark.parametrize("wrong", ["", "MB", "1.5 MB", "-1 MB", "0", 0, -1, True, "25 mb", [1]])
def test_wrong_sizes(wrong: object) -> None:
    with pytest.raises(ValueError, match="must be a size"):
        values.size(wrong)


@pytest.mark.parametrize("fine", ["213 105 554 00017", "21310555400017", "35600000000048", "35600000049837"])
def test_sirets(fine: str) -> None:
    assert values.siret(fine) == fine.replace(" ", "")


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ("2,13106E+13", "rounded by a spreadsheet"),
        ("2.13105554E13", "rounded by a spreadsheet"),
        ("532028500015", "drop leading zeros"),
    ],
)
def test_what_spreadsheets_do_to_sirets(wrong: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        values.siret(wrong)


@given(st.integers(0, 13), st.integers(1, 9))
def test_luhn_finds_every_wrong_digit(place: int, by: int) -> None:
    digits = list("21310555400017")
    digits[place] = str((int(digits[place]) + by) % 10)
    with pytest.raises(ValueError, match="check digit"):
        values.siret("".join(digits))


@pytest.mark.parametrize("wrong", ["", "2131055540001", "213105554000170", "2131055540001x", "２1310555400017"])
def test_sirets_have_fourteen_digits(wrong: str) -> None:
    with pytest.raises(ValueError, match="14 digits"):
        values.siret(wrong)


def test_la_poste_has_its_own_sum() -> None:
    assert values.siret("35600000049837")  # sum of digits 45: a multiple of five; Luhn fails
    with pytest.raises(ValueError, match="check digit"):
        values.siret("35600000049838")


@pytest.mark.parametrize("fine", ["A@B.org", "o'neil+x@example.org", "a@localhost", "a.b-c@xn--prfecture-c4a.fr"])
def test_addresses_become_lower_case(fine: str) -> None:
    assert values.address(fine) == fine.lower()


@pytest.mark.parametrize(
    "wrong",
    ["", "a", "@b.org", "a@", "a@b..org", ".a@b.org", "a.@b.org", "a b@c.org", "A <a@b.org>", "a@b.org,c@d.org",
     "a@[127.0.0.1]", '"a"@b.org', "a@-b.org", "a@préfecture.fr", "é@b.org", "a@b.org\n", f"{'a' * 65}@b.org",
     f"a@{'b' * 64}.org", "a@b_c.org"],
)  # fmt: skip
def test_wrong_addresses(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"is not|must be"):
        values.address(wrong)


@pytest.mark.parametrize("fine", ["http://a", "https://demarches.example.org:8443/x?y#z"])
def test_urls(fine: str) -> None:
    assert values.url(fine) == fine


@pytest.mark.parametrize(
    "wrong", ["", "a.org", "ftp://a", "https://", "https://a b", "https://a:99999", "https://[a"]
)
def test_wrong_urls(wrong: str) -> None:
    with pytest.raises(ValueError, match="web address"):
        values.url(wrong)


@pytest.mark.parametrize("fine", ["127.0.0.1:25", "[::1]:0", "mx.example.org:65535", "unix:/run/x", "systemd"])
def test_listen(fine: str) -> None:
    assert values.listen_form(fine) == fine


@pytest.mark.parametrize("wrong", ["", "25", ":25", "a:", "::1:25", "a:65536", "a:٢", "unix:", "tcp://a:25", "[x]:1"])
def test_wrong_listen(wrong: str) -> None:
    with pytest.raises(ValueError, match="must be like"):
        values.listen_form(wrong)


@pytest.mark.parametrize("wrong", ["", "Paris", "Europe", "../etc/passwd", "/etc/passwd", "a\0b"])
def test_wrong_timezones(wrong: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        values.timezone(wrong)


@pytest.mark.parametrize("wrong", ["", "move:", "move: ", "Keep", "archive"])
def test_wrong_after(wrong: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        values.after(wrong)


@pytest.mark.parametrize("fine", ["keep", "delete", "move:Traités", "move:A/B c"])
def test_after(fine: str) -> None:
    assert values.after(fine) == fine


@pytest.mark.parametrize("wrong", ["", "++", "/", "@", "a"])
def test_wrong_separators(wrong: str) -> None:
    with pytest.raises(ValueError, match="one of the characters"):
        values.separator(wrong)


@pytest.mark.parametrize("wrong", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "mysql://a", "var/gateway.db"])
def test_wrong_databases(wrong: str) -> None:
    with pytest.raises(ValueError, match="must name a file"):
        values.database(wrong, None)  # type: ignore[arg-type]


def test_local_parts() -> None:
    assert values.local_part("Reponse") == "reponse"
    assert values.local_part("") == ""
    for wrong in ("a@b", "a b", ".a", "é", "x" * 21):
        with pytest.raises(ValueError, match="before an @"):
            values.local_part(wrong)
    with pytest.raises(ValueError, match="must not be empty"):
        values.filled_local_part("")
