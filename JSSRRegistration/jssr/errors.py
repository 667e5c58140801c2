"""The errors JSSR raises on purpose; each message is one sentence meant for the user."""


class JSSRError(Exception):
    """Base of every error that JSSR raises on purpose."""


class InputError(JSSRError):
    """The user's input cannot be used; the message names it, says why and what to do."""


class BundleError(InputError):
    """A model bundle is missing, damaged, altered or too new."""


class ResourceError(InputError):
    """The computer lacks what the work needs; the same input may do when it has it."""


class DeviceError(ResourceError):
    """The requested compute device is not there or too small."""


class Cancelled(JSSRError):
    """The caller asked to stop."""
