"""Measured figures. A figure belongs to its period and to its vintage: what was measured is not when it was published."""

from __future__ import annotations

from typing import assert_never

from pydantic import Field, model_validator

from domain.calendar import format_day, parse_edtf_day
from domain.event import Edtf, Payload, Slug, Text
from domain.family import Family, Kind, State, Step, drop, put


class _Figure(Payload):
    name: Text = Field(description="what is measured", examples=["Iran real GDP growth"])
    value: float
    unit: Text
    bound: Slug = Field("exact", description="exact, upper (at most), lower (at least) or about")
    low: float | None = Field(None, description="lower end of a stated range")
    high: float | None = Field(None, description="upper end of a stated range")
    publisher: Slug = Field(description="slug of whoever publishes the figure", examples=["imf"])
    publisher_name: Text
    vintage: Text | None = Field(None, description="edition of the publication", examples=["2020-10"])
    definition: Text | None = Field(None, description="what exactly is counted, where publishers differ")
    estimate: bool | None = None
    period: Edtf | None = Field(
        None, description="the period that the figure is of; null for a level, which holds until the next observation",
        examples=["2019", "2019-05"])

    @model_validator(mode="after")
    def _finite(self) -> _Figure:
        if not all(abs(v) < 1e300 for v in (self.value, self.low or 0.0, self.high or 0.0)):
            raise ValueError("value must be a finite number")
        return self


class Observed(_Figure):
    """A figure was published for the first time by this publisher."""

    TYPE = "indicator.observed"


class Revised(_Figure):
    """The publisher replaced its figure for the same period."""

    TYPE = "indicator.revised"


class Forecast(_Figure):
    """A figure for a period that was not over when it was made."""

    TYPE = "indicator.forecast"


IndicatorEvent = Observed | Revised | Forecast


def scope(data: IndicatorEvent) -> str:
    return data.period or "level"


def evolve(state: State, step: Step[IndicatorEvent]) -> State:
    e = step.data
    match e:
        case Forecast():
            return put(state, f"forecast:{e.publisher}:{e.period or 'level'}", step, "forecast", "forecast")
        case Observed() | Revised() if e.period is None:
            kept = drop(state, f"level:{e.publisher}:*")
            return put(kept, f"level:{e.publisher}:{format_day(step.lo)}", step, "level", "observed")
        case Observed():
            return put(state, f"period:{e.publisher}:{e.period}", step, "observation", "observed")
        case Revised():
            return put(state, f"period:{e.publisher}:{e.period}", step, "observation", "revised")
        case _:
            assert_never(e)


def refuse(state: State, step: Step[IndicatorEvent]) -> str | None:
    e = step.data
    if e.period is not None:
        span = parse_edtf_day(e.period)
        if (step.lo, step.hi, step.until) != (span.lo, span.lo, span.hi + 1):
            return (f"a figure of the period {e.period} holds in it: effective must be {format_day(span.lo)} "
                    f"and until {format_day(span.hi + 1)}")
        if isinstance(e, Revised) and f"period:{e.publisher}:{e.period}" not in state:
            return f"{e.publisher_name} has published no figure for {e.period} that could be revised"
    return None


FAMILY = Family[IndicatorEvent](
    name="indicator",
    plural="indicators",
    title="Indicators",
    subjects="a measured series (`indicator:iran-gdp-growth`)",
    events=(Observed, Revised, Forecast),
    kinds=(
        Kind("observation", "period:<publisher>:<period>", "a figure of a period; holds in its period",
             {"observed": "first figure", "revised": "replaced by a later vintage"}),
        Kind("level", "level:<publisher>:<day>", "a level on a day; holds until the publisher's next observation",
             {"observed": "observed"}),
        Kind("forecast", "forecast:<publisher>:<period>", "a forecast; never an observation", {"forecast": "forecast"}),
    ),
    evolve=evolve,
    refuse=refuse,
    scope=scope,
    also="For a figure of a period, `effective` is the period's first day and `until` the day after its last.",
)
