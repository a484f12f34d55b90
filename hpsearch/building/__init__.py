"""Building ensembles: on a worker, from stored predictions and checkpoints alone.

blob = predictions_of(predicted, trial=3, epoch=9, checkpoint=sha256)   # when a trial ends
built = build(request, study, candidates, sources, device="cpu", on_progress=tell)
"""

from hpsearch.building.assembly import Built, build
from hpsearch.building.predicting import predictions_of
from hpsearch.building.sources import Sources

__all__ = ["Built", "Sources", "build", "predictions_of"]
