"""A step: what should be on a host, as data. Roles make them, the plan holds them, the host's agent carries them out."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

State = dict[str, Any]


class Step(BaseModel):
    """Read the state, compare, change, read it again. `desired` names the keys of the observed state that must hold in the end."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(description="unique within a host's plan: <phase>.<name>")
    kind: str = Field(description="which of the agent's modules reads and changes the state (cutover/agent/modules)")
    words: str = Field(description="what it does, for the plan and the table")
    args: State
    desired: State
    severity: Literal["FAIL", "WARN"] = Field(
        "FAIL", description="what it means when it does not hold; WARN goes on, visibly"
    )
    next: str = Field("", description="what a person does when it does not hold")
    probe: bool = Field(default=False, description="only reads, whatever its module could change")
    needs: tuple[str, ...] = Field((), description="in a rollback: skipped when one of these failed")

    @property
    def content(self) -> str | None:
        """Digest of the file content that must travel with this step, if it writes one."""
        return self.desired.get("sha256") if self.kind == "file" and not self.probe else None

    def for_host(self) -> State:
        """The part that the agent needs."""
        fields = {"id": self.id, "kind": self.kind, "args": self.args, "desired": self.desired, "probe": self.probe}
        return fields | {"needs": list(self.needs), "optional": self.severity == "WARN"}
