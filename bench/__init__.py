"""The engine's speed beside a plain shell, pyinfra, ansible-core and the code before; the KPIs' speed in `bench.kpis`."""
