"""Training: batches of classes, a loss, a cross-batch memory."""
