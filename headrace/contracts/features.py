"""The features of a customer: defined once, computed by the behavior scorer in the stream and by SQL in the warehouse.

They are computed over the customer's documents of kind `order` and `return`. An order that several events describe
counts once; conflicting events are resolved as in `core.orders`. Times are microseconds since 1970 and amounts are
ten-thousandths of the currency unit, both integers. Each feature that is not a count is a single division of two
integers at the end, so that both implementations agree to the last digit.

    cutoff              = the latest time of any document
    orders, returns     = documents of each kind
    currency            = the currency of most documents; the first by alphabet of several
    monetary_value      = sum over all lines of quantity times unit price, returns being negative, of the documents in
                          `currency`: amounts of different currencies are never added
    orders_in_other_currencies = the documents that `monetary_value` leaves out
    recency_days        = (cutoff - last order) / DAY_US                           none without an order
    tenure_days         = (cutoff - first order) / DAY_US                          none without an order
    mean_gap_days       = (last order - first order) / (DAY_US * (orders - 1))     none before the second order
    mean_basket_lines   = lines of all orders / orders                             none without an order
    order_days          = days (UTC) with an order
    last_gap_days       = whole days between the last two of them                  none before the second
    median_gap_days     = median of the whole days from one of them to the next    none before the second
    longest_gap_days    = the most whole days from one of them to the next         none before the second

For training, the same features are computed as of other cutoffs, over the documents up to that time only.
"""

from dataclasses import dataclass

DAY_US = 86_400_000_000
MONEY_UNITS = 10_000
MAX_SPEND = 1e30
"""A model that predicts more is extrapolating beyond its training data."""
KINDS = ("order", "return")
CURRENCY = "[A-Z]{3}"
"""The rule `currency is an ISO 4217 code` of `core.orders`."""


@dataclass(frozen=True)
class CustomerFeatures:
    """The features of one customer, as defined above. `cutoff_us` is a time, `monetary_units` an amount."""

    cutoff_us: int
    orders: int
    returns: int
    currency: str
    monetary_units: int
    orders_in_other_currencies: int
    recency_days: float | None
    tenure_days: float | None
    mean_gap_days: float | None
    mean_basket_lines: float | None
    order_days: int
    last_gap_days: int | None
    median_gap_days: float | None
    longest_gap_days: int | None


def amount_of(units: int) -> str:
    """An amount as the contracts write it, from its ten-thousandths."""
    whole, rest = divmod(abs(units), MONEY_UNITS)
    return f"{'-' if units < 0 else ''}{whole}.{rest:04d}"


def spend_of(expected: float | None) -> str | None:
    """An expected spend as the contracts write it, to the cent; None if there is none or it is not an amount."""
    return None if expected is None or not abs(expected) < MAX_SPEND else f"{expected:.2f}"
