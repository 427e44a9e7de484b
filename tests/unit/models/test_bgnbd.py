"""BG/NBD: it recovers the parameters of simulated customers, and predicts how many of them order again."""

import numpy as np
import pytest
from numpy.typing import NDArray

from headrace.cases.ecommerce.models.behavior import bgnbd
from headrace.cases.ecommerce.models.behavior.bgnbd import BgNbd

CDNOW = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
"""What the paper found for the customers of CDNOW; times are weeks."""
CUSTOMERS, WEEKS, AHEAD = 20_000, 39.0, 13.0


def simulated() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """x, t_x and T of customers, and whether they order in the weeks ahead, one customer and order at a time."""
    random = np.random.default_rng(4)
    rate = random.gamma(CDNOW.r, 1 / CDNOW.alpha, CUSTOMERS)
    gone = random.beta(CDNOW.a, CDNOW.b, CUSTOMERS)
    t = random.uniform(WEEKS - 12, WEEKS, CUSTOMERS)
    x, t_x, comes = np.zeros(CUSTOMERS), np.zeros(CUSTOMERS), np.zeros(CUSTOMERS, dtype=np.bool_)
    for number in range(CUSTOMERS):
        time = random.exponential(1 / rate[number])
        while time <= t[number] + AHEAD:
            if time > t[number]:
                comes[number] = True
                break
            x[number] += 1
            t_x[number] = time
            if random.random() < gone[number]:
                break
            time += random.exponential(1 / rate[number])
    return x, t_x, t, comes


def test_parameters_are_recovered_and_predictions_are_calibrated() -> None:
    x, t_x, t, comes = simulated()
    fitted = bgnbd.fit(x, t_x, t)
    assert fitted.r == pytest.approx(CDNOW.r, rel=0.1)
    assert fitted.alpha == pytest.approx(CDNOW.alpha, rel=0.15)
    assert fitted.a / (fitted.a + fitted.b) == pytest.approx(CDNOW.a / (CDNOW.a + CDNOW.b), rel=0.1)
    predicted = fitted.probability_of_order(x, t_x, t, AHEAD)
    assert predicted.mean() == pytest.approx(comes.mean(), abs=0.01)
    for low in (0.0, 0.1, 0.3, 0.5):
        inside = (predicted >= low) & (predicted < low + 0.2)
        assert predicted[inside].mean() == pytest.approx(comes[inside].mean(), abs=0.03)


def test_the_fit_is_the_most_likely_and_keeps_customers_without_repeat_orders() -> None:
    x, t_x, t, _ = simulated()
    fitted = bgnbd.fit(x, t_x, t)
    assert bgnbd.log_likelihood(fitted, x, t_x, t).mean() >= bgnbd.log_likelihood(CDNOW, x, t_x, t).mean()
    alive = fitted.probability_alive(np.array([0.0, 5.0, 5.0]), np.array([0.0, 38.0, 5.0]), np.full(3, 39.0))
    assert alive[0] == 1.0
    assert alive[1] > 0.7 > 0.1 > alive[2]
