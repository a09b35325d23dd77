"""The exit code of each kind of error."""

from sidecar import errors

OK, FAILED, USAGE, INVALID, BUSY = 0, 1, 2, 3, 4
INTERRUPTED = 130  # Ctrl-C, as shells have it

_CODES: dict[type[BaseException], int] = {
    errors.SidecarError: FAILED,
    errors.ConfigError: USAGE,
    errors.UsageError: USAGE,
    errors.BackupInvalid: INVALID,
    errors.Busy: BUSY,
}


def exit_code(error: errors.SidecarError) -> int:
    """Return the exit code of the error's class or of its nearest parent class."""
    return next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)
