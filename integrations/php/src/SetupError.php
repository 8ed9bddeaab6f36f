<?php

declare(strict_types=1);

namespace Qrgate;

/**
 * A mistake in the configuration. The message says what is wrong and what to do; it is for the log, not for a
 * response.
 */
final class SetupError extends \RuntimeException
{
}
