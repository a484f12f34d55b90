"""A scikit-learn loop, searched by the service through the client."""

from __future__ import annotations

from processes import Service
from sklearn.datasets import load_wine
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from hpsearch.spec.language.states import StudyState, TrialState

SPEC = {
    "name": "scikit-learn",
    "task": {"kind": "external", "params": {"alpha": {"log_uniform": [1e-6, 10.0]}}},
    "objective": {"metric": "val_accuracy", "direction": "maximize"},
    "search": {"trials": 8},
}


def test_scikit_learn_loop_asks_reports_and_completes(service: Service) -> None:
    x, y = load_wine(return_X_y=True)
    train_x, val_x, train_y, val_y = train_test_split(x, y, random_state=0, stratify=y)
    scaler = StandardScaler().fit(train_x)
    train_x, val_x = scaler.transform(train_x), scaler.transform(val_x)
    with service.client() as client:
        study = client.submit(SPEC)
        while trials := study.ask(3):
            for trial in trials:
                model = SGDClassifier(alpha=trial.params["task.params.alpha"], random_state=0)
                for epoch in range(5):
                    model.partial_fit(train_x, train_y, classes=[0, 1, 2])
                    assert trial.report(epoch, val_accuracy=model.score(val_x, val_y))
                assert trial.complete().state is TrialState.COMPLETE
        study.refresh()
        assert study.state is StudyState.COMPLETE
        best = study.best_trial
        assert best is not None
        curves = {curve.trial: curve.values for curve in study.curves("val_accuracy").curves}
        assert best.value == max(value for values in curves.values() for value in values)
        assert best.value > 0.9
