<?php
// The configuration of the example. The lines for qrgate are between "qrgate:" marks.
define('DB_NAME', 'notes');
define('DB_USER', 'root');
define('DB_PASSWORD', '');
define('DB_HOST', 'localhost:' . getenv('SOCKET')); // only this site reaches that database
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
$table_prefix = 'wp_';

// Keys that sign cookies: random, created on the first start.
$keys = __DIR__ . '/../wordpress.secret';
is_file($keys) || (umask(077) !== null && file_put_contents($keys, bin2hex(random_bytes(32))));
foreach (['AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE'] as $use) {
    define($use . '_KEY', hash('sha256', $use . '_KEY' . file_get_contents($keys)));
    define($use . '_SALT', hash('sha256', $use . '_SALT' . file_get_contents($keys)));
}

// qrgate: begin. The secret and the origins are in the environment here; a real site has them on the plug-in's settings page.
// Safe only because every request comes through qrgate.
if (($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https') { $_SERVER['HTTPS'] = 'on'; }
// qrgate: end

// The example accepts any host, so that a phone can reach it. A real site has one.
define('WP_HOME', (($_SERVER['HTTPS'] ?? '') === 'on' ? 'https://' : 'http://') . ($_SERVER['HTTP_HOST'] ?? 'localhost'));
define('WP_SITEURL', WP_HOME);
define('WP_HTTP_BLOCK_EXTERNAL', true);
define('AUTOMATIC_UPDATER_DISABLED', true);
define('DISABLE_WP_CRON', true);

defined('ABSPATH') || define('ABSPATH', __DIR__ . '/');
require_once ABSPATH . 'wp-settings.php';
