"""The file with archives: what it may say, and that secrets stay out of it and out of messages."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vertherm.core.errors import InputError
from vertherm.imaging.pacs.settings import (
    CONFIG_VARIABLE,
    Credentials,
    Dicomweb,
    Dimse,
    archive_named,
    default_file,
    load_archives,
    validated,
)

GOOD = """
[[archives]]
name = "hospital"
kind = "dicomweb"
url = "https://pacs.example/dicom-web/"
attempts = 2
[archives.tls]
ca_file = "ca.pem"
minimum_version = "1.3"
[archives.credentials]
token_variable = "PACS_TOKEN"
[[archives]]
name = "modality"
kind = "dimse"
host = "10.0.0.7"
port = 11112
called_ae = "PACS"
"""


def written(tmp_path: Path, text: str) -> Path:
    (tmp_path / "archives.toml").write_text(text, "utf-8")
    return tmp_path / "archives.toml"


def test_a_file_with_both_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, GOOD)
    web, dimse = load_archives(path).archives
    assert isinstance(web, Dicomweb)
    assert isinstance(dimse, Dimse)
    assert web.url == "https://pacs.example/dicom-web"
    assert web.tls.ca_file == tmp_path / "ca.pem"
    assert (dimse.calling_ae, dimse.tls) == ("VERTHERM", None)
    assert archive_named("modality", path) == dimse
    monkeypatch.setenv(CONFIG_VARIABLE, str(path))
    assert default_file() == path
    assert archive_named("hospital") == web
    with pytest.raises(InputError, match="hospital, modality"):
        archive_named("other")


def test_an_address_is_an_archive(tmp_path: Path) -> None:
    made = archive_named("http://127.0.0.1:8042/dicom-web/")
    assert (made.name, made.kind) == ("127.0.0.1:8042", "dicomweb")
    for wrong in ("http://", "http://user:pw@host/x", "https://host/a?token=pw"):
        with pytest.raises(InputError) as caught:
            archive_named(wrong)
        assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("attempts = 2", "attempts = 0"), "archives[1].attempts"),
        (("attempts = 2", "atempts = 2"), "archives[1].atempts"),
        (('kind = "dimse"', 'kind = "ftp"'), "archives[2]"),
        (("port = 11112", "port = 70000"), "archives[2].port"),
        (('name = "modality"', 'name = "hospital"'), "same name"),
        (('called_ae = "PACS"', 'called_ae = "LONGER_THAN_SIXTEEN"'), "archives[2].called_ae"),
        (("https://pacs.example", "http://pacs.example"), "https only"),
        (("https://pacs.example", "https://user:hunter2@pacs.example"), "use credentials"),
        (('token_variable = "PACS_TOKEN"', 'token = "hunter2"'), "archives[1].credentials.token"),
        (('token_variable = "PACS_TOKEN"', 'password = "hunter2"'), "archives[1].credentials.password"),
        (('token_variable = "PACS_TOKEN"', 'user = "me"\ntoken_file = "hunter2"'), "belong together"),
        (('ca_file = "ca.pem"', 'certificate = "c.pem"'), "belong together"),
        (('minimum_version = "1.3"', 'minimum_version = "1.0"'), "minimum_version"),
        (("[[archives]]", "[archives"), "cannot be read"),
    ],
)
def test_mistakes_are_named_and_secrets_are_not(tmp_path: Path, change: tuple[str, str], named: str) -> None:
    text = GOOD.replace(*change)
    assert text != GOOD
    with pytest.raises(InputError) as caught:
        load_archives(written(tmp_path, text))
    assert named in str(caught.value)
    assert "hunter2" not in str(caught.value)


KEYS = st.sampled_from(["archives", "name", "kind", "url", "host", "tls", "credentials"])
PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
ANYTHING = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=8)


@given(ANYTHING)
@settings(max_examples=200, deadline=None)
def test_any_document_is_either_right_or_an_input_error(document: object) -> None:
    with suppress(InputError):
        validated(document if isinstance(document, dict) else {"archives": document}, "test")


def test_secrets_come_from_a_variable_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("abc\n")
    assert Credentials(token_file=tmp_path / "token").secret("x") == "abc"
    monkeypatch.setenv("PW", "geheim")
    given = Credentials(user="me", password_variable="PW")
    assert given.secret("x") == "geheim"
    assert "geheim" not in repr(given)
    (tmp_path / "token").write_text("two\nlines\n")
    for wrong in (Credentials(token_file=tmp_path / "none"), Credentials(token_file=tmp_path / "token")):
        with pytest.raises(InputError) as caught:
            wrong.secret("hospital")
        assert "two" not in str(caught.value)
    monkeypatch.setenv("PW", "")
    with pytest.raises(InputError, match="variable PW"):
        given.secret("hospital")


def test_no_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file with archives"):
        load_archives(tmp_path / "none.toml")
