"""Settings of the live sources. As with all settings, each has an environment variable `HEADRACE_…`."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _absolute_globs(paths: str) -> str:
    return ":".join(str(_absolute(Path(path))) for path in paths.split(":") if path)


SettingsFile = Annotated[Path, AfterValidator(_absolute)]
"""A file in a setting, made absolute when the settings are read, since programs run in other folders."""


class SourceSettings(BaseSettings):
    """What the live sources read, and how. Lists are comma-separated unless stated otherwise."""

    sources: Annotated[
        str,
        Field(description="Live sources that `headrace up` runs, separated by commas, such as `access-log,feedback`."),
    ] = ""

    access_log_paths: Annotated[
        str, AfterValidator(_absolute_globs), Field(description="Files and globs (`**` too), separated by colons.")
    ] = ""
    access_log_format: Annotated[
        str,
        Field(description="A format string of Apache or nginx; `auto` recognizes Combined, Common and JSON."),
    ] = "auto"
    access_log_pseudonymize: Annotated[
        bool, Field(description="Whether IP addresses, e-mail addresses and user names are replaced by keyed hashes.")
    ] = True

    pixel_key_file: Annotated[
        SettingsFile | None,
        Field(description="File with the key that signs the shop's purchases; by default `secrets/pixel_key`."),
    ] = None

    bluesky_url: Annotated[str, Field(description="Websocket address of a Jetstream server.")] = (
        "wss://jetstream2.us-east.bsky.network/subscribe"
    )
    bluesky_keywords: Annotated[
        str, Field(description="Keep only posts with one of these words, separated by commas; all posts if empty.")
    ] = ""
    bluesky_languages: Annotated[
        str, Field(description="Keep only posts that declare one of these languages, such as `en,de`.")
    ] = ""

    mastodon_url: Annotated[str, Field(description="Address of the instance, such as `https://mastodon.social`.")] = ""
    mastodon_timelines: Annotated[
        str, Field(description="`public`, `public:local` and hashtags such as `#rain`, separated by commas.")
    ] = "public"
    mastodon_token_file: Annotated[SettingsFile | None, Field(description="File with the access token.")] = None

    weather_places: Annotated[
        str,
        Field(description="Places (latitude, longitude), such as `oslo=59.9139,10.7522;berlin=52.52,13.405`."),
    ] = ""
    weather_providers: Annotated[str, Field(description="`open-meteo`, `met.no` or both, separated by a comma.")] = (
        "open-meteo"
    )
    weather_contact: Annotated[
        str, Field(description="E-mail or web address in the User-Agent header; met.no requires one.")
    ] = ""
    weather_poll_seconds: Annotated[float, Field(gt=0, description="Seconds between two polls of a place.")] = 600.0
    weather_open_meteo_url: Annotated[str, Field(description="Address of Open-Meteo's forecast API.")] = (
        "https://api.open-meteo.com/v1/forecast"
    )
    weather_met_no_url: Annotated[str, Field(description="Address of met.no's location forecast.")] = (
        "https://api.met.no/weatherapi/locationforecast/2.0/complete"
    )

    feedback_host: Annotated[str, Field(description="Address on which the feedback service listens.")] = "127.0.0.1"
    feedback_token_file: Annotated[
        SettingsFile | None,
        Field(description="File with the API token; by default `secrets/feedback_token`, created at the first start."),
    ] = None
    feedback_frame_ancestors: Annotated[
        str, Field(description="Sites that may embed the form, such as `https://shop.example`, separated by spaces.")
    ] = ""
    feedback_proxies: Annotated[
        str,
        Field(
            description="Addresses and networks of proxies in front of the feedback service, separated by commas, whose"
            " X-Forwarded-For is trusted."
        ),
    ] = ""
    feedback_rate: Annotated[float, Field(gt=0, description="Maximum form submissions per minute and address.")] = 30.0
    feedback_api_rate: Annotated[float, Field(gt=0, description="Maximum API requests per second.")] = 2_000.0
