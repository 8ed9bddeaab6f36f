<?php // wp-content/mu-plugins/qrgate.php: the two hooks of qrgate 0.1, as a must-use plugin.
require_once __DIR__ . '/qr_hooks.php';
function qrgate_first_use(string $key): bool {  // one atomic INSERT; a transient
    global $wpdb;
    $name = 'qrgate_' . hash('sha256', $key);
    $sql = "INSERT IGNORE INTO $wpdb->options (option_name, option_value, autoload) VALUES (%s, %s, 'no')";
    return $wpdb->query($wpdb->prepare($sql, "_transient_$name", '1'))
        && $wpdb->query($wpdb->prepare($sql, "_transient_timeout_$name", time() + 900));
}
add_action('init', function () {
    $path = strtok($_SERVER['REQUEST_URI'], '?');
    if ($path === parse_url(home_url('/_qr/whoami'), PHP_URL_PATH)) {
        nocache_headers();
        $user = wp_get_current_user();
        if (!$user->exists()) { wp_send_json(new stdClass, 401); }
        $session = WP_Session_Tokens::get_instance($user->ID)->get(wp_get_session_token()) ?? [];
        wp_send_json(['user_id' => (string) $user->ID, 'name' => $user->display_name,
            'allow' => !user_can($user, 'manage_options'), 'auth_time' => $session['auth_time'] ?? $session['login'] ?? 0]);
    }
    $login_path = parse_url(home_url('/_qr/login'), PHP_URL_PATH);
    if ($path === $login_path) {
        if ($_SERVER['REQUEST_METHOD'] !== 'POST') { wp_send_json(new stdClass, 405); }
        $message = qr_signed_message(QRGATE_HOOK_SECRET, QRGATE_ORIGINS, $login_path, 'qrgate_first_use');
        if (!$message) { wp_send_json(new stdClass, 401); }
        $user = get_user_by('id', (int) $message['user_id']);
        if (!$user || !$user->roles) { wp_send_json(['message' => 'This account cannot sign in.'], 404); }
        add_filter('attach_session_information', fn ($s) => $s + ['auth_time' => $message['auth_time'] ?? 0]);
        wp_set_auth_cookie($user->ID);   // is_ssl() decides Secure and the name
        do_action('wp_login', $user->user_login, $user);
        status_header(204);
        exit;
    }
}, 20);
