<?php

declare(strict_types=1);

namespace Qrgate;

/** PHP's sessions, in whatever the application's save handler keeps them. */
final class Sessions
{
    private \Closure $start;

    /** @param callable(): mixed $start the application's own call of `session_start` with its cookie parameters */
    public function __construct(callable $start)
    {
        $this->start = $start(...);
    }

    /**
     * What `$read` returns in the browser's session, or null without one. Changes nothing, and releases the lock
     * first.
     */
    public function read(callable $read): mixed
    {
        if ($_COOKIE === []) {
            return null;
        }
        if (session_status() !== PHP_SESSION_ACTIVE) {
            ($this->start)();
            if (session_id() !== ($_COOKIE[session_name()] ?? null)) { // no session of this cookie: this is a new one
                session_destroy();
                header_remove('Set-Cookie');
                return null;
            }
            session_abort();
        }
        return $read();
    }

    /**
     * Opens a new session, fills it with `$fill`, and returns its id.
     *
     * @param string|int|null $stay "browser", seconds, or null for the application's default
     */
    public function create(callable $fill, string|int|null $stay): string
    {
        if (session_status() !== PHP_SESSION_ACTIVE) {
            $_COOKIE = []; // never continues a session that the caller names
            ($this->start)();
        }
        session_regenerate_id(true);
        $_SESSION = [];
        $fill();
        if ($stay !== null) {
            $this->sendCookie($stay === 'browser' ? 0 : time() + (int) $stay);
        }
        $id = (string) session_id();
        session_write_close();
        return $id;
    }

    /** Ends the session with this id, if there is one and `$isTheirs` returns true in it. */
    public function end(string $id, callable $isTheirs): void
    {
        if (!preg_match('/^[A-Za-z0-9,-]{1,128}$/D', $id)) {
            return;
        }
        if (session_status() === PHP_SESSION_ACTIVE) {
            session_write_close();
        }
        $_COOKIE = [];
        ini_set('session.use_cookies', '0'); // the response sets no cookie
        session_id($id);
        ($this->start)();
        if (session_id() !== $id || $_SESSION === [] || $isTheirs()) {
            $_SESSION = [];
            session_destroy();
        } else {
            session_abort();
        }
    }

    /** Replaces the session's cookie in the response by one that ends at `$expires`: Unix time; 0: with the browser. */
    private function sendCookie(int $expires): void
    {
        $others = array_filter(headers_list(), function (string $line): bool {
            return stripos($line, 'Set-Cookie:') === 0 && stripos($line, 'Set-Cookie: ' . session_name() . '=') !== 0;
        });
        header_remove('Set-Cookie');
        foreach ($others as $line) {
            header($line, false);
        }
        $parameters = array_diff_key(session_get_cookie_params(), ['lifetime' => 0]);
        setcookie((string) session_name(), (string) session_id(), ['expires' => $expires] + $parameters);
    }
}
