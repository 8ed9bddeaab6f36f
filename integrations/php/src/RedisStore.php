<?php

declare(strict_types=1);

namespace Qrgate;

/** Remembers accepted calls in Redis, which several servers can share. */
final class RedisStore
{
    private const SECONDS = 900;

    public function __construct(private \Redis $redis, private string $prefix = 'qrgate:call:')
    {
    }

    /** Whether `$key` is used for the first time in 15 minutes. */
    public function __invoke(string $key): bool
    {
        return $this->redis->set($this->prefix . hash('sha256', $key), '1', ['nx', 'ex' => self::SECONDS]) === true;
    }
}
