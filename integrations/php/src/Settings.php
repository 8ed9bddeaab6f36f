<?php

declare(strict_types=1);

namespace Qrgate;

/** Reads the secrets and the origins from the configuration, or else from the environment. */
final class Settings
{
    private const SHORTEST_KEY = 32;

    /**
     * The signing keys: from `$configured` (secrets as `qrgate secret` prints them, in a list or separated by
     * white space),
     * else from QRGATE_HOOK_SECRET, else from the file that QRGATE_HOOK_SECRET_FILE names.
     *
     * @param string|list<string>|null $configured
     * @return non-empty-list<string> the decoded keys
     * @throws SetupError if there is no secret, or one is not base64 or shorter than 32 bytes
     */
    public static function keys(string|array|null $configured = null): array
    {
        $secrets = self::words($configured)
            ?: self::words(self::fromEnvironment('QRGATE_HOOK_SECRET'))
            ?: self::words(self::fromFile());
        if ($secrets === []) {
            throw new SetupError('QRGATE_HOOK_SECRET is missing: set it to the text of hook.secret, or name that file in '
                . 'QRGATE_HOOK_SECRET_FILE');
        }
        return array_map(self::key(...), $secrets);
    }

    /**
     * The origins of this site: from `$configured`, else from QRGATE_ORIGINS.
     *
     * @param string|list<string>|null $configured
     * @return non-empty-list<string> scheme, host and port, without a final slash
     * @throws SetupError if there is none, or one is not an origin
     */
    public static function origins(string|array|null $configured = null): array
    {
        $origins = self::words($configured) ?: self::words(self::fromEnvironment('QRGATE_ORIGINS'));
        if ($origins === []) {
            throw new SetupError('QRGATE_ORIGINS is missing: set it to the public origin, as https://app.example.com');
        }
        $origins = array_map(fn (string $origin) => rtrim($origin, '/'), $origins);
        foreach ($origins as $origin) {
            if (!preg_match('~^https?://[^/?#@\s]+$~D', $origin)) {
                throw new SetupError("QRGATE_ORIGINS: $origin is not an origin, such as https://app.example.com");
            }
        }
        return $origins;
    }

    private static function key(string $secret): string
    {
        $key = base64_decode(preg_replace('/^whsec_/', '', $secret), true);
        if ($key === false || strlen($key) < self::SHORTEST_KEY) {
            throw new SetupError('QRGATE_HOOK_SECRET is not 32 bytes or more in base64: take the text of hook.secret');
        }
        return $key;
    }

    /** @return list<string> */
    private static function words(string|array|null $value): array
    {
        return preg_split('/\s+/', implode(' ', (array) $value), -1, PREG_SPLIT_NO_EMPTY);
    }

    private static function fromFile(): string
    {
        $file = self::fromEnvironment('QRGATE_HOOK_SECRET_FILE');
        if ($file === '') {
            return '';
        }
        $text = @file_get_contents($file);
        if ($text === false) {
            throw new SetupError("QRGATE_HOOK_SECRET_FILE: $file cannot be read by the user that PHP runs as");
        }
        return $text;
    }

    /** Web servers set variables in `$_SERVER`, process managers in the environment. */
    private static function fromEnvironment(string $name): string
    {
        $value = getenv($name);
        return (string) ($value === false ? $_SERVER[$name] ?? '' : $value);
    }
}
