"""Settings: typed, from the environment and one optional file; a wrong one says which, what and where.

The environment (``AUDITLEDGER_*``) wins over the file; the file is ``AUDITLEDGER_CONFIG``, else
``auditledger.toml`` in the working directory, if there is one.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo

from ledger.errors import SettingsError

PREFIX = "AUDITLEDGER_"
CONFIG_VARIABLE = PREFIX + "CONFIG"
CONFIG_FILE = "auditledger.toml"
ALGORITHMS = ("Ed25519", "ES256", "ES384", "PS256", "RS256", "RS384", "RS512")
"""Signatures that a token may carry: asymmetric ones only, so that a public key never signs."""

ADDRESS = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$"
"""One plain address of mail, in ASCII."""


def _data_dir() -> Path:
    """``$XDG_DATA_HOME/auditledger``, else ``~/.local/share/auditledger``: the same from every folder."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "auditledger"


class Settings(BaseModel):
    """Everything that can be set; ``load`` reads it, ``sources`` says where each came from."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=False)

    data_dir: Path = Field(
        default_factory=_data_dir,
        description="Folder of the embedded database, keys, attachments; made with mode 0700",
    )
    database_url: SecretStr | None = Field(
        None, description="PostgreSQL 15 or newer to use instead of the embedded one"
    )
    vault_database_url: SecretStr | None = Field(
        None, description="PostgreSQL of the vault alone, which is not in the ledgers' database then"
    )
    kek: SecretStr | None = Field(
        None, description="Key-encryption key, base64 of 32 bytes; else the file kek in data_dir"
    )
    kek_previous: SecretStr | None = Field(
        None,
        description="Key-encryption keys before kek, separated by commas, until nothing is wrapped by them",
    )
    kek_provider: str | None = Field(
        None, description="Who keeps the key-encryption key instead: program, or module:function"
    )
    kek_argument: str | None = Field(
        None, description="What the provider is given; for program the command line of that program"
    )
    host: str = Field("127.0.0.1", min_length=1, description="Address the service listens on")
    port: int = Field(8080, ge=0, le=65535, description="Port the service listens on; 0 takes one that is free")
    token_issuer: str | None = Field(
        None, description="Issuer (iss) of tokens; without it only the development key signs"
    )
    token_audience: str = Field(
        "auditledger", min_length=1, description="Audience (aud) that a token must name"
    )
    token_jwks: str | None = Field(None, description="JWKS of the issuer: an https URL, or the path of a file")
    token_organisation_claim: str = Field(
        "organisation", min_length=1, description="Claim that holds the organisation's id"
    )
    token_algorithms: tuple[str, ...] = Field(
        ALGORITHMS, min_length=1, description="Signature algorithms accepted, separated by commas"
    )
    regulator: str = Field("ovic", min_length=1, description="Slug of the regulator's ledger")
    person: str | None = Field(
        None, description="Who acts on the command line, by the opaque id that grants name"
    )
    organisation: str | None = Field(
        None,
        description="Organisation of who acts on the command line; else the ledger's own",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severity that is logged"
    )
    command_threads: int = Field(
        8, ge=1, le=256, description="Threads that work on commands; more of them only wait for each other"
    )
    http_threads: int = Field(
        48, ge=4, le=512, description="Threads that work on other requests: reads, files, openings"
    )
    upload_threads: int = Field(
        16, ge=1, le=256, description="Files received at once; more are refused for the moment"
    )
    report_processes: int = Field(
        1, ge=1, le=64, description="Reports and folds of the past made at once, each by a process of its own"
    )
    max_silence: float = Field(
        30, gt=0, le=3600, description="Seconds that a client may be silent in a body, or not read its answer"
    )
    min_body_rate: int = Field(
        1024, ge=1, le=1 << 30, description="Least bytes a second of a body, on average, beyond max_silence"
    )
    head_timeout: float = Field(
        20, gt=0, le=3600, description="Seconds within which the head of a request must have come"
    )
    max_body: int = Field(
        1 << 20, ge=1024, le=1 << 28, description="Most bytes of a request's body, attachments apart"
    )
    max_attachment: int = Field(1 << 30, ge=1024, description="Most bytes of one attachment")
    projection_batch: int = Field(
        5000, ge=1, le=100_000, description="Most entries that the registers take in one transaction"
    )
    projection_interval: float = Field(
        0.05, gt=0, le=60, description="Seconds between two looks of the registers for new entries"
    )

    tiles_url: str | None = Field(
        None,
        description="Where published files lie, as s3://bucket/prefix; else the folder tiles in data_dir",
    )
    seal: bool = Field(
        True, description="Whether this service seals; false where another one of the same database does"
    )
    seal_interval: float = Field(
        1.0, gt=0, le=3600, description="Seconds between two looks for entries to seal under a checkpoint"
    )
    acknowledge_timeout: float = Field(
        10, gt=0, le=300, description="Seconds that a write waits to be sealed or witnessed, where it asks to"
    )
    receipt_promise: float = Field(
        3600, gt=0, le=604_800, description="Seconds within which a signed receipt promises a proof"
    )
    reconcile_interval: float = Field(
        60.0, gt=0, le=3600, description="Seconds between two looks for destroyed values that came back"
    )
    rewrite_vault: bool = Field(
        True, description="Write the vault's tables anew after a destruction; false: 'reconcile' alone does"
    )
    policy: Path | None = Field(
        None, description="File of the witnesses asked to cosign checkpoints (C2SP tlog-policy, with addresses)"
    )
    local_witness: bool = Field(
        True,
        description="Whether 'up' runs a witness of its own, not an independent one, where no policy is set",
    )
    witness_required: float | None = Field(
        None, gt=0, description="Seconds that entries may be without a witness before commands are refused"
    )
    timestamp_url: str | None = Field(
        None, description="Address of a time-stamping authority (RFC 3161) that stamps checkpoints"
    )
    timestamp_ca: Path | None = Field(
        None, description="File of its root certificates (PEM), by which its time stamps are believed"
    )
    timestamp_interval: float = Field(
        3600, gt=0, le=31 * 86_400, description="Seconds between two time stamps of a ledger that has grown"
    )
    smtp_url: SecretStr | None = Field(
        None,
        description="Mail server by which the privacy officer is told of emergency access: "
        "smtp://USER:PASSWORD@HOST:587 (STARTTLS), or smtps://",
    )
    mail_sender: str | None = Field(
        None, pattern=ADDRESS, description="Address that such mail is from; with smtp_url"
    )
    privacy_officer_email: str | None = Field(
        None, pattern=ADDRESS, description="Address of the privacy officer's office; with smtp_url"
    )

    _sources: dict[str, str] = {}

    @field_validator("token_algorithms", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(v.strip() for v in value.split(",")) if isinstance(value, str) else value

    @field_validator("token_algorithms")
    @classmethod
    def _allowed(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [name for name in value if name not in ALGORITHMS]
        if wrong:
            raise ValueError(f"expected some of {', '.join(ALGORITHMS)}, got {', '.join(wrong)}")
        return value

    @field_validator("tiles_url")
    @classmethod
    def _a_place(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if "://" not in value:
            raise ValueError("expected a URL, as s3://bucket/prefix or file:///folder")
        place_of(value)
        return value.rstrip("/")

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, **given: Any) -> Settings:
        """The settings in force. ``given`` (from the command line) wins over both environment and file.

        Raises SettingsError that names the setting, what is allowed, what came and where it was set.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        sources: dict[str, str] = {}
        path, text = _config(environ)
        for name, value in text.items():
            _known(name, str(path))
            values[name], sources[name] = value, str(path)
        for variable, value in environ.items():
            if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE:
                continue
            name = variable.removeprefix(PREFIX).lower()
            _known(name, f"environment ({variable})")
            values[name], sources[name] = value, f"environment ({variable})"
        for name, value in given.items():
            if value is not None:
                values[name], sources[name] = value, "command line"
        try:
            settings = cls(**values)
        except ValidationError as error:
            raise SettingsError(_explained(error, sources)) from None
        settings._sources.update(sources)
        if settings.kek and settings.kek_provider:
            raise SettingsError(
                f"kek_provider (set in {sources['kek_provider']}): expected no kek beside it; give that "
                "before it as kek_previous"
            )
        if settings.token_issuer and not settings.token_jwks:
            raise SettingsError(
                f"token_issuer (set in {sources['token_issuer']}): expected token_jwks too, got none"
            )
        if settings.token_jwks and not settings.token_issuer:
            raise SettingsError(
                f"token_jwks (set in {sources['token_jwks']}): expected token_issuer too, got none"
            )
        if (settings.timestamp_url is None) != (settings.timestamp_ca is None):
            one, other = ("timestamp_url", "timestamp_ca")[:: 1 if settings.timestamp_url else -1]
            raise SettingsError(f"{one} (set in {sources[one]}): expected {other} too, got none")
        if settings.receipt_promise < settings.seal_interval:
            one = next(name for name in ("receipt_promise", "seal_interval") if name in sources)
            raise SettingsError(
                f"{one} (set in {sources[one]}): expected a receipt_promise of at least seal_interval, "
                f"{settings.seal_interval:g} s, got {settings.receipt_promise:g} s: receipts would be broken"
            )
        mail = {name: getattr(settings, name) for name in ("smtp_url", "mail_sender", "privacy_officer_email")}
        if any(mail.values()) and not all(mail.values()):
            one, lacks = (next(name for name in mail if bool(mail[name]) is is_set) for is_set in (True, False))
            raise SettingsError(f"{one} (set in {sources[one]}): expected {lacks} too, got none")
        return settings

    @property
    def sources(self) -> Mapping[str, str]:
        """Name → where it was set; a name that is missing has its default."""
        return self._sources

    def shown(self) -> list[Shown]:
        """Every setting as ``doctor`` lists it; secrets only as set or not."""
        return [
            Shown(
                name, _shown(getattr(self, name)), self._sources.get(name, "default"), field.description or ""
            )
            for name, field in type(self).model_fields.items()
        ]


@dataclass(frozen=True, slots=True)
class Shown:
    """One line of ``doctor``."""

    name: str
    value: str
    source: str
    description: str


def _shown(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, SecretStr):
        return "set (not shown)"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def without_secrets(text: str) -> str:
    """An address as it may be shown: what stands before an @ in it is for nobody's log."""
    return re.sub(r"//[^/]*@", "//…@", text)


def place_of(text: str) -> Path | str:
    """A folder, or the URL of a place in an object store, which holds no secret. Raises ValueError."""
    if "://" not in text:
        return Path(text)
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError("expected one store and a place in it, as s3://bucket/prefix") from None
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(
            "expected a URL without credentials, query or fragment: what opens the store is set as its driver "
            "reads it"
        )
    if parts.scheme in ("file", "local"):
        if parts.netloc or not parts.path.startswith("/"):
            raise ValueError("expected the whole path of a folder, as file:///folder")
        return Path(unquote(parts.path))
    if "::" in text or not parts.scheme or not parts.netloc:
        raise ValueError("expected one store and a place in it, as s3://bucket/prefix")
    return text


def _config(environ: Mapping[str, str]) -> tuple[Path, dict[str, Any]]:
    named = environ.get(CONFIG_VARIABLE)
    path = Path(named or CONFIG_FILE)
    if not named and not path.exists():
        return path, {}
    try:
        return path, tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(
            f"{CONFIG_VARIABLE}: expected a readable file, got {path}: {error.strerror}"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: expected TOML: {error}") from None


def _known(name: str, where: str) -> None:
    if name not in Settings.model_fields:
        near = difflib.get_close_matches(name, Settings.model_fields, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise SettingsError(
            f"{name} (set in {where}): expected one of {', '.join(Settings.model_fields)}{hint}"
        )


def _explained(error: ValidationError, sources: Mapping[str, str]) -> str:
    """One line for the first wrong setting; the value is shown unless it is a secret."""
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0])
    field = Settings.model_fields[name]
    got = "" if _secret(field) else f", got {without_secrets(str(first['input']))[:80]!r}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{name} (set in {sources.get(name, 'default')}): {message}{got}; {field.description}"


def _secret(field: FieldInfo) -> bool:
    return "SecretStr" in str(field.annotation)
