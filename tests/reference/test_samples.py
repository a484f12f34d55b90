"""What generated pages try in a field: values that its own rule allows."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from hpsearch.reference.catalogue import FAMILIES
from hpsearch.reference.samples import is_number, object_type, samples
from hpsearch.spec.model import Cnn, Mlp, Resnet
from hpsearch.spec.optimizers.lbfgs import Lbfgs
from hpsearch.spec.optimizers.sign_and_matrix import Muon
from hpsearch.spec.training import Clip, Training

MEMBERS = [member for family in FAMILIES.values() for member in family.members.values()]


@pytest.mark.parametrize("member", MEMBERS)
def test_every_sample_keeps_to_the_rule_of_its_field(member):
    for name, field in member.model_fields.items():
        adapter = TypeAdapter(field.rebuild_annotation())
        for value in samples(member, name):
            adapter.validate_python(value)


@pytest.mark.parametrize(
    ("model", "field", "expected"),
    [
        (Muon, "nesterov", [True, False]),
        (Muon, "adjust_lr", ["original", "match_rms_adamw"]),
        (Muon, "momentum", [0.95, 0.5, 0.25, 0.75]),
        (Lbfgs, "history", [100, 1, 2, 3]),
        (Resnet, "depth", [8, 14, 9, 10]),
        (Cnn, "filters", [16, 1, 2, 3, [1], [2], [3]]),
        (Mlp, "hidden", [None, [1], [2], [3]]),
        (Training, "clip", [None, {"norm": 1.0}]),
        (Training, "folds", [0, 1, 2]),
    ],
)
def test_samples_begin_with_the_default_and_the_example(model, field, expected):
    assert samples(model, field) == expected


def test_objects_and_numbers_are_distinguished():
    fields = Training.model_fields
    assert object_type(fields["clip"].annotation) is Clip
    assert object_type(fields["max_norm"].annotation) is None
    assert is_number(fields["max_norm"].annotation, fields["max_norm"].metadata)
    assert not is_number(fields["precision"].annotation, fields["precision"].metadata)
