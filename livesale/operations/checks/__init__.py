"""Runs of the doctor and the audit that operators start and follow over HTTP."""
