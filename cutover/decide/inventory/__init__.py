"""The hosts of an environment, in Ansible's shape: where it lies, what it holds, and what a pattern picks from it."""

from cutover.decide.inventory.loading import load
from cutover.decide.inventory.locating import locate
from cutover.decide.inventory.model import Inventory

__all__ = ["Inventory", "load", "locate"]
