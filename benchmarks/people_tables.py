"""Ten tables as people have them, made by a seeded script: what `benchmarks.tables` trains on.

Each has what real files have and examples lack: holes, names, dates, identifiers, free text, a
class of one row, numbers written for people. `clean` is the same data for scikit-learn, as a
careful person would have prepared it by hand: quantities as numbers, categories as such, no names,
texts or identifiers.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Maker = Callable[[np.random.Generator], "PeopleTable"]


@dataclass(frozen=True)
class PeopleTable:
    """A table as a file holds it, and the same data prepared by hand."""

    target: str
    metric: str
    """What trials are judged by, without `val_`."""
    frame: pd.DataFrame
    """As it is written."""
    clean: pd.DataFrame
    """Features alone: numbers, and categories by pandas' type for them."""
    suffix: str = ".csv"
    separator: str = ","

    def write(self, folder: Path, name: str) -> Path:
        """Writes the file; returns where it lies."""
        path = folder / f"{name}{self.suffix}"
        if self.suffix == ".parquet":
            self.frame.to_parquet(path, index=False)
        else:
            self.frame.to_csv(path, index=False, sep=self.separator)
        return path


def passengers(rng: np.random.Generator) -> PeopleTable:
    """Who survived a shipwreck: names, a ticket, ages with holes, a cabin that few had."""
    rows = 900
    klass = rng.choice([1, 2, 3], rows, p=[0.24, 0.21, 0.55])
    sex = rng.choice(["male", "female"], rows, p=[0.65, 0.35])
    age = np.clip(rng.normal(38 - 5 * klass, 13, rows), 0.5, 78).round(1)
    family = rng.poisson(0.9, rows)
    fare = np.exp(rng.normal(4.6 - 0.75 * klass, 0.5, rows)).round(2)
    port = rng.choice(["S", "C", "Q"], rows, p=[0.72, 0.19, 0.09])
    logit = (
        2.6 * (sex == "female") - 1.0 * (klass - 2) - 0.035 * (age - 30)
        - 0.3 * np.maximum(family - 2, 0) + 0.4 * (port == "C") - 0.9
    )  # fmt: skip
    survived = (rng.random(rows) < _sigmoid(logit)).astype(int)
    hidden_age = np.where(rng.random(rows) < 0.2, np.nan, age)
    titles = np.where(sex == "male", "Mr.", rng.choice(["Mrs.", "Miss"], rows))
    cabin = [
        f"{rng.choice(list('ABCDE'))}{rng.integers(1, 120)}"
        if rng.random() < 0.7 / k**1.5
        else None
        for k in klass
    ]
    frame = pd.DataFrame({
        "PassengerId": np.arange(1, rows + 1),
        "Class": klass,
        "Name": [f"{_word(rng)}, {title} {_word(rng)}" for title in titles],
        "Sex": sex,
        "Age": hidden_age,
        "Family": family,
        "Ticket": [f"{rng.choice(['PC', 'CA', 'SC'])} {rng.integers(10_000, 99_999)}" for _ in sex],
        "Fare": fare,
        "Cabin": cabin,
        "Port": pd.Series(port).mask(rng.random(rows) < 0.003),
        "Survived": survived,
    })  # fmt: skip
    clean = frame[["Class", "Sex", "Age", "Family", "Fare", "Port"]]
    return PeopleTable("Survived", "accuracy", frame, _categorical(clean, "Sex", "Port"))


def houses(rng: np.random.Generator) -> PeopleTable:
    """What houses were sold for: a date of sale, quarters, a few prices far out."""
    rows = 1500
    days = rng.integers(0, 6 * 365, rows)
    sold = pd.Timestamp("2015-01-01") + pd.to_timedelta(days, unit="D")
    area = np.exp(rng.normal(4.8, 0.35, rows)).round()
    built = rng.integers(1890, 2015, rows)
    rooms = np.clip((area / 28 + rng.normal(0, 1, rows)).round(), 1, 12).astype(int)
    quarters = np.array([_word(rng) for _ in range(24)])
    quarter = rng.integers(0, 24, rows)
    worth = rng.normal(0, 0.25, 24)
    condition = rng.choice(["poor", "fair", "good", "excellent"], rows, p=[0.1, 0.3, 0.45, 0.15])
    bonus = pd.Series(condition).map({"poor": -0.2, "fair": 0, "good": 0.08, "excellent": 0.2})
    log_price = (
        7.4 + 0.9 * np.log(area) + 0.003 * (built - 1950) + worth[quarter] + bonus.to_numpy()
        + 0.00016 * days + rng.normal(0, 0.11, rows)
    )  # fmt: skip
    price = np.exp(log_price)
    price[rng.random(rows) < 0.008] *= 2.2
    lot = np.where(rng.random(rows) < 0.18, np.nan, (area * rng.uniform(1, 8, rows)).round())
    frame = pd.DataFrame({
        "sold_on": sold.strftime("%Y-%m-%d"), "quarter": quarters[quarter], "living_area": area,
        "lot_area": lot, "built": built, "rooms": rooms, "condition": condition,
        "country": "Norway", "price": price.round(-2),
    })  # fmt: skip
    clean = frame.drop(columns=["sold_on", "country", "price"]).assign(days=days)
    return PeopleTable("price", "rmse", frame, _categorical(clean, "quarter", "condition"))


def claims(rng: np.random.Generator) -> PeopleTable:
    """Which insurance claims are fraud: one in fifty."""
    rows = 10_000
    x = rng.normal(size=(rows, 10))
    kind = rng.choice(["car", "home", "travel", "health"], rows)
    amount = np.exp(rng.normal(6.5, 1.1, rows)).round(2)
    score = (
        1.3 * x[:, 0] - 0.9 * x[:, 1] + 1.1 * x[:, 2] * (kind == "travel") + 0.6 * np.log(amount)
        + 0.8 * (x[:, 3] > 1.2) + rng.logistic(0, 0.4, rows)
    )  # fmt: skip
    fraud = np.where(score >= np.quantile(score, 0.98), "yes", "no")
    frame = pd.DataFrame(x.round(4), columns=[f"indicator_{i}" for i in range(10)])
    frame = frame.assign(kind=kind, amount=amount, fraud=fraud)
    clean = frame.drop(columns="fraud")
    return PeopleTable("fraud", "average_precision", frame, _categorical(clean, "kind"))


def tissues(rng: np.random.Generator) -> PeopleTable:
    """Few samples of many measurements: 200 rows of 150 columns."""
    rows, columns = 200, 150
    factors = rng.normal(size=(rows, 12))
    x = factors @ rng.normal(size=(12, columns)) * 0.5 + rng.normal(size=(rows, columns))
    logit = (
        1.6 * factors[:, 0] - 1.4 * factors[:, 1] + 1.2 * factors[:, 2] + rng.logistic(0, 0.3, rows)
    )
    frame = pd.DataFrame(x.round(3), columns=[f"g{i:03d}" for i in range(columns)])
    frame["tissue"] = np.where(logit > 0, "tumour", "normal")
    return PeopleTable("tissue", "accuracy", frame, frame.drop(columns="tissue"))


def tickets(rng: np.random.Generator) -> PeopleTable:
    """How urgent requests to a help desk are: one column is what people wrote."""
    rows = 1600
    channel = rng.choice(["mail", "phone", "chat"], rows, p=[0.5, 0.2, 0.3])
    hours = rng.gamma(2, 6, rows).round(1)
    affected = np.exp(rng.normal(1, 1.2, rows)).astype(int) + 1
    product = rng.choice(["ledger", "payroll", "stock", "web shop", "reports"], rows)
    score = (
        0.9 * np.log(affected) + 0.05 * hours + 0.9 * (channel == "phone")
        + 0.7 * np.isin(product, ["payroll", "web shop"]) + rng.normal(0, 0.5, rows)
    )  # fmt: skip
    urgency = np.select([score > 2.6, score > 1.5], ["high", "normal"], "low")
    minutes = pd.to_timedelta(rng.integers(0, 500_000, rows), "min")
    opened = pd.Timestamp("2024-02-01 08:00") + minutes
    lengths = rng.integers(6, 25, rows)
    frame = pd.DataFrame({
        "opened": opened.strftime("%d.%m.%Y %H:%M"),
        "message": [" ".join(_word(rng).lower() for _ in range(words)) for words in lengths],
        "channel": channel, "waiting_hours": hours, "people_affected": affected, "product": product,
        "urgency": urgency,
    })  # fmt: skip
    clean = frame[["channel", "waiting_hours", "people_affected", "product"]]
    return PeopleTable("urgency", "accuracy", frame, _categorical(clean, "channel", "product"))


def orders(rng: np.random.Generator) -> PeopleTable:
    """How many hours deliveries take: every row has three identifiers."""
    rows = 2500
    distance = rng.gamma(2.2, 60, rows).round(1)
    weight = np.exp(rng.normal(1, 0.9, rows)).round(2)
    carrier = rng.choice(["north", "express", "local", "freight"], rows)
    pace = pd.Series(carrier).map({"north": 1.0, "express": 0.55, "local": 1.3, "freight": 1.8})
    hours = pace * (6 + 0.12 * distance) + 1.5 * np.sqrt(weight) + rng.gamma(2, 1.2, rows)
    frame = pd.DataFrame({
        "order_id": [str(uuid.UUID(bytes=rng.bytes(16))) for _ in range(rows)],
        "customer_no": rng.permutation(np.arange(rows) + 4_800_000),
        "tracking": rng.integers(9 * 10**17, 9 * 10**18, rows),
        "distance_km": distance, "weight_kg": weight, "carrier": carrier,
        "zip": [f"{z:05d}" for z in rng.choice([1067, 4109, 9111, 10115, 20095, 50667], rows)],
        "hours": hours.round(1),
    })  # fmt: skip
    clean = frame[["distance_km", "weight_kg", "carrier", "zip"]]
    return PeopleTable("hours", "rmse", frame, _categorical(clean, "carrier", "zip"))


def birds(rng: np.random.Generator) -> PeopleTable:
    """Which of four species a bird is; every measurement has holes marked in another way."""
    rows = 640
    species = rng.choice(["Anda", "Brisk", "Corvin", "Dusk"], rows, p=[0.4, 0.3, 0.2, 0.1])
    code = pd.Series(species).map({"Anda": 0, "Brisk": 1, "Corvin": 2, "Dusk": 3}).to_numpy()
    bill = rng.normal(38 + 4 * (code % 2) + 1.5 * code, 2.6, rows).round(1)
    wing = rng.normal(190 + 9 * (code >= 2) + 3 * code, 6, rows).round()
    mass = rng.normal(3700 + 500 * (code == 3) + 250 * (code == 1), 320, rows).round()
    island = np.where(
        rng.random(rows) < 0.75, np.array(["West", "Mid", "Mid", "East"])[code], "Mid"
    )
    frame = pd.DataFrame({"island": island, "bill_mm": bill, "wing_mm": wing, "mass_g": mass})
    clean = frame.mask(rng.random(frame.shape) < [0, 0.06, 0.06, 0.06])
    frame = clean.astype(object)
    for name, mark in (("bill_mm", "NA"), ("wing_mm", "?"), ("mass_g", "#N/A")):
        frame[name] = frame[name].where(frame[name].notna(), mark)
    frame["species"] = species
    return PeopleTable("species", "accuracy", frame, _categorical(clean, "island"))


def subscribers(rng: np.random.Generator) -> PeopleTable:
    """Which subscribers leave: a Parquet file that knows truth values and dates."""
    rows = 3000
    months = rng.integers(1, 60, rows)
    since = pd.Timestamp("2025-06-01") - pd.to_timedelta(months * 30, unit="D")
    paperless, autopay = rng.random(rows) < 0.6, rng.random(rows) < 0.5
    plan = rng.choice(["basic", "plus", "family"], rows, p=[0.5, 0.3, 0.2])
    calls = rng.poisson(1.2, rows)
    price = np.round(rng.normal(30, 6, rows) + 12 * (plan == "family"), 2)
    logit = (
        -0.6 - 0.045 * months + 0.75 * calls - 1.1 * autopay + 0.06 * (price - 30)
        + 0.8 * (plan == "basic")
    )  # fmt: skip
    frame = pd.DataFrame({
        "since": since, "paperless": paperless, "autopay": autopay, "plan": pd.Categorical(plan),
        "calls": calls.astype(np.int16), "price": price.astype(np.float32),
        "leaves": rng.random(rows) < _sigmoid(logit),
    })  # fmt: skip
    clean = frame.drop(columns=["since", "leaves"]).assign(months=months)
    clean = clean.astype({"paperless": int, "autopay": int})
    return PeopleTable("leaves", "auc", frame, clean, suffix=".parquet")


def grades(rng: np.random.Generator) -> PeopleTable:
    """How a laboratory grades batches: one grade was given once."""
    rows = 1200
    x = rng.normal(size=(rows, 8))
    score = x[:, 0] + 0.8 * x[:, 1] - 0.7 * x[:, 2] * x[:, 3] + rng.normal(0, 0.35, rows)
    grade = np.select([score > 1.1, score > -0.3, score > -1.6], ["A", "B", "C"], "D")
    grade[np.argmin(score)] = "F"
    frame = pd.DataFrame(
        x.round(3), columns=["ph", "salt", "iron", "heat", "flow", "zinc", "lead", "tin"]
    )
    frame["grade"] = grade
    return PeopleTable("grade", "accuracy", frame, frame.drop(columns="grade"))


def rents(rng: np.random.Generator) -> PeopleTable:
    """Monthly rents as a European office writes them: `;`, decimal commas, currency, per cent."""
    rows = 1400
    area = np.clip(rng.gamma(9, 8, rows), 18, 240)
    floor = rng.integers(0, 9, rows)
    share = rng.uniform(0, 0.4, rows)
    town = rng.choice(["Bern", "Basel", "Biel", "Thun", "Olten"], rows)
    level = (
        pd.Series(town)
        .map({"Bern": 24, "Basel": 26, "Biel": 17, "Thun": 20, "Olten": 16})
        .to_numpy()
    )
    start = pd.Timestamp("2019-03-01") + pd.to_timedelta(rng.integers(0, 1800, rows), unit="D")
    rent = (
        area**0.93
        * level
        * 1.25
        * (1 + 0.012 * floor)
        * (1 - 0.3 * share)
        * np.exp(rng.normal(0, 0.07, rows))
    )
    frame = pd.DataFrame({
        "Beginn": start.strftime("%d.%m.%Y"),
        "Ort": town,
        "Fläche, m²": [_european(value, 1) for value in area],
        "Stockwerk": floor,
        "Anteil": [f"{_european(100 * value, 1)} %" for value in share],
        "Miete": [f"{_european(value, 2)} €" for value in rent],
    })  # fmt: skip
    clean = pd.DataFrame({"town": town, "area": area, "floor": floor, "share": share})
    return PeopleTable("Miete", "rmse", frame, _categorical(clean, "town"), separator=";")


MAKERS: Mapping[str, Maker] = {
    maker.__name__: maker
    for maker in (
        passengers, houses, claims, tissues, tickets, orders, birds, subscribers, grades, rents,
    )
}  # fmt: skip


def make(name: str, seed: int) -> PeopleTable:
    """The table of a name, the same for the same seed."""
    return MAKERS[name](np.random.default_rng([seed, list(MAKERS).index(name)]))


def _categorical(frame: pd.DataFrame, *names: str) -> pd.DataFrame:
    return frame.astype(dict.fromkeys(names, "category"))


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-x)))


def _word(rng: np.random.Generator) -> str:
    syllables = ["ba", "do", "ken", "li", "mar", "no", "ri", "sol", "ta", "ven", "wil", "za"]
    return "".join(rng.choice(syllables, rng.integers(2, 4))).capitalize()


def _european(value: float, decimals: int) -> str:
    """A number with dots between thousands and a decimal comma."""
    return f"{value:,.{decimals}f}".translate(str.maketrans(",.", ".,"))
