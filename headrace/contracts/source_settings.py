"""Settings of the live sources. `headrace.contracts.setting_sources` describes where their values come from."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings

from headrace.contracts.setting_types import Names, SettingsFile, SettingsFiles


class SourceSettings(BaseSettings):
    """What the live sources read, and how."""

    sources: Annotated[
        Names, Field(description="List of live sources that `headrace up` runs, such as `access-log,feedback`.")
    ] = ()

    access_log_paths: Annotated[SettingsFiles, Field(description="List of files and globs (`**` too).")] = ()
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
        Names, Field(description="List of words: keep only posts with one of them; all posts if empty.")
    ] = ()
    bluesky_languages: Annotated[
        Names, Field(description="List of languages, such as `en,de`: keep only posts that declare one of them.")
    ] = ()

    mastodon_url: Annotated[str, Field(description="Address of the instance, such as `https://mastodon.social`.")] = ""
    mastodon_timelines: Annotated[
        Names, Field(description="List of time lines: `public`, `public:local` and hashtags such as `#rain`.")
    ] = ("public",)
    mastodon_token_file: Annotated[SettingsFile | None, Field(description="File with the access token.")] = None

    weather_places: Annotated[
        Names,
        Field(description="List of places (latitude/longitude), such as `oslo=59.9139/10.7522,berlin=52.52/13.405`."),
    ] = ()
    weather_providers: Annotated[Names, Field(description="List of providers: `open-meteo`, `met.no` or both.")] = (
        "open-meteo",
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
        Names, Field(description="List of sites that may embed the form, such as `https://shop.example`.")
    ] = ()
    feedback_proxies: Annotated[
        Names,
        Field(
            description="List of addresses and networks of proxies in front of the feedback service, whose"
            " X-Forwarded-For is trusted."
        ),
    ] = ()
    feedback_rate: Annotated[float, Field(gt=0, description="Maximum form submissions per minute and address.")] = 30.0
    feedback_api_rate: Annotated[float, Field(gt=0, description="Maximum API requests per second.")] = 2_000.0
