"""Sales and the funnel, from the published file: `marimo edit docs/notebooks/ecommerce.py`."""

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
def _(mo):
    mo.md("# Sales\n\nRevenue by month and currency: net, exact decimals.")


@app.cell
def _(marts, mo):
    revenue = marts.sql(
        """
        select date_trunc('month', sale_date)::date as month, currency, sum(orders) as orders, sum(revenue) as revenue
        from marts.sales_daily group by all order by all
        """
    ).fetchall()
    mo.ui.table([{"month": str(m), "currency": c, "orders": int(o), "revenue": float(r)} for m, c, o, r in revenue])
    return (revenue,)


@app.cell
def _(marts, mo):
    funnel = marts.sql(
        """
        select traffic_source, sum(sessions) as sessions, sum(sessions_with_cart) as with_cart,
            sum(sessions_with_purchase) as with_purchase
        from marts.conversion_funnel group by all order by sessions desc
        """
    ).fetchall()
    mo.vstack(
        [
            mo.md("# Funnel\n\nVisits that reached each step, by traffic source."),
            mo.ui.table(
                [
                    {"source": s, "visits": int(v), "with a cart": int(c), "with a purchase": int(p)}
                    for s, v, c, p in funnel
                ]
            ),
        ]
    )
    return (funnel,)


if __name__ == "__main__":
    app.run()
