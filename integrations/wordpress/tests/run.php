<?php
// Tests inside a running WordPress: `php run.php SITE`, where SITE is its folder. Plain assertions; each test is a sentence.

namespace Qrgate\WordPress;

use Qrgate\SetupError;

$_SERVER['HTTP_HOST'] = 'localhost';
ob_start(); // header fields can still be set
require $argv[1] . '/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/admin.php';
foreach (['_maybe_update_core', '_maybe_update_plugins', '_maybe_update_themes'] as $update) {
    remove_action('admin_init', $update); // they ask wordpress.org
}
array_map('putenv', ['QRGATE_HOOK_SECRET', 'QRGATE_HOOK_SECRET_FILE', 'QRGATE_ORIGINS']);

/** Fails unless both are the same. */
function same(mixed $expected, mixed $actual, string $why = ''): void
{
    if ($expected !== $actual) {
        throw new \Exception(trim("$why: ", ': ') . ' expected ' . json_encode($expected) . ', got ' . json_encode($actual));
    }
}

function id_of(string $name): string
{
    return (string) get_user_by('login', $name)->ID;
}

$secret = fn (string $letter) => 'whsec_' . base64_encode(str_repeat($letter, 32));
$options = fn (string $like) => (int) $GLOBALS['wpdb']->get_var("SELECT COUNT(*) FROM {$GLOBALS['wpdb']->options} WHERE option_name LIKE '$like'");

$tests = [
    'a secret is stored, kept by an empty field, and never replaced by a bad one' => function () use ($secret): void {
        do_action('admin_init');
        update_option('qrgate_hook_secret', $secret('a'));
        same($secret('a'), get_option('qrgate_hook_secret'));
        foreach (['', 'short', 'whsec_' . base64_encode('too short'), ['a list']] as $bad) {
            update_option('qrgate_hook_secret', $bad);
            same($secret('a'), get_option('qrgate_hook_secret'), json_encode($bad));
        }
        update_option('qrgate_hook_secret', $secret('a') . ' ' . $secret('b'));
        same([str_repeat('a', 32), str_repeat('b', 32)], keys());
    },
    'origins are those of the settings, else that of the site in the database' => function (): void {
        update_option('qrgate_origins', 'https://a.example http://b.example:8080/');
        same(['https://a.example', 'http://b.example:8080'], origins());
        update_option('qrgate_origins', 'no origin');
        same(['https://a.example', 'http://b.example:8080'], origins(), 'a mistake keeps them');
        update_option('qrgate_origins', '');
        $_SERVER['HTTP_HOST'] = 'evil.example';
        same(['http://localhost'], origins());
        $_SERVER['HTTP_HOST'] = 'localhost';
    },
    'a missing secret is an error' => function () use ($secret): void {
        delete_option('qrgate_hook_secret');
        try {
            keys();
            same('an error', 'none');
        } catch (SetupError $error) {
            same(true, str_contains($error->getMessage(), 'QRGATE_HOOK_SECRET'));
        }
        update_option('qrgate_hook_secret', $secret('a'));
    },
    'a call is accepted once, and old calls are forgotten' => function () use ($options): void {
        same([true, false, true], [is_first('id:1'), is_first('id:1'), is_first('id:2')]);
        same(2, $options('qrgate\\_call\\_%'));
        forget_calls(time());
        same(2, $options('qrgate\\_call\\_%'), 'not yet');
        forget_calls(time() + 1000);
        same(0, $options('qrgate\\_call\\_%'));
    },
    'users with a role may sign in; administrators if the settings say so' => function (): void {
        same('ana', user_for_sign_in(id_of('ana'))?->user_login);
        foreach ([id_of('cleo'), id_of('admin'), '999', '', '1x', 1, null, ['1']] as $id) {
            same(null, user_for_sign_in($id), json_encode($id));
        }
        update_option('qrgate_administrators', '1');
        same('admin', user_for_sign_in(id_of('admin'))?->user_login);
        update_option('qrgate_administrators', '');
    },
    'plug-ins that guard the sign-in are asked, and `qrgate_user` has the last word' => function (): void {
        $refuse = fn () => new \WP_Error('blocked', 'Blocked');
        foreach (['wp_authenticate_user', 'authenticate'] as $filter) {
            add_filter($filter, $refuse, 99);
            same(null, user_for_sign_in(id_of('ana')), $filter);
            $overrule = fn ($judged, $user) => $user;
            add_filter('qrgate_user', $overrule, 10, 2);
            same('ana', user_for_sign_in(id_of('ana'))?->user_login, $filter);
            remove_filter('qrgate_user', $overrule);
            remove_filter($filter, $refuse, 99);
        }
        $other = fn () => get_user_by('login', 'bob');
        add_filter('authenticate', $other, 99);
        same(null, user_for_sign_in(id_of('ana')), 'another user');
        remove_filter('authenticate', $other, 99);
    },
    'a session is ended by its token, and only for its user' => function (): void {
        $sessions = \WP_Session_Tokens::get_instance((int) id_of('ana'));
        [$one, $two] = [$sessions->create(time() + 60), $sessions->create(time() + 60)];
        foreach ([[id_of('bob'), $one], [id_of('ana'), 'never-was'], [id_of('ana'), ''], [null, $one], [id_of('ana'), [$one]]] as $call) {
            end_session(...$call);
        }
        same([true, true], [$sessions->verify($one), $sessions->verify($two)]);
        end_session(id_of('ana'), $one);
        same([false, true], [$sessions->verify($one), $sessions->verify($two)]);
    },
    'the paths follow the folder of the site and its permalinks' => function (): void {
        update_option('permalink_structure', '');
        same('/index.php/_qr', hooks_path());
        update_option('permalink_structure', '/%postname%/');
        same(['', '/_qr', '/qr/'], [home_path(), hooks_path(), ticket_path()]);
        $in_a_folder = fn () => 'https://app.example.com/blog';
        add_filter('option_home', $in_a_folder, 99);
        same(['/blog', '/blog/_qr', '/blog/qr/'], [home_path(), hooks_path(), ticket_path()]);
        remove_filter('option_home', $in_a_folder, 99);
    },
    'the button is for people who may use codes, the link for visitors' => function (): void {
        wp_set_current_user((int) id_of('ana'));
        same('<form method="post" action="/qr/"><button>Sign in on your phone</button></form>', do_shortcode('[qrgate_button]'));
        same(do_shortcode('[qrgate_button]'), render_block(['blockName' => 'qrgate/button', 'attrs' => []]));
        same('', do_shortcode('[qrgate_signin_link]'));
        wp_set_current_user((int) id_of('admin'));
        same('', do_shortcode('[qrgate_button]'));
        wp_set_current_user(0);
        same('', do_shortcode('[qrgate_button]'));
        same('<a href="/qr/code/">Sign in with your phone</a>', do_shortcode('[qrgate_signin_link]'));
    },
    'the sign-in page links to the way back, if it is one of this site' => function (): void {
        $shown = function (?string $address): string {
            $_REQUEST['redirect_to'] = $address;
            ob_start();
            do_action('login_form');
            return ob_get_clean();
        };
        same(true, str_contains($shown('http://localhost/a?b=1'), 'href="/qr/code/?next=%2Fa%3Fb%3D1"'));
        foreach (['https://evil.example/', '//evil.example/', '', null] as $address) {
            same(true, str_contains($shown($address), 'href="/qr/code/"'), json_encode($address));
        }
    },
    'Site Health says what is wrong' => function (): void {
        same('good', health()['status']);
        $_SERVER['HTTP_X_FORWARDED_PROTO'] = 'https';
        same('critical', health()['status']);
        same(true, str_contains(health()['description'], 'wp-config.php'));
        unset($_SERVER['HTTP_X_FORWARDED_PROTO']);
        delete_option('qrgate_hook_secret');
        same('critical', health()['status']);
    },
    'the texts are translated' => function (): void {
        foreach (['de_DE' => 'Auf dem Handy anmelden', 'fr_FR' => 'Connexion sur votre téléphone', 'es_ES' => 'Inicia sesión en tu teléfono', 'ru_RU' => 'Вход на телефоне', 'zh_CN' => '在手机上登录'] as $locale => $text) {
            load_textdomain('qrgate', WP_PLUGIN_DIR . "/qrgate/languages/qrgate-$locale.mo");
            same($text, __('Sign in on your phone', 'qrgate'), $locale);
            unload_textdomain('qrgate');
        }
    },
    'deleting the plug-in leaves nothing' => function () use ($options, $secret): void {
        update_option('qrgate_hook_secret', $secret('a'));
        is_first('id:3');
        define('WP_UNINSTALL_PLUGIN', 'qrgate/qrgate.php');
        require WP_PLUGIN_DIR . '/qrgate/uninstall.php';
        same(0, $options('qrgate%'));
    },
];
$failed = 0;
foreach ($tests as $name => $test) {
    try {
        $test();
        echo "ok   $name\n";
    } catch (\Throwable $error) {
        $failed++;
        echo "FAIL $name: {$error->getMessage()} at line {$error->getLine()}\n";
    }
}
echo count($tests) . " tests, $failed failed\n";
exit($failed === 0 ? 0 : 1);
