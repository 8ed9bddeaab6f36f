<?php

declare(strict_types=1);

namespace Qrgate\Laravel;

use Closure;
use Illuminate\Http\Request;

/** Removes the cookies that Laravel adds to every response, unless the login hook has signed somebody in. */
final class OnlySignInCookies
{
    public function handle(Request $request, Closure $next): mixed
    {
        $response = $next($request);
        if (!$request->routeIs('qrgate.login') || !$response->isSuccessful()) {
            $response->headers->remove('Set-Cookie');
        }
        return $response;
    }
}
