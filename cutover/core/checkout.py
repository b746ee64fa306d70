"""The checkout that this program runs from: templates/, roles/ and docs/ are next to the code."""

from pathlib import Path

import cutover

CHECKOUT = Path(cutover.__file__).resolve().parents[1]
