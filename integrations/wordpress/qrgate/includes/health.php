<?php
// Tools → Site Health: whether the secret, the addresses and the proxy are set up.

namespace Qrgate\WordPress;

use Qrgate\SetupError;

defined('ABSPATH') || exit;

add_filter('site_status_tests', function (array $tests): array {
    $tests['direct']['qrgate'] = ['label' => 'qrgate', 'test' => __NAMESPACE__ . '\health'];
    return $tests;
});

/** The result of the test, as Site Health takes it. */
function health(): array
{
    $problems = problems();
    $status = match (true) {
        $problems === [] => 'good',
        in_array(true, array_column($problems, 'is_critical'), true) => 'critical',
        default => 'recommended',
    };
    $texts = array_map(fn (array $problem) => '<p>' . esc_html($problem['text']) . '</p>', $problems);
    $address = esc_url(admin_url('options-general.php?page=' . GROUP));
    return [
        'test' => 'qrgate',
        'label' => $problems === [] ? __('Phones can be signed in by a code', 'qrgate') : __('Signing phones in by a code needs attention', 'qrgate'),
        'status' => $status,
        'badge' => ['label' => __('Security', 'qrgate'), 'color' => 'blue'],
        'description' => implode('', $texts) ?: '<p>' . esc_html__('The secret and the public addresses are set, and the proxy is trusted.', 'qrgate') . '</p>',
        'actions' => "<p><a href=\"$address\">" . esc_html__('Settings', 'qrgate') . '</a></p>',
    ];
}

/** @return list<array{is_critical: bool, text: string}> */
function problems(): array
{
    $found = [];
    foreach (['keys', 'origins'] as $setting) {
        try {
            (__NAMESPACE__ . '\\' . $setting)();
        } catch (SetupError $error) {
            $found[] = ['is_critical' => true, 'text' => $error->getMessage()];
        }
    }
    if (($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https' && !is_ssl()) {
        $line = "if ((\$_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https') { \$_SERVER['HTTPS'] = 'on'; }";
        /* translators: %s: a line of PHP */
        $found[] = ['is_critical' => true, 'text' => sprintf(__('People use https, but WordPress takes it for http. Add to wp-config.php: %s', 'qrgate'), $line)];
    }
    if (defined('WP_CACHE') && WP_CACHE && file_exists(WP_CONTENT_DIR . '/advanced-cache.php')) {
        /* translators: %s: a path */
        $found[] = ['is_critical' => false, 'text' => sprintf(__('A page cache is active. Exclude %s from it.', 'qrgate'), hooks_path() . '/')];
    }
    return $found;
}
