<?php

declare(strict_types=1);

namespace Qrgate;

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
