<?php

declare(strict_types=1);

namespace Qrgate;

/**
 * The three hooks, version 1 of the contract, for an application with PHP sessions. Each returns a status and
 * JSON content.
 */
final class Hooks
{
    private const VERSION = 1;

    /** The session's key for the Unix time at which the person last proved who they are. */
    private const AUTH_TIME = 'auth_time';

    /** What `user` reads by default. */
    private const MEMBERS = ['user_id' => true, 'name' => true, 'allow' => true];

    /** @param array<string, mixed> $config as for `handle` */
    public function __construct(private array $config)
    {
        $known = ['load', 'login', 'user', 'session', 'secret', 'origins', 'once', 'path'];
        $unknown = array_diff(array_keys($config), $known);
        if ($unknown !== []) {
            $names = implode(', ', $unknown) . '; there are ' . implode(', ', $known);
            throw new SetupError("qrgate\\handle: there is no setting $names");
        }
        foreach (['load', 'login'] as $name) {
            if (!is_callable($config[$name] ?? null)) {
                throw new SetupError("qrgate\\handle: '$name' must be a function");
            }
        }
    }

    /**
     * The hook at a path: `whoami`, `login` or `revoke` below `$below`, by default below any folder named
     * `_qr`; each may
     * end in `.php`. Where the script that runs is named `_qr.php`, only below the script. Null for any other path.
     */
    public static function at(string $path, ?string $below = null, string $script = ''): ?string
    {
        $default = self::isOwnScript($script) ? '(?:/[^?]*)?/_qr\.php' : '(?:/[^?]*)?/_qr';
        $folder = $below === null ? $default : preg_quote(rtrim($below, '/'), '~');
        return preg_match("~^$folder/(whoami|login|revoke)(?:\\.php)?$~D", $path, $found) ? $found[1] : null;
    }

    /** Whether a script serves nothing but the hooks. */
    public static function isOwnScript(string $script): bool
    {
        return basename($script) === '_qr.php';
    }

    /** @return array{int, array<string, mixed>|null} */
    public function whoami(): array
    {
        $user = $this->sessions()->read(fn () => $this->user());
        return $user === null ? [401, []] : [200, $user];
    }

    /** @return array{int, array<string, mixed>|null} */
    public function login(string $path): array
    {
        $message = $this->verifier()->accept('qr.login', $path, Call::current());
        $id = $message['user_id'] ?? null;
        $user = is_string($id) ? ($this->config['load'])($id) : null;
        if (!$user) {
            return [404, ['message' => 'This account cannot sign in.']];
        }
        $session = $this->sessions()->create(fn () => $this->fill($user, $message), $message['stay'] ?? null);
        return strlen($session) <= 128 ? [200, ['session' => $session]] : [204, null];
    }

    /** @return array{int, array<string, mixed>|null} */
    public function revoke(string $path): array
    {
        $message = $this->verifier()->accept('qr.revoke', $path, Call::current());
        $isTheirs = fn (): bool => ($this->user()['user_id'] ?? null) === ($message['user_id'] ?? '');
        $session = $message['session'] ?? null;
        $this->sessions()->end(is_string($session) ? $session : '', $isTheirs);
        return [204, null];
    }

    /** Signs a user in to the session, which is new and empty. */
    private function fill(mixed $user, array $message): void
    {
        ($this->config['login'])($user, $message);
        unset($_SESSION[self::AUTH_TIME]); // a code proves no password
        if (is_int($message['auth_time'] ?? null)) {
            $_SESSION[self::AUTH_TIME] = $message['auth_time'];
        }
        if (($this->user()['user_id'] ?? null) !== $message['user_id']) {
            $_SESSION = [];
            throw new SetupError("'user' does not return the user of 'login': do they use the same session keys?");
        }
    }

    /** The user of the open session, as `whoami` returns them. */
    private function user(): ?array
    {
        $read = $this->config['user'] ?? null;
        $user = $read === null ? array_intersect_key($_SESSION, self::MEMBERS) : $read();
        if (!is_array($user) || ($user['user_id'] ?? '') === '') {
            return null;
        }
        $authTime = isset($_SESSION[self::AUTH_TIME]) ? [self::AUTH_TIME => (int) $_SESSION[self::AUTH_TIME]] : [];
        $text = ['user_id' => (string) $user['user_id'], 'name' => (string) ($user['name'] ?? '')];
        return ['qrgate' => self::VERSION] + $text + $user + $authTime;
    }

    private function sessions(): Sessions
    {
        return new Sessions($this->config['session'] ?? fn () => session_start(['use_strict_mode' => true]));
    }

    private function verifier(): Verifier
    {
        $once = $this->config['once'] ?? null;
        $isFirst = is_string($once) || $once === null ? new FolderStore($once) : $once;
        $keys = Settings::keys($this->config['secret'] ?? null);
        return new Verifier($keys, Settings::origins($this->config['origins'] ?? null), $isFirst);
    }
}
