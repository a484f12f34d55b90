"""Worked examples of gradient descent on (w + 1)², over REST, to the printed digit."""

from __future__ import annotations

from processes import Service

from hpsearch.client.client import Study

# w after step n is 6·0.6ⁿ − 1, so −0.999391 after 18 (0.6¹⁸ − 1 = −0.999898 is printed at times).
LR_0_2 = {
    "w": {1: "2.600000", 2: "1.160000", 3: "0.296000", 4: "-0.222400", 5: "-0.533440",
          6: "-0.720064", 18: "-0.999391"},
    "train_loss": {1: "12.959999", 2: "4.665599", 3: "1.679616", 4: "0.604662", 5: "0.217678",
                   6: "0.078364"},
}  # fmt: skip
LR_1 = {
    "w": {1: "-7.000000", 2: "5.000000", 3: "-7.000000", 17: "-7.000000", 18: "5.000000"},
    "train_loss": dict.fromkeys(range(1, 19), "36.000000"),
}
LR_0_001 = {
    "w": {1: "4.988000", 2: "4.976024", 3: "4.964072", 18: "4.787634"},
    "train_loss": {1: "35.856144", 2: "35.712864", 3: "35.570156", 18: "33.496712"},
}
LR_0_0001 = {
    "w": {1: "4.998800", 2: "4.997600", 3: "4.996400", 18: "4.978435"},
    "val_loss": {18: "35.741684"},
}
EXPONENTIAL = {
    "w": {1: "3.800000", 2: "2.849600", 3: "2.095001", 10: "-0.281761", 20: "-0.892476"},
    "train_loss": {1: "23.040001", 2: "14.819419", 3: "9.579033", 10: "0.515867", 20: "0.01156"},
    # In force after a step is in force during the next.
    "lr": {2: "0.099000", 3: "0.098010", 4: "0.097030", 11: "0.090438", 21: "0.081791"},
}
EXAMPLES = {
    "lr 0.2": (0.2, {"kind": "constant"}, LR_0_2),
    "lr 1": (1, {"kind": "constant"}, LR_1),
    "lr 0.001": (0.001, {"kind": "constant"}, LR_0_001),
    "lr 0.0001": (0.0001, {"kind": "constant"}, LR_0_0001),
    "exponential": (
        0.1,
        {"kind": "exponential", "decay_rate": 0.99, "decay_steps": 1, "staircase": True},
        EXPONENTIAL,
    ),
}


def printed(value: float, like: str) -> str:
    return f"{value:.{len(like.partition('.')[2])}f}"


def test_worked_examples_come_out_to_the_printed_digit(service: Service) -> None:
    with service.client() as client:
        studies = {
            name: client.submit(
                {
                    "name": name,
                    "task": {"dataset": "quadratic"},
                    "optimizer": {"kind": "sgd", "lr": lr},
                    "schedule": schedule,
                    "training": {"epochs": 21},
                    "search": {"trials": 1},
                }
            )
            for name, (lr, schedule, _) in EXAMPLES.items()
        }
        for name, study in studies.items():
            check(study.wait(60), EXAMPLES[name][2])


def check(study: Study, table: dict[str, dict[int, str]]) -> None:
    for metric, by_step in table.items():
        (curve,) = study.curves(metric).curves
        found = {step: printed(curve.values[step - 1], text) for step, text in by_step.items()}
        assert found == by_step, (study.name, metric)
