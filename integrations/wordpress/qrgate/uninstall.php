<?php
// Deleting the plug-in removes its settings and the calls that it remembers, in every site of a network.

defined('WP_UNINSTALL_PLUGIN') || exit;

function qrgate_uninstall(): void
{
    global $wpdb;
    array_map('delete_option', ['qrgate_hook_secret', 'qrgate_origins', 'qrgate_administrators']);
    $wpdb->query($wpdb->prepare("DELETE FROM $wpdb->options WHERE option_name LIKE %s", $wpdb->esc_like('qrgate_call_') . '%'));
}

if (is_multisite()) {
    foreach (get_sites(['fields' => 'ids', 'number' => 0]) as $qrgate_site) {
        switch_to_blog($qrgate_site);
        qrgate_uninstall();
        restore_current_blog();
    }
} else {
    qrgate_uninstall();
}
