<?php
// Shared by all pages of this small site: its accounts and its session. A real site has its own.

// The passwords are the names: never do this in a real site. cleo's account is deactivated.
const USERS = [
    1 => ['id' => 1, 'name' => 'ana', 'active' => true],
    2 => ['id' => 2, 'name' => 'bob', 'active' => true],
    3 => ['id' => 3, 'name' => 'cleo', 'active' => false],
];

// The active user with this id.
function find_user(string $id): ?array {
    $user = ctype_digit($id) ? USERS[$id] ?? null : null;
    return $user['active'] ?? false ? $user : null;
}

function user_with_password(string $name, string $password): ?array {
    foreach (USERS as $user) {
        if ($user['active'] && $user['name'] === $name && hash_equals($user['name'], $password)) {
            return $user;
        }
    }
    return null;
}

// Starts the session, with the same cookie parameters everywhere.
function app_session(): void {
    session_set_cookie_params([
        'httponly' => true,
        'samesite' => 'Lax',
        // PHP does not look at the scheme. qrgate: its field has the scheme of the browser's request. Safe only
        // because every request comes through qrgate.
        'secure' => ($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https',
    ]);
    session_start(['use_strict_mode' => true]);
}

// Stores a sign-in in the session, under a new session id.
function sign_in(array $user): void {
    session_regenerate_id(true);
    $_SESSION = ['user_id' => $user['id'], 'name' => $user['name'], 'auth_time' => time()];
}

// The token in this site's forms, which another site cannot know.
function form_token(): string {
    return $_SESSION['form_token'] ??= bin2hex(random_bytes(16));
}

function check_form_token(): void {
    if (!hash_equals(form_token(), (string) ($_POST['form_token'] ?? ''))) {
        http_response_code(403);
        exit('Please open the form again.');
    }
}

function page(string $title, string $content): void {
    echo <<<HTML
        <!doctype html>
        <html lang="en">
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>$title</title>
        <link rel="icon" href="data:,">
        <style>
          body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 2rem auto; padding: 0 1rem }
          input, button { font: inherit; padding: .5rem .8rem }
          label { display: block; margin: .5rem 0 }
        </style>
        $content
        </html>
        HTML;
}
