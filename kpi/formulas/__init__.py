"""The registry: each module of this package declares one `KPI`; in an order in which each has what it needs."""

import pkgutil
from importlib import import_module

from kpi.columns import AMOUNTS
from kpi.formulas.base import Kpi

NOT_FORMULAS = {"base"}


def _found() -> list[Kpi]:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in NOT_FORMULAS)
    return [import_module(f"{__name__}.{name}").KPI for name in names]


def _in_order(declared: list[Kpi]) -> dict[str, Kpi]:
    ordered: dict[str, Kpi] = {}
    waiting = sorted(declared, key=lambda kpi: kpi.position)
    while waiting:
        ready = [kpi for kpi in waiting if all(need in ordered for need in kpi.needs)]
        if not ready:
            raise ValueError(f"KPIs that need each other or one that is not declared: {[kpi.name for kpi in waiting]}")
        ordered.update({kpi.name: kpi for kpi in ready})
        waiting = [kpi for kpi in waiting if kpi.name not in ordered]
    return ordered


def _known_columns(declared: dict[str, Kpi]) -> dict[str, Kpi]:
    unknown = {
        kpi.name: sorted({*kpi.columns} - {*AMOUNTS}) for kpi in declared.values() if {*kpi.columns} - {*AMOUNTS}
    }
    if unknown:
        raise ValueError(f"KPIs of columns that a tape does not have: {unknown}")
    return declared


REGISTRY: dict[str, Kpi] = _known_columns(_in_order(_found()))
