<?php

declare(strict_types=1);

namespace Qrgate;

/** A call that is not accepted: respond 401. The message names the reason, for the log. */
final class Refused extends \RuntimeException
{
}
