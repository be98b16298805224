"""What can go wrong with the register, as facts."""


class RegistryError(Exception):
    """Base of the errors of this folder; the message is one line that a person can act on."""


class UnknownSite(RegistryError):
    def __init__(self, site: str) -> None:
        super().__init__(f"no site {site!r}")
        self.site = site


class SiteTaken(RegistryError):
    def __init__(self, site: str) -> None:
        super().__init__(f"a site {site!r} exists already")
        self.site = site


class UnknownUnit(RegistryError):
    def __init__(self, unit: str) -> None:
        super().__init__(f"no unit {unit!r}")
        self.unit = unit


class UnknownPerson(RegistryError):
    def __init__(self, name: str) -> None:
        super().__init__(f"nobody named {name!r} has an account")
        self.name = name


class NameTaken(RegistryError):
    def __init__(self, name: str) -> None:
        super().__init__(f"a person with the name {name!r} exists already")
        self.name = name


class InvalidField(RegistryError):
    """`reason` completes the sentence "{field} …"."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field = field
        self.reason = reason


class DatabaseUnavailable(RegistryError):
    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"database {where} cannot be used: {reason}")
        self.where = where
        self.reason = reason
