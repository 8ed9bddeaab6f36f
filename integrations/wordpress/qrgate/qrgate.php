<?php
/**
 * Plugin Name:       qrgate
 * Description:       Scan a code, and your phone is signed in: the hooks, the button and the link for qrgate, which stands in front of this site.
 * Version:           0.1.0
 * Requires at least: 6.1
 * Requires PHP:      8.1
 * Author:            The qrgate authors
 * License:           MIT OR Apache-2.0
 * License URI:       https://opensource.org/license/mit
 * Text Domain:       qrgate
 * Domain Path:       /languages
 */

namespace Qrgate\WordPress;

defined('ABSPATH') || exit;

if (!function_exists('Qrgate\handle')) { // the application may have the package qrgate/php
    require __DIR__ . '/includes/library.php';
}
require __DIR__ . '/includes/settings.php';
require __DIR__ . '/includes/sessions.php';
require __DIR__ . '/includes/hooks.php';
require __DIR__ . '/includes/pages.php';
require __DIR__ . '/includes/health.php';

add_action('init', function (): void {
    load_plugin_textdomain('qrgate', false, dirname(plugin_basename(__FILE__)) . '/languages');
});
