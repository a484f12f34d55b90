"""Building ensembles: on a worker, from stored predictions and checkpoints alone.

blob = predictions_of(predicted, trial=3, epoch=9, checkpoint=sha256)   # when a trial ends
built = build(request, study, candidates, sources, device="cpu", on_progress=tell)
"""

from hpsearch.ensemble_builder.assembly import Built, build
from hpsearch.ensemble_builder.candidates import Sources
from hpsearch.ensemble_builder.stored_predictions import predictions_of

__all__ = ["Built", "Sources", "build", "predictions_of"]
