"""Building ensembles: on a worker, from stored predictions and checkpoints alone.

    blob = predictions_blob(predicted, trial=3, epoch=9, checkpoint=sha256)  # when a trial ends
    built = build(request, study, candidates, sources, device="cpu", on_progress=report)

assembly    the whole way: select members, read them, measure, write the file
candidates  checkpoints to choose from, read and checked; those that cannot be used are dropped
ranking     which candidates come first
kinds       how each kind of ensemble selects its members, one file each
parts       the models of the ensemble, beside each other or averaged into one
measurement scores on validation and test rows
archive     the file: a zip of a manifest and weights
"""

from hpsearch.ensemble_builder.assembly import BuiltEnsemble, build
from hpsearch.ensemble_builder.candidates import Sources
from hpsearch.ensemble_builder.stored_predictions import predictions_blob

__all__ = ["BuiltEnsemble", "Sources", "build", "predictions_blob"]
