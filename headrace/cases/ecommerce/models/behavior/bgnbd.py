"""BG/NBD: the beta-geometric / negative binomial model of when customers come back, by maximum likelihood.

Fader, Hardie and Lee, "'Counting your customers' the easy way: an alternative to the Pareto/NBD model", Marketing
Science 24 (2), 2005. A customer orders by a Poisson process of rate lambda ~ gamma(r, alpha), and after each repeat
order drops out forever with probability p ~ beta(a, b). Three numbers per customer
suffice: x, the repeat orders; t_x, the time from the first to the last order; and T, the time since the first one.
Orders of one day count as one.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import gammaln

Numbers = NDArray[np.float64]

_STARTS = ((0.5, 10.0, 0.8, 2.5), (1.0, 50.0, 0.1, 5.0))
_LOG_BOUND = 10.0


class BgNbd(NamedTuple):
    """A fitted model; `alpha` is in the unit of the times it was fitted on."""

    r: float
    alpha: float
    a: float
    b: float

    def probability_alive(self, x: Numbers, t_x: Numbers, t: Numbers) -> Numbers:
        """The probability that a customer is active at T = `t`; 1 without a repeat order."""
        odds = self.a / (self.b + np.maximum(x, 1.0) - 1.0)
        odds = odds * ((self.alpha + t) / (self.alpha + t_x)) ** (self.r + x)
        return np.where(x > 0, 1.0 / (1.0 + odds), 1.0)

    def probability_of_order(self, x: Numbers, t_x: Numbers, t: Numbers, ahead: float) -> Numbers:
        """The probability that a customer orders at least once in the time `ahead` after T = `t`.

        An active customer orders at a rate ~ gamma(r + x, alpha + T), and can drop out only after an order.
        """
        none = ((self.alpha + t) / (self.alpha + t + ahead)) ** (self.r + x)
        return self.probability_alive(x, t_x, t) * (1.0 - none)


def history(order_days: Numbers, tenure_days: Numbers, recency_days: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """x, t_x and T of customers; days of one that has never ordered are NaN."""
    return order_days - 1.0, np.maximum(tenure_days - recency_days, 0.0), tenure_days


def fit(x: Numbers, t_x: Numbers, t: Numbers) -> BgNbd:
    """The maximum-likelihood parameters for these customers: equation (6) of the paper, by L-BFGS-B."""

    def loss(logarithms: Numbers) -> float:
        return -float(np.mean(log_likelihood(BgNbd(*np.exp(logarithms)), x, t_x, t)))

    bounds = [(-_LOG_BOUND, _LOG_BOUND)] * 4
    found = [minimize(loss, np.log(start), method="L-BFGS-B", bounds=bounds) for start in _STARTS]
    best = min(found, key=lambda each: each.fun)
    return BgNbd(*(float(value) for value in np.exp(best.x)))


def log_likelihood(model: BgNbd, x: Numbers, t_x: Numbers, t: Numbers) -> Numbers:
    """The log-likelihood of each customer."""
    r, alpha, a, b = model
    common = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    common = common + gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
    stayed = -(r + x) * np.log(alpha + t)
    gone = np.log(a) - np.log(b + np.maximum(x, 1.0) - 1.0) - (r + x) * np.log(alpha + t_x)
    return common + np.logaddexp(stayed, np.where(x > 0, gone, -np.inf))
