"""The one error tree. A class's docstring is its default message.

Foreign errors are translated where they enter, with the original as ``__cause__``.
"""

from __future__ import annotations

from collections.abc import Mapping


class OrchestratorError(Exception):
    """Something went wrong."""

    code = "error"

    def __init__(self, message: str | None = None, *, fields: Mapping[str, list[str]] | None = None) -> None:
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.fields = dict(fields or {})
        super().__init__(self.message)


# What a person or a program asked for cannot be done -------------------------------------------------


class ConfigError(OrchestratorError):
    """The configuration is not usable."""

    code = "config"


class InvalidInput(OrchestratorError):
    """The request is not valid."""

    code = "invalid"


class InvalidPipeline(InvalidInput):
    """The pipeline is not valid."""

    code = "invalid_pipeline"


class InvalidExpression(InvalidInput):
    """The expression cannot be evaluated."""

    code = "expression"


class NotFound(OrchestratorError):
    """There is no such thing."""

    code = "not_found"


class Conflict(OrchestratorError):
    """The present state does not allow this."""

    code = "conflict"


class IdempotencyMismatch(OrchestratorError):
    """The Idempotency-Key was used before with another body."""

    code = "idempotency_mismatch"


class Unauthorized(OrchestratorError):
    """A valid bearer token is needed."""

    code = "unauthorized"


class Forbidden(OrchestratorError):
    """The token's role does not allow this."""

    code = "forbidden"


class BadToken(OrchestratorError):
    """The callback token is not ours."""

    code = "bad_token"


class TooLarge(OrchestratorError):
    """The body is over the size limit."""

    code = "too_large"


class Incomplete(OrchestratorError):
    """The body is shorter than announced."""

    code = "incomplete"


class UrlTooLong(OrchestratorError):
    """The address is over the length limit."""

    code = "url_too_long"


class TooManyRequests(OrchestratorError):
    """More requests in a short time than are allowed."""

    code = "too_many_requests"

    def __init__(self, message: str | None = None, *, retry_after: int, headers: Mapping[str, str]) -> None:
        """retry_after: seconds. headers: what the answer says of the limit."""
        super().__init__(message)
        self.retry_after = retry_after
        self.headers = headers


class MalformedDelivery(OrchestratorError):
    """The delivery cannot be read."""

    code = "malformed"


# Something we depend on does not answer ---------------------------------------------------------------


class Unavailable(OrchestratorError):
    """A service we depend on is not reachable."""

    code = "unavailable"
    retry_after = 2  # seconds, for who wants to try again


class Overloaded(Unavailable):
    """There is more to do than can be done now."""

    code = "overloaded"


class TooManyOpenRuns(Overloaded):
    """As many runs are open as may be."""

    code = "too_many_open_runs"
    retry_after = 30


class DatabaseUnavailable(Unavailable):
    """The database is not reachable."""

    code = "database_unavailable"

    def __init__(self, message: str | None = None, *, cut: bool = False) -> None:
        """``cut``: the connection was lost; another one may do."""
        super().__init__(message)
        self.cut = cut


class DatabaseBusy(DatabaseUnavailable):
    """The database does not answer in time."""

    code = "database_busy"


class SlowSender(Unavailable):
    """Other bodies of the same sender are still on their way."""

    code = "slow_sender"


class UnfitDatabase(DatabaseUnavailable):
    """The database server cannot be worked with."""

    code = "database_unfit"


class MigrationFailed(OrchestratorError):
    """The schema cannot be brought up to date."""

    code = "migration_failed"

    def __init__(self, message: str | None = None, *, whole: bool = True) -> None:
        """``whole``: nothing of the migration is applied. Else some of it may be, and it can be done again."""
        super().__init__(message)
        self.whole = whole


class SpoolUnavailable(Unavailable):
    """The delivery cannot be kept now."""

    code = "spool_unavailable"


class BrokerUnavailable(Unavailable):
    """The broker is not reachable."""

    code = "broker_unavailable"


class ProviderError(Unavailable):
    """The provider did not answer a look-up."""

    code = "provider"


# Images and their storage -----------------------------------------------------------------------------


class DownloadRefused(OrchestratorError):
    """The address may not be fetched."""

    code = "download_refused"


class DownloadFailed(OrchestratorError):
    """The download failed."""

    code = "download_failed"

    def __init__(self, message: str | None = None, *, retryable: bool, status: int | None = None) -> None:
        """``retryable``: the same request may succeed later; ``status``: what the server answered, if it did."""
        super().__init__(message)
        self.retryable = retryable
        self.status = status

    @property
    def gone(self) -> bool:
        """The server says that the thing is not, or no longer, to be had (an expired link answers 403)."""
        return self.status in {403, 404, 410}


class ImageRejected(OrchestratorError):
    """The bytes are not an acceptable image."""

    code = "image_rejected"


class ScorerFailed(OrchestratorError):
    """The scorer gave no usable answer."""

    code = "scorer_failed"


class ArchiveFailed(OrchestratorError):
    """The object could not be stored."""

    code = "archive_failed"
