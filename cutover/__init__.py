"""Take a service from one version to the next on many hosts over SSH, and back. docs/architecture.md has the rooms and their order."""
