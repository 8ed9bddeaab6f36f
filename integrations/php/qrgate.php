<?php

// qrgate/php 0.1.0 as one file, to copy as it is. MIT OR Apache-2.0. Made from src/ by build.php: change it there.

declare(strict_types=1);

namespace Qrgate;

/**
 * A mistake in the configuration. The message says what is wrong and what to do; it is for the log, not for a
 * response.
 */
final class SetupError extends \RuntimeException
{
}

/** A call that is not accepted: respond 401. The message names the reason, for the log. */
final class Refused extends \RuntimeException
{
}

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

/** Remembers accepted calls as empty files in a folder, for the processes of one server. */
final class FolderStore
{
    private const SECONDS = 900;

    private string $folder;

    /**
     * @param string|null $folder outside the document root. Default: the one that QRGATE_USED_DIR names, or one
     * in the system's
     *     temporary folder
     */
    public function __construct(?string $folder = null)
    {
        $user = function_exists('posix_geteuid') ? posix_geteuid() : get_current_user();
        $this->folder = $folder ?? (getenv('QRGATE_USED_DIR') ?: sys_get_temp_dir() . "/qrgate-$user");
    }

    /**
     * Whether `$key` is used for the first time in 15 minutes.
     *
     * @throws SetupError if the folder cannot be used
     */
    public function __invoke(string $key): bool
    {
        $this->prepare();
        $name = hash('sha256', $key);
        if ($name[0] === '0') { // about every 16th call
            $this->removeOld();
        }
        $file = "$this->folder/$name";
        if (@fopen($file, 'x') !== false) { // creates the file or fails, atomically
            return true;
        }
        clearstatcache(true, $file);
        if (file_exists($file)) {
            return false;
        }
        throw new SetupError("$this->folder: cannot create a file; check permissions and disk space");
    }

    private function prepare(): void
    {
        if (!is_dir($this->folder)) {
            @mkdir($this->folder, 0700, true);
            clearstatcache(true, $this->folder);
        }
        if (!is_dir($this->folder) || !is_writable($this->folder)) {
            throw new SetupError("$this->folder must be a folder that PHP can write to: create it or name another");
        }
        if ((fileperms($this->folder) & 0002) !== 0) {
            throw new SetupError("$this->folder: other users can delete the files in it; chmod o-w");
        }
        $root = ($_SERVER['DOCUMENT_ROOT'] ?? '') === '' ? false : realpath($_SERVER['DOCUMENT_ROOT']);
        if ($root !== false && str_starts_with(realpath($this->folder) . '/', "$root/")) {
            throw new SetupError("$this->folder is inside the document root: name a folder outside it");
        }
    }

    private function removeOld(): void
    {
        foreach (glob("$this->folder/*") ?: [] as $file) {
            if (@filemtime($file) < time() - self::SECONDS) {
                @unlink($file);
            }
        }
    }
}

/**
 * Remembers accepted calls in a table of a database, which several servers can share:
 * `CREATE TABLE qrgate_calls (id CHAR(64) PRIMARY KEY, used_at BIGINT NOT NULL)`.
 */
final class PdoStore
{
    private const SECONDS = 900;

    /** @param string $table a name that needs no quotes */
    public function __construct(private \PDO $pdo, private string $table = 'qrgate_calls')
    {
        if (!preg_match('/^\w+(\.\w+)?$/D', $table)) {
            throw new SetupError("$table is not the name of a table");
        }
    }

    /**
     * Whether `$key` is used for the first time in 15 minutes.
     *
     * @throws SetupError if the table cannot be written to
     */
    public function __invoke(string $key): bool
    {
        $name = hash('sha256', $key);
        try {
            if ($name[0] === '0') { // about every 16th call
                $this->run("DELETE FROM $this->table WHERE used_at < ?", [time() - self::SECONDS]);
            }
            return $this->run("INSERT INTO $this->table (id, used_at) VALUES (?, ?)", [$name, time()]);
        } catch (\PDOException $error) {
            throw new SetupError("the table $this->table: " . $error->getMessage(), 0, $error);
        }
    }

    /** False if a row with this key exists (SQLSTATE class 23). */
    private function run(string $sql, array $values): bool
    {
        try {
            $statement = $this->pdo->prepare($sql);
            if ($statement !== false && $statement->execute($values)) {
                return true;
            }
            [$state, , $text] = ($statement ?: $this->pdo)->errorInfo();
        } catch (\PDOException $error) {
            [$state, $text] = [(string) $error->getCode(), $error->getMessage()];
        }
        if (str_starts_with((string) $state, '23')) {
            return false;
        }
        throw new \PDOException((string) $text);
    }
}

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

/**
 * Responds to a call of a hook and exits. Returns if the request is for another path, unless the script is named `_qr.php`.
 *
 * - `load`: `fn (string $id)`, the active user with this id, as `login` takes them; null for anybody else
 * - `login`: `fn ($user, array $message)`, stores the user in `$_SESSION` as the application's own sign-in does
 * - `user`: `fn ()`, the user of `$_SESSION` as `['user_id' => …, 'name' => …]`, optionally with `'allow' => false`; null
 *   if nobody is signed in. Default: these members of `$_SESSION`
 * - `session`: `fn ()`, starts the session as the application does. Default: `session_start()` in strict mode
 * - `secret`, `origins`: a text or a list. Default: QRGATE_HOOK_SECRET or the file QRGATE_HOOK_SECRET_FILE, and
 *   QRGATE_ORIGINS, from the environment
 * - `once`: a folder for accepted calls outside the document root, or a `PdoStore`, `RedisStore` or other
 *   `fn (string $key): bool`. Default: a folder in the system's temporary folder
 * - `path`: the folder or script above `whoami`, `login` and `revoke`. Default: the script if it is named `_qr.php`, else
 *   any folder named `_qr`
 *
 * @param array<string, mixed> $config
 */
function handle(array $config): void
{
    $path = explode('?', (string) ($_SERVER['REQUEST_URI'] ?? ''), 2)[0];
    $script = (string) ($_SERVER['SCRIPT_FILENAME'] ?? '');
    $hook = Hooks::at($path, $config['path'] ?? null, $script);
    if ($hook === null && Hooks::isOwnScript($script)) {
        respond(404, []);
    }
    if ($hook === null) {
        return;
    }
    $methods = $hook === 'whoami' ? ['GET', 'HEAD'] : ['POST'];
    if (!in_array($_SERVER['REQUEST_METHOD'], $methods, true)) {
        header('Allow: ' . implode(', ', $methods));
        respond(405, []);
    }
    try {
        respond(...(new Hooks($config))->$hook($path));
    } catch (Refused $refused) {
        error_log("qrgate: the $hook hook refuses a call: " . $refused->getMessage());
        respond(401, []);
    } catch (SetupError $error) {
        error_log("qrgate: the $hook hook cannot work: " . $error->getMessage());
        header_remove('Set-Cookie');
        respond(500, []);
    }
}

/** @param array<string, mixed>|null $content */
function respond(int $status, ?array $content): never
{
    http_response_code($status);
    header('Cache-Control: no-store');
    if ($content !== null) {
        header('Content-Type: application/json');
        echo json_encode((object) $content, JSON_INVALID_UTF8_SUBSTITUTE);
    }
    exit;
}

/**
 * A button that shows a code to a signed-in person, as HTML. `$path`: `tickets.path`; `$next`: where the phone
 * lands.
 */
function button(string $text = 'Sign in on your phone', string $path = '/qr/', ?string $next = null): string
{
    $field = $next === null ? '' : '<input type="hidden" name="next" value="' . htmlspecialchars($next) . '">';
    [$path, $text] = array_map(htmlspecialchars(...), [$path, $text]);
    return "<form method=\"post\" action=\"$path\">$field<button>$text</button></form>";
}

/** A link for the sign-in page to the page that takes a typed code, as HTML. `$next`: where the person lands. */
function signin_link(string $text = 'Sign in with your phone', string $path = '/qr/', ?string $next = null): string
{
    $query = $next === null ? '' : '?next=' . rawurlencode($next);
    return '<a href="' . htmlspecialchars("{$path}code/$query") . '">' . htmlspecialchars($text) . '</a>';
}
