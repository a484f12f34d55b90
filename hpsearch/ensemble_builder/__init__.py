"""Building ensembles: on a worker, from stored predictions and checkpoints alone.

blob = predictions_blob(predicted, trial=3, epoch=9, checkpoint=sha256)   # when a trial ends
built = build(request, study, candidates, sources, device="cpu", on_progress=tell)
"""

from hpsearch.ensemble_builder.assembly import BuiltEnsemble, build
from hpsearch.ensemble_builder.candidates import Sources
from hpsearch.ensemble_builder.stored_predictions import predictions_blob

__all__ = ["BuiltEnsemble", "Sources", "build", "predictions_blob"]
