"""What an operator may set: by environment variables named PAGEWALK_…, each field's docstring says what for."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

MEBIBYTE = 1 << 20


class Settings(BaseSettings):
    """The server's settings. Sizes are bytes. PAGEWALK_DATA sets `data`, and so on."""

    model_config = SettingsConfigDict(env_prefix="PAGEWALK_", frozen=True)

    data: Path = Path("pagewalk-data")
    """The folder of the journal. One server at a time uses it."""
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    durability: Literal["strict", "relaxed"] = "strict"
    """strict: an answer means it is on the disk. relaxed: a power cut (not a crash) may lose the last moments."""
    body_limit: int = Field(default=4 * MEBIBYTE, ge=1024)
    programme_limit: int = Field(default=20_000, ge=1)
    """Commands in one request."""
    programme_seconds: float = Field(default=20, gt=0)
    """Processor time of this host that the commands of one request may take; beyond it none of them is performed."""
    history_limit: int = Field(default=100_000, ge=1)
    """Commands in one machine's whole history: all of them are replayed to bring it back."""
    live_machines: int = Field(default=64, ge=1)
    """Machines kept in memory; the others are replayed from the journal when they are asked for."""
    host_memory_mb: int = Field(default=256, ge=1, le=4096)
    """What the frames of one machine may take of this host's memory: a command that needs more is refused."""
    engine_threads: int = Field(default=4, ge=1)
    """Threads for long work: programs, pages, replays."""
    trusted_origins: frozenset[str] = frozenset()
    """Other origins whose pages may post here, such as "https://lab.example.org"."""
