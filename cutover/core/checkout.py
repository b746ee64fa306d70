"""Where the checkout lies that this program runs from: templates/, roles/ and docs/ are beside the code."""

from pathlib import Path

import cutover

CHECKOUT = Path(cutover.__file__).resolve().parents[1]
