<?php
// Tests inside a Laravel application: `php run.php FOLDER`. Plain assertions; each test is a sentence.

use Illuminate\Support\Facades\Artisan;
use Illuminate\Support\Facades\Auth;
use Illuminate\Support\Facades\Blade;
use Illuminate\Support\Facades\Gate;
use Qrgate\Laravel\HooksController;
use Qrgate\Laravel\KeepStay;
use Qrgate\Laravel\Settings;

$app = require $argv[1] . '/bootstrap/app.php';
$kernel = $app->make(Illuminate\Contracts\Http\Kernel::class);
$app->make(Illuminate\Contracts\Console\Kernel::class)->bootstrap();
$key = str_repeat('k', 32);
config(['qrgate.secret' => 'whsec_' . base64_encode($key), 'qrgate.origins' => 'https://app.example.com', 'logging.default' => 'null', 'logging.channels.null' => ['driver' => 'monolog', 'handler' => Monolog\Handler\NullHandler::class]]);

function same(mixed $expected, mixed $actual, string $why = ''): void
{
    if ($expected !== $actual) {
        throw new Exception(trim("$why: ", ': ') . ' expected ' . json_encode($expected) . ', got ' . json_encode($actual));
    }
}

/** The response to a signed call. */
$call = function (string $hook, array $fields) use ($kernel, $key) {
    $origin = 'https://app.example.com';
    $body = json_encode($fields + ['type' => "qr.$hook", 'method' => 'POST', 'origin' => $origin, 'url' => "$origin/_qr/$hook"]);
    [$id, $time] = [bin2hex(random_bytes(8)), (string) time()];
    $signature = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$time.$body", $key, true));
    $server = ['HTTP_WEBHOOK_ID' => $id, 'HTTP_WEBHOOK_TIMESTAMP' => $time, 'HTTP_WEBHOOK_SIGNATURE' => $signature];
    Auth::forgetGuards();
    return $kernel->handle(Illuminate\Http\Request::create("/_qr/$hook", 'POST', server: $server, content: $body));
};

$tests = [
    'the hooks need no CSRF token, and respond without cookies unless somebody is signed in' => function () use ($call): void {
        $response = $call('login', ['user_id' => '999']);
        same(404, $response->getStatusCode());
        same([], $response->headers->getCookies());
        $response = $call('login', ['user_id' => '1']);
        same(200, $response->getStatusCode());
        same(true, count($response->headers->getCookies()) > 0);
    },
    'an id that a database would take for another is nobody' => function () use ($call): void {
        foreach (['1 ', '1x', '01', '1.0', '', 'nobody'] as $id) {
            same(404, $call('login', ['user_id' => $id])->getStatusCode(), $id);
        }
    },
    'Laravel\'s events are fired' => function () use ($call): void {
        $fired = [];
        Illuminate\Support\Facades\Event::listen(Illuminate\Auth\Events\Login::class, function ($event) use (&$fired): void {
            $fired[] = $event->user->name;
        });
        $call('login', ['user_id' => '2']);
        same(['bob'], $fired);
    },
    'the gate `use-qrgate` decides' => function () use ($call): void {
        same(200, $call('login', ['user_id' => '3'])->getStatusCode(), 'without it everybody may');
        Gate::define('use-qrgate', fn ($user) => $user->active);
        same(404, $call('login', ['user_id' => '3'])->getStatusCode());
    },
    'a cache that is not shared is refused' => function () use ($call): void {
        config(['qrgate.cache' => 'array']);
        same(500, $call('login', ['user_id' => '1'])->getStatusCode());
        same(1, Artisan::call('qrgate:status'));
        same(true, str_contains(Artisan::output(), 'QRGATE_CACHE'));
        config(['qrgate.cache' => 'database']);
        same(200, $call('login', ['user_id' => '1'])->getStatusCode());
        same(0, Artisan::call('qrgate:status'));
        config(['qrgate.cache' => null]);
    },
    'a missing or short secret is an error that is named' => function (): void {
        $secret = config('qrgate.secret');
        foreach ([null, '', 'whsec_' . base64_encode('short')] as $bad) {
            config(['qrgate.secret' => $bad]);
            same(true, str_contains(implode(Settings::problems()), 'QRGATE_HOOK_SECRET'));
        }
        config(['qrgate.secret' => $secret]);
        same([], Settings::problems());
    },
    'a password that was right sets the time of the authentication' => function (): void {
        session()->forget(HooksController::AUTH_TIME);
        Auth::forgetGuards();
        same(false, Auth::attempt(['name' => 'ana', 'password' => 'wrong']));
        same(null, session()->get(HooksController::AUTH_TIME));
        same(true, Auth::attempt(['name' => 'ana', 'password' => 'ana']));
        same(true, abs(time() - session()->get(HooksController::AUTH_TIME)) < 5);
    },
    'the length that a person chose is kept, and ends' => function (): void {
        session()->put(HooksController::STAY, 'browser');
        KeepStay::apply(session()->driver());
        same(true, config('session.expire_on_close'));
        session()->put(HooksController::STAY, time() + 3600);
        KeepStay::apply(session()->driver());
        same([false, 60], [config('session.expire_on_close'), (int) round(config('session.lifetime'))]);
        session()->put([HooksController::STAY => time() - 1, 'mine' => 1]);
        KeepStay::apply(session()->driver());
        same(null, session()->get('mine'));
    },
    'button and link are components, in six languages' => function () use ($app): void {
        $shown = function (string $template): string {
            $file = tempnam(sys_get_temp_dir(), 'qrgate') . '.blade.php';
            file_put_contents($file, $template);
            $text = view()->file($file)->render();
            unlink($file);
            return trim($text);
        };
        same('<form method="post" action="/qr/"><button>Sign in on your phone</button></form>', $shown('<x-qrgate-button/>'));
        same('<a href="/qr/code/?next=%2Fa">Sign in with your phone</a>', $shown('<x-qrgate-signin-link next="/a"/>'));
        foreach (['de' => 'Auf dem Handy anmelden', 'fr' => 'Connexion', 'es' => 'Inicia', 'ru' => 'Вход', 'zh_CN' => '在手机上登录'] as $locale => $text) {
            $app->setLocale($locale);
            same(true, str_contains($shown('<x-qrgate-button/>'), $text), $locale);
        }
    },
];
$failed = 0;
foreach ($tests as $name => $test) {
    try {
        $test();
        echo "ok   $name\n";
    } catch (Throwable $error) {
        $failed++;
        echo "FAIL $name: {$error->getMessage()} at {$error->getFile()}:{$error->getLine()}\n";
    }
}
echo count($tests) . " tests, $failed failed\n";
exit($failed === 0 ? 0 : 1);
