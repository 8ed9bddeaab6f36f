<?php
// The settings: constants in wp-config.php first, then the settings page, then the environment.

namespace Qrgate\WordPress;

use Qrgate\Settings;
use Qrgate\SetupError;

defined('ABSPATH') || exit;

const GROUP = 'qrgate';

/** The options of this plugin, with their defaults. */
const OPTIONS = ['qrgate_hook_secret' => '', 'qrgate_origins' => '', 'qrgate_administrators' => ''];

/**
 * The keys that sign calls.
 *
 * @return non-empty-list<string>
 * @throws SetupError if there is none, or a short one
 */
function keys(): array
{
    if (defined('QRGATE_HOOK_SECRET_FILE')) {
        $text = @file_get_contents(QRGATE_HOOK_SECRET_FILE);
        if ($text === false) {
            throw new SetupError('QRGATE_HOOK_SECRET_FILE in wp-config.php: the file cannot be read by the user that PHP runs as');
        }
        return Settings::keys($text);
    }
    return Settings::keys(defined('QRGATE_HOOK_SECRET') ? QRGATE_HOOK_SECRET : get_option('qrgate_hook_secret', ''));
}

/**
 * The origins of this site. Without a setting that of the site's address, as the database has it: WP_HOME may depend on the
 * `Host` that a caller chooses.
 *
 * @return non-empty-list<string>
 * @throws SetupError if one is not an origin
 */
function origins(): array
{
    if (defined('QRGATE_ORIGINS')) {
        return Settings::origins(QRGATE_ORIGINS);
    }
    $stored = get_option('qrgate_origins', '') ?: getenv('QRGATE_ORIGINS');
    return Settings::origins($stored ?: origin_of(wp_load_alloptions()['home'] ?? ''));
}

/** The origin of an address: scheme, host and port. */
function origin_of(string $address): string
{
    $parts = wp_parse_url($address) ?: [];
    $port = isset($parts['port']) ? ":{$parts['port']}" : '';
    return ($parts['scheme'] ?? 'http') . '://' . ($parts['host'] ?? '') . $port;
}

/** The path of this site without a final slash: empty at the root, `/blog` in a folder. */
function home_path(): string
{
    return untrailingslashit((string) wp_parse_url(home_url('/'), PHP_URL_PATH));
}

/** qrgate's own path, `tickets.path` in proxy.toml. */
function ticket_path(): string
{
    return (string) apply_filters('qrgate_path', home_path() . '/qr/');
}

/** The folder of the hooks. With plain permalinks only index.php reaches WordPress on every web server. */
function hooks_path(): string
{
    return home_path() . (get_option('permalink_structure') ? '/_qr' : '/index.php/_qr');
}

/** Whether a person may use codes: administrators only if the settings say so. */
function may_use_codes(\WP_User $user): bool
{
    $is_administrator = user_can($user, 'manage_options') || (is_multisite() && is_super_admin($user->ID));
    return !$is_administrator || (bool) get_option('qrgate_administrators');
}

add_action('admin_init', function (): void {
    $sanitize = [
        'qrgate_hook_secret' => __NAMESPACE__ . '\sanitize_secret',
        'qrgate_origins' => __NAMESPACE__ . '\sanitize_origins',
        'qrgate_administrators' => fn ($value) => $value ? '1' : '',
    ];
    foreach (OPTIONS as $name => $default) {
        register_setting(GROUP, $name, ['type' => 'string', 'default' => $default, 'sanitize_callback' => $sanitize[$name]]);
    }
    add_settings_section(GROUP, '', '__return_null', GROUP);
    $field = fn (string $name, string $label) => add_settings_field($name, $label, __NAMESPACE__ . '\\' . $name . '_field', GROUP, GROUP, ['label_for' => $name]);
    $field('qrgate_hook_secret', __('Secret', 'qrgate'));
    $field('qrgate_origins', __('Public addresses', 'qrgate'));
    $field('qrgate_administrators', __('Administrators', 'qrgate'));
});

register_activation_hook(dirname(__DIR__) . '/qrgate.php', function (): void {
    foreach (OPTIONS as $name => $default) {
        add_option($name, $default, '', 'no');
    }
});

/** An empty field keeps the secret: the page does not show it. */
function sanitize_secret($value): string
{
    $stored = (string) get_option('qrgate_hook_secret', '');
    $value = is_string($value) ? trim($value) : '';
    if ($value === '' || $value === $stored) {
        return $stored;
    }
    try {
        Settings::keys($value);
        return $value;
    } catch (SetupError) {
        add_settings_error(GROUP, 'qrgate_hook_secret', __('This is not a secret of qrgate: copy the whole text of hook.secret.', 'qrgate'));
        return $stored;
    }
}

function sanitize_origins($value): string
{
    $value = is_string($value) ? trim($value) : '';
    try {
        return $value === '' ? '' : implode(' ', Settings::origins($value));
    } catch (SetupError) {
        add_settings_error(GROUP, 'qrgate_origins', __('A public address looks like https://app.example.com.', 'qrgate'));
        return (string) get_option('qrgate_origins', '');
    }
}

add_action('admin_menu', function (): void {
    add_options_page('qrgate', 'qrgate', 'manage_options', GROUP, __NAMESPACE__ . '\settings_page');
});

add_filter('plugin_action_links_' . plugin_basename(dirname(__DIR__) . '/qrgate.php'), function (array $links): array {
    $address = esc_url(admin_url('options-general.php?page=' . GROUP));
    return ["<a href=\"$address\">" . esc_html__('Settings', 'qrgate') . '</a>', ...$links];
});

function settings_page(): void
{
    if (!current_user_can('manage_options')) {
        return;
    }
    echo '<div class="wrap"><h1>qrgate</h1><form method="post" action="options.php">';
    settings_fields(GROUP);
    do_settings_sections(GROUP);
    submit_button();
    echo '</form><h2>proxy.toml</h2><p>' . esc_html__('These lines tell qrgate about this site:', 'qrgate') . '</p><pre><code>';
    echo esc_html(proxy_settings()) . '</code></pre></div>';
}

/** The settings in proxy.toml for this site. */
function proxy_settings(): string
{
    $hooks = hooks_path();
    $sign_in = wp_parse_url(wp_login_url(), PHP_URL_PATH);
    return "[identify]\nsession_cookies = [\"wordpress_logged_in_*\"]\npath = \"$hooks/whoami\"\n"
        . "login_url = \"$sign_in?redirect_to={return}\"\n\n[login]\npath = \"$hooks/login\"\nrevoke_path = \"$hooks/revoke\"\n";
}

function qrgate_hook_secret_field(): void
{
    if (defined('QRGATE_HOOK_SECRET') || defined('QRGATE_HOOK_SECRET_FILE')) {
        echo '<p>' . esc_html__('wp-config.php has it.', 'qrgate') . '</p>';
        return;
    }
    $is_set = get_option('qrgate_hook_secret', '') !== '';
    echo '<input type="password" class="regular-text" id="qrgate_hook_secret" name="qrgate_hook_secret" autocomplete="off" placeholder="'
        . esc_attr($is_set ? __('Stored. Leave empty to keep it.', 'qrgate') : 'whsec_…') . '">';
    echo '<p class="description">' . esc_html__('The text of hook.secret. During a change two, separated by a space.', 'qrgate') . '</p>';
}

function qrgate_origins_field(): void
{
    if (defined('QRGATE_ORIGINS')) {
        echo '<p>' . esc_html__('wp-config.php has it.', 'qrgate') . '</p>';
        return;
    }
    $value = get_option('qrgate_origins', '') ?: origin_of(home_url());
    echo '<input type="text" class="regular-text" id="qrgate_origins" name="qrgate_origins" value="' . esc_attr($value) . '">';
    echo '<p class="description">' . esc_html__('As people see it, and as public.url in proxy.toml. Several are separated by spaces.', 'qrgate') . '</p>';
}

function qrgate_administrators_field(): void
{
    echo '<label><input type="checkbox" id="qrgate_administrators" name="qrgate_administrators" value="1"'
        . checked('1', get_option('qrgate_administrators', ''), false) . '> '
        . esc_html__('Administrators may sign in by a code, too', 'qrgate') . '</label>';
}
