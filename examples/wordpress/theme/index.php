<!doctype html>
<html <?php language_attributes(); ?>>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Notes</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="<?php echo esc_url(get_stylesheet_uri()); ?>">
<h1>Notes</h1>
<?php if (is_user_logged_in()) : ?>
  <p id="whoami">You are signed in as <strong><?php echo esc_html(wp_get_current_user()->display_name); ?></strong>.</p>

  <?php echo do_shortcode('[qrgate_button]'); // qrgate: ?>

  <p><a href="<?php echo esc_url(wp_logout_url(home_url('/'))); ?>">Sign out</a></p>
<?php else : ?>
  <p id="whoami">You are not signed in.</p>
  <p><a href="<?php echo esc_url(wp_login_url(home_url('/'))); ?>">Sign in</a></p>

  <p><?php echo do_shortcode('[qrgate_signin_link]'); // qrgate: ?></p>
<?php endif; ?>
</html>
