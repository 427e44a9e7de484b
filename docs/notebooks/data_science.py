"""Sentiment and weather, from the published file: `marimo edit docs/notebooks/data_science.py`."""

import marimo

app = marimo.App(width="medium")


@app.cell
def _():
    import os

    import duckdb
    import marimo as mo

    home = os.environ.get("HEADRACE_HOME", ".headrace")
    marts = duckdb.connect(f"{home}/warehouse.duckdb", read_only=True)
    return marts, mo


@app.cell
def _(marts, mo):
    sentiment = marts.sql(
        """
        select authored_date, platform, scored, net_sentiment_pct, positive_ci_low_pct, positive_ci_high_pct
        from marts.sentiment_daily order by all
        """
    ).fetchall()
    mo.vstack(
        [
            mo.md(
                "# Sentiment\n\nPositive minus negative texts, in percent, with the 95% interval of the positive share."
            ),
            mo.ui.table(
                [
                    {"day": str(day), "platform": of, "texts": n, "net %": str(net), "positive %": f"{low} to {high}"}
                    for day, of, n, net, low, high in sentiment
                ]
            ),
        ]
    )
    return (sentiment,)


@app.cell
def _(marts, mo):
    weather = marts.sql(
        """
        select observed_date, station, mean_temperature_c, precipitation_mm
        from marts.weather_daily order by all
        """
    ).fetchall()
    mo.vstack(
        [
            mo.md("# Weather"),
            mo.ui.table(
                [
                    {"day": str(day), "station": station, "mean °C": str(mean), "rain mm": str(rain)}
                    for day, station, mean, rain in weather
                ]
            ),
        ]
    )
    return (weather,)


if __name__ == "__main__":
    app.run()
