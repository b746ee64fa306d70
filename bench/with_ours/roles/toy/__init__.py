"""The toy pair of services: V1 out of service, V2 in service, the config backed up and replaced."""
