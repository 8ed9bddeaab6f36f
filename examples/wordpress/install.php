<?php
// Sets the site up on its first start: ana, bob, cleo (deactivated) and an administrator. Their passwords are their names:
// never do this in a real site.
define('WP_INSTALLING', true);
$_SERVER['HTTP_HOST'] = 'localhost';
function wp_mail() { return true; } // sends nothing
require getenv('SITE') . '/wp-load.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';
require_once ABSPATH . 'wp-admin/includes/plugin.php';

if (is_blog_installed()) {
    exit;
}
wp_install('Notes', 'ana', 'ana@example.com', false, '', 'ana');
foreach (['bob' => 'subscriber', 'cleo' => '', 'admin' => 'administrator'] as $name => $role) {
    $id = wp_insert_user(['user_login' => $name, 'user_pass' => $name, 'user_email' => "$name@example.com", 'role' => $role]);
    get_user_by('id', $id)->set_role($role); // '' is no role at all, where wp_insert_user would take the default
}
get_user_by('login', 'ana')->set_role('subscriber');
switch_theme('notes');
activate_plugin('qrgate/qrgate.php'); // qrgate:
