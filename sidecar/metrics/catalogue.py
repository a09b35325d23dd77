"""The catalogue: every metric family, what it means and where its value comes from.

Collecting reads memory only. `0` as a time means never; an age without a backup is infinite, so that no rule takes it for young.
"""

from sidecar.metrics.copies import COPIES
from sidecar.metrics.family import Family
from sidecar.metrics.runs import RUNS, SCHEDULES
from sidecar.metrics.stored import PROOF, RETENTION, STORED
from sidecar.metrics.surroundings import OURSELVES, SURROUNDINGS

CATALOGUE: tuple[Family, ...] = (*STORED, *RUNS, *SCHEDULES, *PROOF, *RETENTION, *COPIES, *SURROUNDINGS, *OURSELVES)
