<?php
// The three hooks, version 1 of the contract. They are not REST routes: without a nonce the REST API ignores a signed-in
// cookie. They run at `wp_loaded`, after plug-ins have registered their checks of a sign-in, and before any page.

namespace Qrgate\WordPress;

use Qrgate\Call;
use Qrgate\Refused;
use Qrgate\SetupError;
use Qrgate\Verifier;

defined('ABSPATH') || exit;

add_action('wp_loaded', __NAMESPACE__ . '\serve', 0);

/** Responds to a call of a hook and exits. Returns for any other path. */
function serve(): void
{
    $path = explode('?', (string) ($_SERVER['REQUEST_URI'] ?? ''), 2)[0];
    $home = preg_quote(home_path(), '~');
    if (!preg_match("~^$home(?:/index\\.php)?/_qr/(whoami|login|revoke)$~D", $path, $found)) {
        return;
    }
    defined('DONOTCACHEPAGE') || define('DONOTCACHEPAGE', true);
    nocache_headers();
    $methods = $found[1] === 'whoami' ? ['GET', 'HEAD'] : ['POST'];
    if (!in_array($_SERVER['REQUEST_METHOD'], $methods, true)) {
        header('Allow: ' . implode(', ', $methods));
        wp_send_json((object) [], 405);
    }
    try {
        match ($found[1]) {
            'whoami' => whoami(),
            'login' => login(accept('qr.login', $path)),
            'revoke' => revoke(accept('qr.revoke', $path)),
        };
    } catch (Refused $refused) {
        error_log("qrgate: the $found[1] hook refuses a call: " . $refused->getMessage());
        wp_send_json((object) [], 401);
    } catch (SetupError $error) {
        error_log("qrgate: the $found[1] hook cannot work: " . $error->getMessage());
        wp_send_json((object) [], 500);
    }
}

function accept(string $type, string $path): array
{
    return (new Verifier(keys(), origins(), __NAMESPACE__ . '\is_first'))->accept($type, $path, Call::current());
}

function whoami(): never
{
    $user = wp_get_current_user();
    if (!$user->exists()) {
        wp_send_json((object) [], 401);
    }
    $session = \WP_Session_Tokens::get_instance($user->ID)->get(wp_get_session_token()) ?? [];
    wp_send_json([
        'qrgate' => 1,
        'user_id' => (string) $user->ID,
        'name' => $user->display_name,
        'allow' => may_use_codes($user),
        'auth_time' => $session['auth_time'] ?? $session['login'] ?? 0,
    ]);
}

function login(array $message): never
{
    $user = user_for_sign_in($message['user_id'] ?? null);
    if ($user === null) {
        wp_send_json(['message' => __('This account cannot sign in.', 'qrgate')], 404);
    }
    $auth_time = is_int($message['auth_time'] ?? null) ? $message['auth_time'] : null;
    wp_send_json(['session' => open_session($user, $auth_time, $message['stay'] ?? null)], 200);
}

function revoke(array $message): never
{
    end_session($message['user_id'] ?? null, $message['session'] ?? null);
    status_header(204);
    exit;
}
