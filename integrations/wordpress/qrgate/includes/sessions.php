<?php
// WordPress' sessions: tokens of a user, which WP_Session_Tokens keeps.

namespace Qrgate\WordPress;

use Qrgate\SetupError;

defined('ABSPATH') || exit;

/** How long an accepted call is remembered, in seconds. */
const REMEMBERED = 900;

/** The prefix of the options that remember accepted calls. */
const CALL = 'qrgate_call_';

/**
 * Whether a call is accepted for the first time: one atomic INSERT into a table with a unique name.
 *
 * @throws SetupError if the database does not take it
 */
function is_first(string $call): bool
{
    global $wpdb;
    $name = CALL . hash('sha256', $call);
    if (str_starts_with($name, CALL . '0')) { // about every 16th call
        forget_calls(time());
    }
    $sql = "INSERT IGNORE INTO $wpdb->options (option_name, option_value, autoload) VALUES (%s, %s, 'no')";
    $inserted = $wpdb->query($wpdb->prepare($sql, $name, (string) (time() + REMEMBERED)));
    if ($inserted === false) {
        throw new SetupError("the table $wpdb->options cannot be written to: $wpdb->last_error");
    }
    return $inserted === 1;
}

/** Forgets the calls that are remembered until a time before `$time`. */
function forget_calls(int $time): void
{
    global $wpdb;
    $sql = "DELETE FROM $wpdb->options WHERE option_name LIKE %s AND CAST(option_value AS UNSIGNED) < %d";
    $wpdb->query($wpdb->prepare($sql, $wpdb->esc_like(CALL) . '%', $time));
}

/** The user with this id, if they may sign in: they have a role here, and no plug-in that guards the sign-in refuses them. */
function user_for_sign_in(mixed $id): ?\WP_User
{
    $user = is_string($id) && ctype_digit($id) ? get_user_by('id', (int) $id) : false;
    if (!$user || !$user->roles || !may_use_codes($user)) {
        return null;
    }
    $judged = apply_filters('wp_authenticate_user', $user, '');
    $judged = apply_filters('authenticate', $judged, $user->user_login, ''); // core's own callbacks leave a user as it is
    $judged = apply_filters('qrgate_user', $judged, $user);
    return $judged instanceof \WP_User && $judged->ID === $user->ID ? $judged : null;
}

/**
 * Opens a session, sends its cookies, and tells plug-ins of the sign-in. A plug-in for a second factor may show its form then
 * and exit.
 *
 * @param string|int|null $stay "browser", seconds, or null for WordPress' default
 * @return string the token, which signs nobody in without the keys of wp-config.php
 */
function open_session(\WP_User $user, ?int $auth_time, string|int|null $stay): string
{
    $token = '';
    add_action('set_logged_in_cookie', function (...$arguments) use (&$token): void {
        $token = (string) ($arguments[5] ?? '');
    }, 10, 6);
    add_filter('attach_session_information', fn (array $session) => ['auth_time' => $auth_time ?? 0] + $session);
    if (is_int($stay)) {
        add_filter('auth_cookie_expiration', fn () => $stay, PHP_INT_MAX);
    }
    wp_set_auth_cookie($user->ID, is_int($stay)); // is_ssl() decides about Secure and the name
    if (is_int($stay)) {
        end_cookies_at(time() + $stay);
    }
    wp_set_current_user($user->ID);
    do_action('wp_login', $user->user_login, $user);
    return $token;
}

/** Removes the 12 hours by which WordPress' cookies outlast their session. */
function end_cookies_at(int $time): void
{
    $lines = array_filter(headers_list(), fn (string $line) => stripos($line, 'Set-Cookie:') === 0);
    $ours = implode('|', array_map('preg_quote', [AUTH_COOKIE, SECURE_AUTH_COOKIE, LOGGED_IN_COOKIE]));
    $end = sprintf('expires=%s; Max-Age=%d', gmdate('D, d-M-Y H:i:s \G\M\T', $time), $time - time());
    header_remove('Set-Cookie');
    foreach ($lines as $line) {
        $is_ours = preg_match("/^Set-Cookie: (?:$ours)=/i", $line);
        header($is_ours ? preg_replace('/expires=[^;]+; Max-Age=\d+/i', $end, $line) : $line, false);
    }
}

/** Ends a session of a user. Does nothing if it has ended, or is another user's. */
function end_session(mixed $id, mixed $token): void
{
    if (is_string($id) && ctype_digit($id) && is_string($token) && $token !== '') {
        \WP_Session_Tokens::get_instance((int) $id)->destroy($token);
    }
}
