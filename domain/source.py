"""Where a fact can be looked up. The translation status belongs to the source, never to the fact."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

LONGEST = 4000  # characters of a text; a bound also makes pydantic refuse half of a surrogate pair, which no UTF-8 holds


class Translation(BaseModel):
    """How a source came into its language, and which version governs where the two differ."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_max_length=LONGEST)

    by: Literal["machine", "human", "unknown"]
    translator: str | None = Field(None, description="who or what translated it")
    original_language: str = Field(description="BCP 47 tag of the original", examples=["id"])
    governing_language: str = Field(description="BCP 47 tag of the version that governs", examples=["id"])


class Source(BaseModel):
    """A publication that a fact rests on."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_max_length=LONGEST)

    publisher: str = Field(min_length=1)
    title: str = Field(min_length=1)
    date: str | None = Field(None, description="day of publication (EDTF); null where it carries none")
    locator: str | None = Field(None, description="a citation, document number or address under which it is found")
    language: str = Field("en", description="BCP 47 tag of the text that was read")
    translation: Translation | None = None
    anonymous: bool = Field(False, description="it rests on people whom it does not name")
    second_hand: bool = Field(False, description="it passes on what another source said")
    derived_from: str | None = Field(None, description="subject of the report that it repeats", examples=["report:reuters-2021-01-11"])
