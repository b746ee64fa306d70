"""The engine's speed, beside ansible-core, pyinfra and a shell script on the same hosts; the KPIs', in `bench.kpis`."""
