<?php
require __DIR__ . '/../app.php';

if (strtok($_SERVER['REQUEST_URI'], '?') !== '/') { // the built-in server sends unknown paths here
    http_response_code(404);
    exit('Not found.');
}
app_session();
if (empty($_SESSION['user_id'])) {
    page('Notes', '<h1>Notes</h1><p id="whoami">You are not signed in.</p><p><a href="/login.php">Sign in</a></p>');
    exit;
}
$name = htmlspecialchars($_SESSION['name']);
$token = form_token();
page('Notes', <<<HTML
    <h1>Notes</h1>
    <p id="whoami">You are signed in as <strong>$name</strong>.</p>

    <!-- qrgate: begin. qrgate handles this path itself; the form never reaches PHP. -->
    <form method="post" action="/qr/"><button>Sign in on your phone</button></form>
    <!-- qrgate: end -->

    <form method="post" action="/logout.php">
      <input type="hidden" name="form_token" value="$token">
      <button>Sign out</button>
    </form>
    HTML);
