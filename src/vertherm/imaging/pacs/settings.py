"""Archives as data that the user edits (TOML). Secrets never stand there, only where they are found."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from vertherm.core.errors import InputError

CONFIG_VARIABLE = "VERTHERM_ARCHIVES"


class _Frozen(BaseModel):
    # Findings would else repeat what stands in the file, and somebody may have written a password there.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Tls(_Frozen):
    """Transport security.

    Args:
        ca_file: PEM of the authorities believed; left out: the public ones.
        certificate: PEM of this client, where the archive demands one.
        key: its private key (PEM, not encrypted).
        minimum_version: oldest version of TLS that is spoken.
    """

    ca_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    minimum_version: Literal["1.2", "1.3"] = "1.2"

    @model_validator(mode="after")
    def _pair(self) -> Tls:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together")
        return self


class Credentials(_Frozen):
    """Where the bearer token, or the password of a user, is found: in an environment variable or a file."""

    token_variable: str | None = None
    token_file: Path | None = None
    user: str | None = Field(None, min_length=1, pattern=r"^[^:\x00-\x1f]+$")
    password_variable: str | None = None
    password_file: Path | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Credentials:
        token = [self.token_variable, self.token_file]
        password = [self.password_variable, self.password_file]
        if sum(way is not None for way in token + password) != 1:
            raise ValueError("give one of token_variable, token_file, password_variable, password_file")
        if (self.user is not None) != any(way is not None for way in password):
            raise ValueError("user and password belong together")
        return self

    def secret(self, where: str) -> str:
        """The token or password.

        Raises:
            InputError: the variable is not set, or the file cannot be read or is empty; never says the secret.
        """
        variable = self.token_variable or self.password_variable
        file = self.token_file or self.password_file
        try:
            found = (os.environ.get(variable, "") if variable else file.read_text("utf-8") if file else "").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError("The secret cannot be read.", where=f"{where}: {file}", got=type(error).__name__) from None
        if not found or not found.isprintable() or not found.isascii():
            raise InputError(
                "There is no secret to log on with.",
                where=f"{where}: {f'variable {variable}' if variable else file}",
                got="empty or not set" if not found else "characters that no token has",
                expected="one line",
                advice="set the variable, or write the secret into that file",
            )
        return found


class Common(_Frozen):
    """What both protocols share. Sizes in MiB, times in seconds.

    Args:
        connect_s: until a connection stands.
        read_s: between two signs of life.
        total_s: one request in all, retrieval included.
        attempts, pause_s, longest_pause_s: see `retry.Retry`.
        batch_instances, batch_mb: most instances and MiB sent in one request.
        max_instance_mb, max_series_mb, max_instances: retrievals beyond that are refused.
    """

    name: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:\[\]-]*$")
    connect_s: float = Field(10.0, gt=0, le=600)
    read_s: float = Field(30.0, gt=0, le=3600)
    total_s: float = Field(1800.0, gt=0, le=86400)
    attempts: int = Field(4, ge=1, le=20)
    pause_s: float = Field(0.5, ge=0, le=60)
    longest_pause_s: float = Field(30.0, ge=0, le=600)
    batch_instances: int = Field(50, ge=1, le=1000)
    batch_mb: int = Field(64, ge=1, le=1024)
    max_instance_mb: int = Field(2048, ge=1)
    max_series_mb: int = Field(8192, ge=1)
    max_instances: int = Field(20000, ge=1)


class Dicomweb(Common):
    """An archive that speaks DICOMweb; ``url`` is the root below which ``/studies`` lies."""

    kind: Literal["dicomweb"] = "dicomweb"
    url: str
    tls: Tls = Tls()
    credentials: Credentials | None = None

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            bad_port = parts.port == 0
        except ValueError:
            raise ValueError("the address cannot be read") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or bad_port:
            raise ValueError("expected http://HOST or https://HOST, with a port and a path where needed")
        if parts.username or parts.password or parts.query or parts.fragment or not url.isprintable() or " " in url:
            raise ValueError("no user, password, query or fragment may stand in the address; use credentials")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _no_plain_secret(self) -> Dicomweb:
        if self.credentials and urlsplit(self.url).scheme == "http" and not _is_loopback(self.url):
            raise ValueError("a token or password is sent over https only, or to this machine itself")
        return self


class Dimse(Common):
    """An archive that speaks the classic DICOM protocol; ``tls`` left out: not encrypted."""

    kind: Literal["dimse"]
    host: str = Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:_-]+$")
    port: int = Field(104, ge=1, le=65535)
    called_ae: str = Field(min_length=1, max_length=16, pattern=r"^[ -\[\]-~]+$")
    calling_ae: str = Field("VERTHERM", min_length=1, max_length=16, pattern=r"^[ -\[\]-~]+$")
    tls: Tls | None = None


class Archives(_Frozen):
    """The whole file: ``[[archives]]`` tables with different names."""

    archives: tuple[Annotated[Dicomweb | Dimse, Field(discriminator="kind")], ...]

    @model_validator(mode="after")
    def _names(self) -> Archives:
        names = [archive.name for archive in self.archives]
        if len(set(names)) < len(names):
            raise ValueError("two archives have the same name")
        return self


def default_file() -> Path:
    """``VERTHERM_ARCHIVES``, or ``archives.toml`` in the user's configuration folder."""
    import platformdirs

    given = os.environ.get(CONFIG_VARIABLE)
    return Path(given) if given else Path(platformdirs.user_config_dir("vertherm", appauthor=False)) / "archives.toml"


def load_archives(path: Path) -> Archives:
    """The archives of a TOML file; relative paths in it begin at its folder.

    Raises:
        InputError: the file is missing, no TOML, or an entry is wrong; says which, never what stands there.
    """
    import tomllib

    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise InputError(
            "There is no file with archives.", where=str(path), advice="write one; the how-to on archives shows it"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError("The file with archives cannot be read.", where=str(path), got=error) from error
    return validated(_from_folder(document, path.parent), str(path))


def validated(document: dict[str, Any], where: str) -> Archives:
    """Archives from a parsed document.

    Raises:
        InputError: lists every wrong field with what is expected there, without what was given.
    """
    try:
        return Archives.model_validate(document)
    except ValidationError as error:
        findings = error.errors(include_url=False, include_context=False, include_input=False)
        lines = [f"{_field(finding['loc'])}: {finding['msg']}" for finding in findings]
    raise InputError(
        f"{len(lines)} entr{'y is' if len(lines) == 1 else 'ies are'} wrong.",
        where=where,
        got="; ".join(lines),
        advice="correct the named fields; secrets belong into a variable or a file of their own",
    )


def archive_named(name: str, path: Path | None = None) -> Dicomweb | Dimse:
    """The archive of that name from the file, or one made from a DICOMweb address.

    Args:
        name: a name in the file, or ``http://`` or ``https://`` and so on.
        path: the file; left out: `default_file`.

    Raises:
        InputError: no such archive, or a wrong file or address.
    """
    if name.startswith(("http://", "https://")):
        host = urlsplit(name).netloc.rpartition("@")[2] or "archive"
        # An address alone is validated like a file, so that its faults read the same.
        made = validated({"archives": [{"kind": "dicomweb", "name": host[:64], "url": name}]}, "the given address")
        return made.archives[0]
    path = path or default_file()
    known = load_archives(path).archives
    for archive in known:
        if archive.name == name:
            return archive
    raise InputError(
        "There is no archive of this name.",
        where=str(path),
        got=name,
        expected=", ".join(archive.name for archive in known) or "an archive in this file",
    )


def _from_folder(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Paths in the tables ``tls`` and ``credentials`` made absolute."""
    entries = document.get("archives")
    for entry in entries if isinstance(entries, list) else ():
        for table in (entry.get("tls"), entry.get("credentials")) if isinstance(entry, dict) else ():
            for key in ("ca_file", "certificate", "key", "token_file", "password_file"):
                if isinstance(table, dict) and isinstance(table.get(key), str):
                    table[key] = str(folder / table[key])
    return document


def _field(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        if part in ("dicomweb", "dimse"):
            continue
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "file"


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
