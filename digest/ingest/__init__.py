"""Posts, views and reactions from elsewhere: readers, one per format, and the one writer."""

from digest.ingest.importing import ingest, ingest_rows
from digest.ingest.report import Progress, Report, Tally
from digest.ingest.rows import Outcome, Problem

__all__ = ["Outcome", "Problem", "Progress", "Report", "Tally", "ingest", "ingest_rows"]
