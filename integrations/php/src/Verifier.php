<?php

declare(strict_types=1);

namespace Qrgate;

/** Accepts a call of qrgate once, if it was signed with one of the keys, just now, for this hook of this site. */
final class Verifier
{
    /** How far the clocks of qrgate and this server may be apart, in seconds. */
    private const TOLERANCE = 60;

    private \Closure $isFirst;

    /**
     * @param list<string> $keys from `Settings::keys`
     * @param list<string> $origins from `Settings::origins`
     * @param callable(string): bool $isFirst whether a text of any characters is used for the first time. It must be
     *     atomic, shared by all processes and servers, and remember a text for at least 15 minutes
     */
    public function __construct(private array $keys, private array $origins, callable $isFirst)
    {
        $this->isFirst = $isFirst(...);
    }

    /**
     * The message of a call.
     *
     * @param string $type `qr.login` or `qr.revoke`
     * @param string $path the path of the hook
     * @return array<string, mixed>
     * @throws Refused if the call is not accepted
     */
    public function accept(string $type, string $path, Call $call): array
    {
        if (!$this->isSigned($call)) {
            throw new Refused('the signature was not made with one of the secrets');
        }
        if (!ctype_digit($call->timestamp) || abs(time() - (int) $call->timestamp) > self::TOLERANCE) {
            throw new Refused('the timestamp is more than 60 s off: compare the clocks');
        }
        $message = json_decode($call->body, true);
        if (!is_array($message) || ($message['type'] ?? null) !== $type || ($message['method'] ?? null) !== 'POST') {
            throw new Refused("the call is not a $type");
        }
        $origin = $message['origin'] ?? null;
        if (!is_string($origin) || !in_array($origin, $this->origins, true)) {
            throw new Refused('the call is for an origin that QRGATE_ORIGINS does not list');
        }
        if (($message['url'] ?? null) !== $origin . $path) {
            throw new Refused("the call is for another address than $origin$path");
        }
        if (!($this->isFirst)("$call->id:$call->timestamp")) {
            throw new Refused('the call was accepted before');
        }
        return $message;
    }

    /** Standard Webhooks, version 1: HMAC-SHA-256 of id, timestamp and content. Compares in constant time. */
    private function isSigned(Call $call): bool
    {
        $valid = false;
        foreach ($this->keys as $key) {
            $want = 'v1,' . base64_encode(hash_hmac('sha256', "$call->id.$call->timestamp.$call->body", $key, true));
            foreach (explode(' ', $call->signatures) as $signature) {
                $valid = hash_equals($want, $signature) || $valid;
            }
        }
        return $valid;
    }
}
