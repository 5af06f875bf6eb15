"""`python -m compliance`, the same as `penstock compliance`."""

from __future__ import annotations

from compliance.command import compliance

compliance()
