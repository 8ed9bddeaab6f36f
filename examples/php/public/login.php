<?php
require __DIR__ . '/../app.php';

// Only paths of this site: `//elsewhere` and `/\elsewhere` lead to another.
$next = (string) ($_POST['next'] ?? $_GET['next'] ?? '/');
if (!preg_match('~^/(?![/\\\\])[^\x00-\x20\x7f]*$~', $next)) {
    $next = '/';
}
app_session();
$error = '';
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    check_form_token();
    $user = user_with_password((string) ($_POST['username'] ?? ''), (string) ($_POST['password'] ?? ''));
    if ($user) {
        sign_in($user);
        header('Location: ' . $next, true, 303);
        exit;
    }
    $error = '<p>Wrong name or password.</p>';
}
$encoded = rawurlencode($next);
$next = htmlspecialchars($next);
$token = form_token();
page('Sign in – Notes', <<<HTML
    <h1>Sign in</h1>
    <form method="post" action="/login.php">
      $error
      <label>User name <input name="username" autofocus autocapitalize="none" autocomplete="username" required></label>
      <label>Password <input type="password" name="password" autocomplete="current-password" required></label>
      <input type="hidden" name="next" value="$next">
      <input type="hidden" name="form_token" value="$token">
      <button>Sign in</button>
    </form>

    <!-- qrgate: begin. A device that is signed in shows a code at /qr/; it is typed here. -->
    <p><a href="/qr/code/?next=$encoded">Sign in with your phone</a></p>
    <!-- qrgate: end -->
    HTML);
