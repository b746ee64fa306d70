"""V1 in service on a test host: user, directories, code, config, unit, and who delivers the tapes."""

from cutover.core.step import Step
from cutover.plan.roles import Role
from cutover.plan.steps import directory, file, http, link, unit_files_read, unit_started, user


def steps(role: Role) -> list[Step]:
    """Everything that a host of the lab needs to be like one in production before its cutover."""
    home, data, owner = role["abaco_home"], role["abaco_data"], role["abaco_user"]
    release = f"{home}/releases/{role['lab_v1_release']}"
    units, v1, tapes = role["abaco_unit_dir"], role["abaco_v1_unit"], "lab-tapes.service"
    ours = {"owner": owner, "group": owner, "mode": "0750"}
    return [
        user("lab.user", owner, home=data),
        *(directory(f"lab.{path}", path) for path in ("/etc/abaco", home, f"{home}/releases", release, f"{home}/lab")),
        *(
            directory(f"lab.{name or 'data'}", f"{data}/{name}".rstrip("/"), **ours)
            for name in ("", "inbox", "processing", "done", "rejected", "metrics", "audit")
        ),
        file("lab.v1-code", f"{release}/pipeline_v1.py", role.content("legacy/abaco_v1/pipeline_v1.py")),
        file(
            "lab.v1-config",
            role["abaco_config"],
            role.content("legacy/abaco_v1/pipeline.yml"),
            group=owner,
            mode="0640",
        ),
        link("lab.current", f"{home}/current", release),
        file("lab.v1-unit", f"{units}/{v1}", role.render("abaco-pipeline-v1.service.j2")),
        file("lab.tapes-code", f"{home}/lab/deliver_tapes.py", role.content("legacy/deliver_tapes.py")),
        file("lab.tapes-unit", f"{units}/{tapes}", role.render("lab-tapes.service.j2")),
        unit_files_read("lab.units-read", [v1, tapes]),
        unit_started("lab.v1", v1, timeout_s=30),
        http("lab.v1-healthy", role["abaco_v1_health"], {"status": 200}, wait_s=30),
        unit_started("lab.tapes", tapes, timeout_s=15),
    ]
