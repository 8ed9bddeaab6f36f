<?php

namespace dokuwiki\plugin\qrgate;

/**
 * Sessions without a password. DokuWiki's own cookie has the encrypted password; here it has a random token in its
 * place, and a record says whose it is. The cookie has the usual name and form, so DokuWiki's own sign-out ends it.
 */
class Sessions
{
    /** How a token begins. No encrypted password does: its length is a multiple of 16. */
    protected const PREFIX = 'qrgate.';

    /** The longest session in seconds, like that of DokuWiki's "Remember me". */
    protected const LONGEST = 365 * 24 * 60 * 60;

    protected Records $records;

    /** @param bool $administrators whether superusers and managers may have such sessions */
    public function __construct(protected bool $administrators)
    {
        $this->records = new Records('sessions');
    }

    /** What the authentication plugin knows of a user who may have a session, or null. */
    public function userinfo(string $user): ?array
    {
        global $auth;
        if (empty($user) || $auth->cleanUser($user) !== $user) {
            return null;
        }
        $info = $auth->getUserData($user);
        return is_array($info) && $this->isAllowed($user, $info) ? $info : null;
    }

    /** Whether a user may have sessions without a password: superusers and managers only if the setting says so. */
    public function isAllowed(string $user, ?array $info): bool
    {
        return $this->administrators || !auth_ismanager($user, (array) ($info['grps'] ?? []));
    }

    /**
     * Opens a session in the response.
     *
     * @param int|null $authTime when the person last typed the password
     * @param string|int|null $stay "browser", seconds, or null: until the browser closes
     * @return string the name of the session, which signs nobody in
     */
    public function open(string $user, ?int $authTime, string|int|null $stay): string
    {
        global $conf;
        $token = self::PREFIX . bin2hex(random_bytes(32));
        $until = time() + min(is_int($stay) ? $stay : self::LONGEST, self::LONGEST);
        $isSticky = is_int($stay) && $conf['rememberme'];
        $name = hash('sha256', $token);
        $this->records->add($name, ['user' => $user, 'auth_time' => $authTime], $until);
        if (session_status() !== PHP_SESSION_ACTIVE) {
            session_start();
        }
        session_regenerate_id(true);
        $_SESSION = [];
        $cookie = base64_encode($user) . '|' . (int) $isSticky . '|' . base64_encode($token);
        $this->sendCookie($cookie, $isSticky ? $until : 0);
        return $name;
    }

    /**
     * Signs the user of the request's cookie in, as `auth_login` does for a cookie with a password. Asks the
     * authentication plugin again as often as `auth_login` checks a password again.
     *
     * @return bool|null whether the user is signed in; null for a cookie that was not made by `open`
     */
    public function resume(): ?bool
    {
        global $INPUT, $USERINFO;
        [$user, $token] = $this->cookie();
        if ($token === null) {
            return null;
        }
        $record = $this->records->get(hash('sha256', $token));
        $info = $record !== null && $record['user'] === $user ? $this->current($user, $token) : null;
        if ($info === null) {
            $this->end(hash('sha256', $token), $user);
            auth_logoff(true);
            return false;
        }
        $INPUT->server->set('REMOTE_USER', $user);
        $USERINFO = $info;
        $_SESSION[DOKU_COOKIE]['qrgate'] = ['user' => $user, 'auth_time' => $record['auth_time']];
        return true;
    }

    /** Ends the session of the request's cookie, if `open` made it. */
    public function endCurrent(): void
    {
        [$user, $token] = $this->cookie();
        if ($token !== null) {
            $this->end(hash('sha256', $token), $user);
        }
    }

    /** Ends a session by its name. Does nothing if it has ended, or is another user's. */
    public function end(string $name, string $user): void
    {
        if (($this->records->get($name)['user'] ?? null) === $user) {
            $this->records->remove($name);
        }
    }

    /** @param string[] $users whose sessions end */
    public function endAll(array $users): void
    {
        $this->records->removeWhere(fn (array $record) => in_array($record['user'], $users, true));
    }

    /** Remembers when the person typed the password of the session that is open. */
    public function passwordTyped(string $user): void
    {
        $_SESSION[DOKU_COOKIE]['qrgate'] = ['user' => $user, 'auth_time' => time()];
    }

    /** When the person last typed the password, if known. */
    public function authTime(string $user): ?int
    {
        $known = $_SESSION[DOKU_COOKIE]['qrgate'] ?? null;
        return ($known['user'] ?? null) === $user ? $known['auth_time'] : null;
    }

    /** Sends DokuWiki's cookie as `auth_setCookie` does. `$expires`: Unix time; 0: with the browser. */
    protected function sendCookie(string $cookie, int $expires): void
    {
        global $conf;
        setcookie(DOKU_COOKIE, $cookie, [
            'expires' => $expires,
            'path' => empty($conf['cookiedir']) ? DOKU_REL : $conf['cookiedir'],
            'secure' => $conf['securecookie'] && is_ssl(),
            'httponly' => true,
            'samesite' => $conf['samesitecookie'] ?? '',
        ]);
    }

    /** @return array{string, ?string} the user and the token of the request's cookie; null if it has no token */
    protected function cookie(): array
    {
        $cookie = $_COOKIE[DOKU_COOKIE] ?? '';
        $parts = explode('|', is_string($cookie) ? $cookie : '');
        $token = (string) base64_decode($parts[2] ?? '');
        return [(string) base64_decode($parts[0]), str_starts_with($token, self::PREFIX) ? $token : null];
    }

    /** The user's data from the session, or from the authentication plugin if the session is another's or old. */
    protected function current(string $user, string $token): ?array
    {
        global $auth, $conf;
        $known = ['user' => $user, 'pass' => sha1($token), 'buid' => auth_browseruid()];
        $session = $_SESSION[DOKU_COOKIE]['auth'] ?? [];
        if (
            array_intersect_key($session, $known) == $known
            && $session['time'] >= time() - $conf['auth_security_timeout']
            && $auth->useSessionCache($user)
        ) {
            return $session['info'];
        }
        $info = $this->userinfo($user);
        if ($info !== null) {
            $_SESSION[DOKU_COOKIE]['auth'] = $known + ['info' => $info, 'time' => time()];
        }
        return $info;
    }
}
