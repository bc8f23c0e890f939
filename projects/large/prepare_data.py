"""Writes generated orders as one Parquet file per span, 100,000 rows of twenty columns each.

    python projects/large/prepare_data.py --spans 100 --into /tmp/large   # ten million rows, 0.5 GB

A span is the same whatever their number. Whether an order is returned depends on nearly all columns, and on luck.
"""

import argparse
import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SPAN_ROWS = 100_000
CUSTOMERS, PRODUCTS, POSTCODES = 1_000_000, 20_000, 5_000
COUNTRIES = np.array([f"{first}{second}" for first in "ABCDE" for second in "KLMNO"])
CHANNELS = np.array(["app", "mail", "partner", "phone", "web"])
DEVICES = np.array(["desktop", "none", "phone", "tablet"])
PLANS = np.array(["basic", "plus", "pro"])


def make_span(number: int, rows: int = SPAN_ROWS) -> pa.Table:
    """Returns the orders of one span, numbered from 1."""
    draw = np.random.default_rng(number)
    customer, postcode = draw.integers(0, CUSTOMERS, rows), draw.integers(0, POSTCODES, rows)
    product = (PRODUCTS * draw.random(rows) ** 3).astype(np.int64)  # some sell much better than others
    country, channel, device = (
        draw.integers(0, 25, rows),
        draw.choice(5, rows, p=[0.3, 0.05, 0.1, 0.05, 0.5]),
        draw.integers(0, 4, rows),
    )
    plan, hour, quantity = draw.integers(0, 3, rows), draw.integers(0, 24, rows), draw.geometric(0.3, rows).clip(1, 100)
    visits, age, rating = draw.poisson(6, rows), draw.normal(45, 15, rows).clip(18, 95), draw.normal(3.5, 1, rows)
    amount, discount = draw.lognormal(3.5, 0.8, rows), draw.beta(1, 6, rows)
    distance, balance = draw.exponential(80, rows), draw.normal(0, 500, rows)
    logit = (
        -1.6
        + 0.5 * (channel == 0)
        - 0.4 * (plan == 2)
        + 0.8 * np.sin(product / 700)
        + 0.03 * (country - 12)
        + 0.6 * np.log(amount / 33)
        - 2 * discount
        + 0.004 * distance
        - 0.3 * (rating - 3.5)
        + 0.01 * (45 - age)
        + 0.4 * (hour > 20)
        - 0.05 * visits
        + 0.5 * (customer % 97 == 0)
    )
    returned = draw.random(rows) < 1 / (1 + np.exp(-logit))
    day = datetime.date(2024, 1, 1) + datetime.timedelta(days=number)
    return pa.table(
        {
            "order_id": pa.array(np.arange(rows, dtype=np.int64) + (number - 1) * rows),
            "day": pa.array(np.full(rows, day.isoformat())),
            "customer": _number("c", customer),
            "product": _number("p", product),
            "postcode": _number("", postcode),
            "country": pa.array(COUNTRIES[country]),
            "channel": pa.array(CHANNELS[channel]),
            "device": pa.array(DEVICES[device]),
            "plan": pa.array(PLANS[plan], mask=draw.random(rows) < 0.1),
            "hour": pa.array(hour),
            "weekday": pa.array(np.full(rows, day.weekday())),
            "quantity": pa.array(quantity),
            "visits": pa.array(visits, mask=draw.random(rows) < 0.1),
            "amount": pa.array(amount.astype(np.float32)),
            "discount": pa.array(discount.astype(np.float32)),
            "age": pa.array(age.astype(np.float32), mask=draw.random(rows) < 0.05),
            "distance": pa.array(distance.astype(np.float32)),
            "rating": pa.array(rating.astype(np.float32), mask=draw.random(rows) < 0.2),
            "balance": pa.array(balance.astype(np.float32)),
            "returned": pa.array(returned.astype(np.int64)),
        }
    )


def _number(prefix: str, values: np.ndarray) -> pa.Array:
    """Returns a letter and seven digits for each number."""
    return pa.array(np.char.add(prefix, np.char.zfill(values.astype(str), 7)))


def main() -> None:
    """Writes the spans that are not there yet."""
    parser = argparse.ArgumentParser(description="Write generated orders, 100,000 per span.")
    parser.add_argument("--spans", type=int, default=3, help="number of spans")
    parser.add_argument("--into", type=Path, default=Path(__file__).parent / "data", help="folder for the spans")
    args = parser.parse_args()
    for number in range(1, args.spans + 1):
        path = args.into / f"span-{number}" / "orders.parquet"
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        pq.write_table(make_span(number), temporary, compression="zstd")
        temporary.replace(path)


if __name__ == "__main__":
    main()
