<?php

declare(strict_types=1);

namespace Qrgate\Laravel;

use Closure;
use Illuminate\Contracts\Session\Session;
use Illuminate\Http\Request;

/**
 * Keeps the length that a person chose for a session: Laravel sends the session's cookie with every response, with the length of
 * config/session.php.
 */
final class KeepStay
{
    public function handle(Request $request, Closure $next): mixed
    {
        if ($request->hasSession()) {
            self::apply($request->session());
        }
        return $next($request);
    }

    /** Sets the length of the cookie in this response; ends a session whose time is over. */
    public static function apply(Session $session): void
    {
        $stay = $session->get(HooksController::STAY);
        if ($stay === 'browser') {
            config(['session.expire_on_close' => true]);
        } elseif (is_int($stay) && $stay <= time()) {
            $session->invalidate();
        } elseif (is_int($stay)) {
            config(['session.expire_on_close' => false, 'session.lifetime' => ($stay - time()) / 60]);
        }
    }
}
