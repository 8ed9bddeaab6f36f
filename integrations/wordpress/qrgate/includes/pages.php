<?php
// What people see: the button on the profile page, the link on the sign-in page, shortcodes and a block.

namespace Qrgate\WordPress;

use function Qrgate\button;
use function Qrgate\signin_link;

defined('ABSPATH') || exit;

/** The button for a signed-in person who may use codes; empty for others. */
function button_for_visitor(): string
{
    $user = wp_get_current_user();
    return $user->exists() && may_use_codes($user) ? button(__('Sign in on your phone', 'qrgate'), ticket_path()) : '';
}

/** The link for a person who is not signed in; empty for others. `$next`: a path of this site to go to afterwards. */
function link_for_visitor(?string $next = null): string
{
    return is_user_logged_in() ? '' : signin_link(__('Sign in with your phone', 'qrgate'), ticket_path(), $next);
}

add_action('init', function (): void {
    add_shortcode('qrgate_button', __NAMESPACE__ . '\button_for_visitor');
    add_shortcode('qrgate_signin_link', fn () => link_for_visitor());
    $needs = ['wp-blocks', 'wp-element', 'wp-server-side-render'];
    wp_register_script('qrgate-block', plugins_url('block.js', __DIR__), $needs, '0.1.0', true);
    register_block_type('qrgate/button', [
        'api_version' => 2,
        'title' => __('Sign in on your phone', 'qrgate'),
        'category' => 'widgets',
        'icon' => 'smartphone',
        'editor_script' => 'qrgate-block',
        'render_callback' => __NAMESPACE__ . '\button_for_visitor',
    ]);
});

/** The profile page is one form, and forms cannot be nested: the button names its form by id. */
add_action('show_user_profile', function (\WP_User $user): void {
    if (!may_use_codes($user)) {
        return;
    }
    $text = esc_html__('Sign in on your phone', 'qrgate');
    echo "<h2>$text</h2><p>" . esc_html__('Scan a QR code, and your phone is signed in too. No password.', 'qrgate') . '</p>';
    echo "<p><button class=\"button\" form=\"qrgate-start\">$text</button></p>";
    add_action('admin_footer', function (): void {
        echo '<form id="qrgate-start" method="post" action="' . esc_url(ticket_path()) . '"></form>';
    });
});

add_action('login_form', function (): void {
    $address = isset($_REQUEST['redirect_to']) && is_string($_REQUEST['redirect_to']) ? wp_unslash($_REQUEST['redirect_to']) : '';
    $next = preg_replace('~^' . preg_quote(origin_of(home_url()), '~') . '(?=/)~', '', wp_validate_redirect($address, ''));
    echo '<p class="qrgate">' . link_for_visitor(str_starts_with($next, '/') ? $next : null) . '</p><br>';
});
