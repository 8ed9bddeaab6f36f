<?php

declare(strict_types=1);

namespace Qrgate;

/** A call of a hook as it arrived: its content unparsed, and the header fields of Standard Webhooks. */
final class Call
{
    public function __construct(
        public readonly string $body,
        public readonly string $id,
        public readonly string $timestamp,
        public readonly string $signatures,
    ) {
    }

    /** The current request. */
    public static function current(): self
    {
        $field = fn (string $name): string => (string) ($_SERVER["HTTP_WEBHOOK_$name"] ?? '');
        $body = (string) file_get_contents('php://input');
        return new self($body, $field('ID'), $field('TIMESTAMP'), $field('SIGNATURE'));
    }
}
