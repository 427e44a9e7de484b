"""Settings of the live sources. Each has its environment variable, `HEADRACE_…`, as all settings have."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings


class SourceSettings(BaseSettings):
    """What the live sources read, and how. Lists are separated by commas, unless said otherwise."""

    sources: Annotated[
        str, Field(description="Live sources that `headrace up` runs, such as `access-log,feedback`.")
    ] = ""

    access_log_paths: Annotated[str, Field(description="Files and globs, separated by colons.")] = ""
    access_log_format: Annotated[
        str,
        Field(description="A format string of Apache or nginx; `auto` knows Combined, Common and JSON."),
    ] = "auto"
    access_log_pseudonymize: Annotated[
        bool, Field(description="Replace IP addresses, e-mail addresses and user names by keyed hashes.")
    ] = True

    pixel_key_file: Annotated[
        Path | None,
        Field(description="File with the key by which the shop signs its purchases; `secrets/pixel_key` when unset."),
    ] = None

    bluesky_url: Annotated[str, Field(description="Websocket address of a Jetstream server.")] = (
        "wss://jetstream2.us-east.bsky.network/subscribe"
    )
    bluesky_keywords: Annotated[str, Field(description="Only posts with one of these words; all, when empty.")] = ""
    bluesky_languages: Annotated[str, Field(description="Only posts that declare one of these languages.")] = ""

    mastodon_url: Annotated[str, Field(description="Address of the instance, such as `https://mastodon.social`.")] = ""
    mastodon_timelines: Annotated[str, Field(description="`public`, `public:local`, and hashtags such as `#rain`.")] = (
        "public"
    )
    mastodon_token_file: Annotated[Path | None, Field(description="File with the access token.")] = None

    weather_places: Annotated[
        str, Field(description="Places as `name=latitude,longitude`, separated by semicolons.")
    ] = ""
    weather_providers: Annotated[str, Field(description="`open-meteo`, `met.no` or both.")] = "open-meteo"
    weather_contact: Annotated[
        str, Field(description="E-mail or web address for the User-Agent, which met.no demands.")
    ] = ""
    weather_poll_seconds: Annotated[float, Field(gt=0, description="Pause between two polls of a place.")] = 600.0
    weather_open_meteo_url: Annotated[str, Field(description="Address of Open-Meteo's forecast API.")] = (
        "https://api.open-meteo.com/v1/forecast"
    )
    weather_met_no_url: Annotated[str, Field(description="Address of met.no's location forecast.")] = (
        "https://api.met.no/weatherapi/locationforecast/2.0/complete"
    )

    feedback_host: Annotated[str, Field(description="Address that the feedback service listens on.")] = "127.0.0.1"
    feedback_token_file: Annotated[
        Path | None, Field(description="File with the token of the API; made in the stack's secrets when unset.")
    ] = None
    feedback_frame_ancestors: Annotated[
        str, Field(description="Sites that may embed the form, such as `https://shop.example`, separated by spaces.")
    ] = ""
    feedback_proxies: Annotated[
        str,
        Field(
            description="Addresses and networks of proxies before the feedback service, separated by commas: theirs is"
            " the X-Forwarded-For that counts."
        ),
    ] = ""
    feedback_rate: Annotated[
        float, Field(gt=0, description="Submissions of the form a minute and address, at most.")
    ] = 30.0
    feedback_api_rate: Annotated[float, Field(gt=0, description="Requests of the API a second, at most.")] = 2_000.0
