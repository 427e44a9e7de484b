"""Plots of the marts, as PNG.

A plot is a pure function of the rows. `matplotlib` is imported only when a plot is drawn.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rows = Sequence[tuple[Any, ...]]
DAYS = 90
"""Days that a plot over time covers, up to the table's last day."""
SERIES = 6
"""Maximum number of series in a plot; the rest is `other`."""
COLORS = ("#1d6f8f", "#e08e45", "#5b8c5a", "#a34e6b", "#7a6fb0", "#c2a83e", "#8b97a3")
SIZE_INCHES, DOTS_PER_INCH = (8.0, 3.4), 110


@dataclass(frozen=True)
class Plot:
    """A mart's plot: what it shows, the query for its rows, and how they are drawn."""

    title: str
    sql: str
    draw: Callable[["Axes", Rows], None]


def drawn(declared: Plot, rows: Rows) -> bytes:
    """The plot of these rows as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.add_subplot()
    declared.draw(axes, rows)
    axes.set_title(declared.title, loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e3e8ec", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8)
    out = io.BytesIO()
    FigureCanvasAgg(figure).print_png(out)
    return out.getvalue()


def _legend(axes: "Axes") -> None:
    # Beside the plot, so that it never covers what it explains.
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _dates(axes: "Axes") -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(maxticks=10)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def by_series(rows: Rows, *, adds_up: bool) -> dict[str, tuple[list[Any], list[float]]]:
    """Rows of x, series and value, as the x and the values of each series.

    The largest series are kept. If values add up, the rest is `other`; means do not add up, so the rest is left out, as
    are rows without a value.
    """
    rows = [row for row in rows if row[2] is not None]
    sizes: dict[str, float] = {}
    for _, name, value in rows:
        sizes[name] = sizes.get(name, 0.0) + (abs(float(value)) if adds_up else 1)
    most = SERIES if len(sizes) <= SERIES or not adds_up else SERIES - 1
    kept = sorted(sizes, key=lambda name: -sizes[name])[:most]
    points: dict[str, dict[Any, float]] = {name: {} for name in kept}
    for x, name, value in rows:
        if name in kept or adds_up:
            of = points.setdefault(name if name in kept else "other", {})
            of[x] = of.get(x, 0.0) + float(value)
    return {name: (sorted(of), [of[x] for x in sorted(of)]) for name, of in points.items()}


def stacked_bars(axes: "Axes", rows: Rows) -> None:
    """Rows of day, series and value, as stacked bars."""
    total: dict[Any, float] = {}
    for (name, (days, values)), color in zip(by_series(rows, adds_up=True).items(), COLORS, strict=False):
        axes.bar(days, values, bottom=[total.get(day, 0.0) for day in days], label=name, color=color, width=0.85)
        total |= {day: total.get(day, 0.0) + value for day, value in zip(days, values, strict=True)}
    axes.yaxis.set_major_formatter("{x:,.0f}")
    _dates(axes)
    _legend(axes)


def lines_over_time(axes: "Axes", rows: Rows) -> None:
    """Rows of day, series and value, as lines."""
    for (name, (days, values)), color in zip(by_series(rows, adds_up=False).items(), COLORS, strict=False):
        axes.plot(days, values, label=name, color=color, marker="o", markersize=3, linewidth=1.5)
    axes.yaxis.set_major_formatter("{x:,g}")
    _dates(axes)
    _legend(axes)


def funnel(axes: "Axes", rows: Rows) -> None:
    """Rows of group and the count of each step, as groups of bars, with the last step's share of the first."""
    steps = ("visits", "with a cart", "with a purchase")
    width = 0.8 / len(steps)
    for place, (step, color) in enumerate(zip(steps, COLORS, strict=False)):
        counts = [row[1 + place] for row in rows]
        bars = axes.bar([group + place * width for group in range(len(rows))], counts, width, label=step, color=color)
        shares = [
            f"{count / row[1]:.0%}" if place and row[1] else f"{count:,}"
            for count, row in zip(counts, rows, strict=True)
        ]
        axes.bar_label(bars, labels=shares, fontsize=7, padding=2)
    axes.set_xticks([group + width for group in range(len(rows))], [str(row[0]) for row in rows])
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.grid(axis="x", visible=False)
    _legend(axes)


def intervals(axes: "Axes", rows: Rows) -> None:
    """Rows of group, value, low, high and sample size, as points with their intervals; the sizes are in the labels."""
    labels = [f"{row[0]}\nn = {row[4]:,}" for row in rows]
    values = [float(row[1]) for row in rows]
    below = [value - float(row[2]) for value, row in zip(values, rows, strict=True)]
    above = [float(row[3]) - value for value, row in zip(values, rows, strict=True)]
    places = list(range(len(rows)))
    axes.errorbar(places, values, yerr=[below, above], fmt="o", color=COLORS[0], capsize=4, markersize=6)
    axes.set_xticks(places, labels)
    axes.margins(x=0.1)


PLOTS: dict[str, Plot] = {
    "marts.sales_daily": Plot(
        "Net revenue by day and channel in the currency of most orders, last 90 days",
        f"""
        select sale_date, channel || ', ' || currency, sum(revenue)::double from marts.sales_daily
        where sale_date > (select max(sale_date) from marts.sales_daily) - {DAYS}
            and currency = (
                select currency from marts.sales_daily group by currency order by sum(orders) desc, currency limit 1
            )
        group by all order by all
        """,  # noqa: S608  a number of this module
        stacked_bars,
    ),
    "marts.conversion_funnel": Plot(
        "From visit to purchase, by device",
        """
        select device, sum(sessions)::bigint, sum(sessions_with_cart)::bigint, sum(sessions_with_purchase)::bigint
        from marts.conversion_funnel group by device order by 2 desc, device limit 6
        """,
        funnel,
    ),
    "marts.posts_daily": Plot(
        "Posts by day and platform, last 90 days",
        f"""
        select posted_date, platform, sum(posts)::double from marts.posts_daily
        where posted_date > (select max(posted_date) from marts.posts_daily) - {DAYS}
        group by all order by all
        """,  # noqa: S608
        stacked_bars,
    ),
    "marts.feedback_daily": Plot(
        "Mean rating by day and channel, last 90 days",
        f"""
        select submitted_date, channel, mean_rating::double from marts.feedback_daily
        where mean_rating is not null
            and submitted_date > (select max(submitted_date) from marts.feedback_daily) - {DAYS}
        order by all
        """,  # noqa: S608
        lines_over_time,
    ),
    "marts.weather_daily": Plot(
        "Mean temperature by day and station, degrees Celsius, last 90 days",
        f"""
        select observed_date, station, avg(mean_temperature_c)::double from marts.weather_daily
        where mean_temperature_c is not null
            and observed_date > (select max(observed_date) from marts.weather_daily) - {DAYS}
        group by all order by all
        """,  # noqa: S608
        lines_over_time,
    ),
    "marts.sentiment_daily": Plot(
        "Positive less negative texts by day, percentage points, last 90 days",
        f"""
        select authored_date, subject, (100.0 * (sum(positive) - sum(negative)) / sum(scored))::double
        from marts.sentiment_daily
        where authored_date > (select max(authored_date) from marts.sentiment_daily) - {DAYS}
        group by all having sum(scored) > 0 order by all
        """,  # noqa: S608
        lines_over_time,
    ),
    "marts.model_performance": Plot(
        "AUC of the behavior model's scores by month of the cutoff, once the outcome is known",
        """
        select cutoff_month, model_version || case when is_backtest then ', backtest' else '' end, auc::double
        from marts.model_performance where auc is not null order by all
        """,
        lines_over_time,
    ),
    "marts.sentiment_accuracy": Plot(
        "Accuracy of the sentiment model on feedback by month, percent, by version",
        """
        select date_trunc('month', submitted_date)::date, model_version,
            (100.0 * sum(correct_predictions) / sum(texts))::double
        from marts.sentiment_accuracy group by all order by all
        """,
        lines_over_time,
    ),
    "marts.sentiment_by_weather": Plot(
        "Positive texts by weather: mean over days, percent, with 95% intervals; n counts days",
        """
        select weather || ', ' || subject, mean_daily_positive_pct::double,
            coalesce(positive_ci_low_pct, mean_daily_positive_pct)::double,
            coalesce(positive_ci_high_pct, mean_daily_positive_pct)::double, days
        from marts.sentiment_by_weather
        where station = (from marts.sentiment_by_weather select station group by all order by sum(days) desc, 1 limit 1)
        order by subject, weather
        """,
        intervals,
    ),
}
