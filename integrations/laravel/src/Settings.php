<?php

declare(strict_types=1);

namespace Qrgate\Laravel;

use Illuminate\Auth\SessionGuard;
use Illuminate\Cache\ArrayStore;
use Illuminate\Cache\NullStore;
use Illuminate\Support\Facades\Auth;
use Illuminate\Support\Facades\Cache;
use Qrgate\Settings as Common;
use Qrgate\SetupError;
use Qrgate\Verifier;

/** What config/qrgate.php says, as finished values. Each throws a `SetupError` that names the mistake. */
final class Settings
{
    private const REMEMBERED = 900;

    public static function verifier(): Verifier
    {
        $keys = Common::keys(config('qrgate.secret'));
        return new Verifier($keys, Common::origins(config('qrgate.origins') ?: config('app.url')), self::once());
    }

    public static function guard(): SessionGuard
    {
        $guard = Auth::guard(config('qrgate.guard'));
        return $guard instanceof SessionGuard ? $guard : throw new SetupError('qrgate.guard must name a guard with the driver "session"');
    }

    /** @return list<string> what is wrong, in sentences; empty if nothing is */
    public static function problems(): array
    {
        $problems = [];
        foreach ([self::verifier(...), self::guard(...)] as $part) {
            try {
                $part();
            } catch (SetupError $error) {
                $problems[] = $error->getMessage();
            }
        }
        if (config('session.driver') === 'array') {
            $problems[] = 'SESSION_DRIVER=array keeps no session';
        }
        return $problems;
    }

    /** Remembers accepted calls in a cache that adds atomically and that all processes share. */
    private static function once(): \Closure
    {
        $cache = Cache::store(config('qrgate.cache'));
        $store = $cache->getStore();
        if ($store instanceof ArrayStore || $store instanceof NullStore || !method_exists($store, 'add')) {
            throw new SetupError('the cache for accepted calls must be shared by all processes and add atomically: set '
                . 'QRGATE_CACHE to a store such as database, redis, memcached or, on one server, file');
        }
        return fn (string $call): bool => $cache->add('qrgate:' . hash('sha256', $call), 1, self::REMEMBERED);
    }
}
