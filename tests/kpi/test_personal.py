"""Personal data: found by whole words and by values, never by parts of words; masked by key or refused by name."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpi.columns import OPTIONAL, REQUIRED
from kpi.findings import UsageError
from kpi.personal import (
    Privacy,
    describe,
    is_plain,
    judge_columns,
    publishing,
    read_key,
    shape,
    shown,
    why_name,
    why_values,
    words_of,
)
from kpi.personal_words import ALONE, PAIRS, SOLE

KEY, OTHER = b"k" * 32, b"o" * 32
LETTERS = st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=6)


HARMLESS = """
    rating iteration operating_status duration generation corporate_rate migration_date shipment description recipe tipo_credito
    ratio narration cell_count mobile_app_version productName file_name fund_name nombre_producto account_status
    accounts_receivable email_count phone_verified telephony emailing addressable unidad stelcel hotel brut customer_id
    client_segment run_id tax_rate card_type national_rate disney nominal
"""
PERSONAL = """
    name customer_name BorrowerName nombre Nombre_Cliente apellido_paterno email E-Mail emailAddress correo_electronico Teléfono
    tel1 phone2 DIRECCION dirección_casa cédula RFC rfc_cliente CURP dni NIT ssn customerSSN birth_date fechaNacimiento
    FECHA_NACIMIENTO dob IBAN account_number numero_cuenta CLABE bankAccount tax_id national_id passport_no calle codigo_postal
    ip client_ip customer num_tarjeta
"""


def test_personal_names_are_hit_and_harmless_ones_are_not() -> None:
    assert [name for name in (*REQUIRED, *OPTIONAL, *HARMLESS.split()) if why_name(name)] == []
    assert [name for name in ("first name", *PERSONAL.split()) if not why_name(name)] == []


@given(LETTERS, st.sampled_from(sorted(ALONE | SOLE | {pair[0] for pair in PAIRS} | {"name", "nombre"})), LETTERS)
def test_a_part_of_a_word_is_never_hit(before: str, word: str, after: str) -> None:
    known = ALONE | SOLE | {"name", "nombre", "nombres"}
    for joined in (before + word, word + after, before + word + after):
        if joined not in known:
            assert why_name(joined) == ""


@given(st.sampled_from(sorted(ALONE)), st.lists(LETTERS, max_size=2))
def test_a_word_is_hit_however_the_name_is_written(word: str, others: list[str]) -> None:
    parts = [*others, word]
    names = {"_".join(parts), " ".join(parts).upper(), "".join(map(str.capitalize, parts)), "-".join(parts) + "_1"}
    assert all(why_name(name) for name in names)
    assert words_of("_".join(parts)) == tuple(parts)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["x", "ana@example.org"], "e-mail"),
        (["GODE561231HDFRRN09"], "CURP"),
        (["GB82 WEST 1234 5698 7654 32"], "IBAN"),
        (["+52 55 1234 5678"] * 5, "telephone"),
        (["123-45-6789"] * 5, "social security"),
        (["GODE561231GR8"] * 5, "tax id"),
        (["4111 1111 1111 1111"] * 5, "card"),
    ],
)
def test_values_that_look_personal_are_found_and_not_told(values: list[str], kind: str) -> None:
    why = why_values("extra", values)
    assert kind in why
    assert not any(value in why for value in values if len(value) > 1)


@pytest.mark.parametrize(
    "values",
    [
        [],
        ["", "  "],
        ["GB82 WEST 1234 5698 7654 33"],  # an IBAN with a wrong check digit
        ["L0", "L1", "tape-000001"] * 5,
        ["2025-12-26"] * 9,
        ["1234.56", "0", "-1"] * 9,
        ["+52 55 1234 5678"] * 4 + ["other"] * 5,
    ],
)
def test_ordinary_values_are_not_hit(values: list[str]) -> None:
    assert why_values("extra", values) == ""


def test_a_loan_id_may_look_like_a_tax_id_but_not_like_an_address() -> None:
    assert why_values("loan_id", ["LOAN251226001"] * 9) == ""
    assert "e-mail" in why_values("loan_id", ["ana@example.org"])


@given(st.text(max_size=50), st.text(max_size=50))
def test_the_same_value_has_the_same_token_and_another_value_or_key_another(value: str, another: str) -> None:
    one, same, other = Privacy("mask", KEY), Privacy("mask", KEY), Privacy("mask", OTHER)
    assert one.masked(value) == same.masked(value) != other.masked(value)
    assert one.key_id == same.key_id != other.key_id
    if unicodedata.normalize("NFC", value.strip()) != unicodedata.normalize("NFC", another.strip()):
        assert one.masked(value) != one.masked(another)


@given(
    st.from_regex(r"[A-Za-z]{2,12} [A-Za-z]{2,12}|[a-z]{3,9}@[a-z]{3,9}\.mx|[A-Z]{4}\d{6}[A-Z0-9]{3}", fullmatch=True)
)
def test_what_is_about_a_person_is_never_shown(value: str) -> None:
    for privacy in (Privacy(), Privacy("mask", KEY)):
        assert value not in privacy.shown(value)


@pytest.mark.parametrize(
    "value", ["", "-1.0", "$1,234.56", "1.234,56", "inf", "N/A", "2025-13-01", "31/12/2025", "1e5", "12 %"]
)
def test_amounts_and_dates_are_shown_as_they_are_unless_their_column_is_personal(value: str) -> None:
    privacy = Privacy("mask", KEY)
    assert privacy.shown(value) == value
    assert privacy.shown(value, personal=True) == privacy.masked(value) != value


@pytest.mark.parametrize(
    "value", ["5512345678", "+525512345678", "123-45-6789", "55.1234.5678", "4111 1111 1111 1111", "Ana"]
)
def test_numbers_of_people_are_no_amounts(value: str) -> None:
    assert not is_plain(value)


def test_without_a_key_the_tape_is_refused_with_each_column_named() -> None:
    privacy = Privacy.of(None)
    found = privacy.find(["loan_id", "rating", "Nombre", "notes"], {"notes": ["ana@example.org"]})
    assert list(found) == ["Nombre", "notes"]
    finding = privacy.judge("tape", found)[0]
    assert (finding.code, finding.where) == ("personal_data", "tape")
    assert "Nombre" in finding.found
    assert "notes" in finding.found
    assert "ana@" not in str(finding)
    assert Privacy.of({"columns": {"allow": ["Nombre", "notes"]}}).find(["Nombre", "notes"], {}) == {}


def test_with_a_key_it_is_masked_and_the_key_is_never_told(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(KEY)
    path.chmod(0o400)
    privacy = Privacy.of({"key_file": str(path)})
    found = privacy.find(["email"], {})
    assert (privacy.policy, privacy.judge("tape", found)) == ("mask", [])
    assert "kkkk" not in f"{privacy!r} {privacy.as_json(found)}"
    assert privacy.as_json(found)["key_id"] == privacy.key_id != ""
    assert Privacy.of({"policy": "refuse", "key_file": str(path)}).judge("tape", found)


@pytest.mark.parametrize(
    ("mode", "key", "found"), [(0o440, KEY, "others may read"), (0o400, b"short", "16 are the least")]
)
def test_a_key_file_that_cannot_be_relied_on_is_refused(tmp_path: Path, mode: int, key: bytes, found: str) -> None:
    path = tmp_path / "key"
    path.write_bytes(key)
    path.chmod(mode)
    with pytest.raises(UsageError, match=found):
        read_key(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_key(tmp_path / "none")


def test_the_policy_holds_where_it_is_published_and_everything_is_hidden_elsewhere() -> None:
    names = ["loan_id", "measurement_date", "cash_available_usd", "email", "notes"]
    rows = [["L1", "2025-12-26", "5", "x", "ana@example.org"], ["L2", "2025-12-26"]]
    finding = judge_columns("tape", names, rows)[0]
    assert finding.found.startswith("2 columns look personal: email")
    assert shown("Ana Ruiz 7") == "(hidden: ??? ???? 9)"
    with publishing(Privacy("mask", KEY)):
        assert judge_columns("tape", names, rows) == []
        assert describe(names)["columns"].keys() == {"email"}
        assert shown("Ana Ruiz 7") == Privacy("mask", KEY).masked("Ana Ruiz 7")
    assert shown("Ana Ruiz 7").startswith("(hidden")


@given(st.text())
def test_a_shape_has_neither_letters_nor_digits_of_the_value(value: str) -> None:
    assert not any(sign.isalnum() and sign != "9" for sign in shape(value))
    assert len(shape(value)) <= 27
