<?php

declare(strict_types=1);

namespace Qrgate\Laravel;

use Illuminate\Auth\Events\Validated;
use Illuminate\Cookie\Middleware\AddQueuedCookiesToResponse;
use Illuminate\Cookie\Middleware\EncryptCookies;
use Illuminate\Foundation\Console\AboutCommand;
use Illuminate\Routing\Router;
use Illuminate\Session\Middleware\StartSession;
use Illuminate\Support\Facades\Blade;
use Illuminate\Support\Facades\Event;
use Illuminate\Support\ServiceProvider;

/** Adds the hooks, the two Blade components and `php artisan qrgate:status`. */
final class QrgateServiceProvider extends ServiceProvider
{
    /** What a hook needs of the group `web`: cookies and the session, but no CSRF protection and no login wall. */
    private const NEEDED = [EncryptCookies::class, AddQueuedCookiesToResponse::class, StartSession::class];

    public function register(): void
    {
        $this->mergeConfigFrom(__DIR__ . '/../config/qrgate.php', 'qrgate');
    }

    public function boot(Router $router): void
    {
        $router->middlewareGroup('qrgate', $this->middleware($router));
        $router->pushMiddlewareToGroup('web', KeepStay::class);
        $this->loadRoutesFrom(__DIR__ . '/../routes/hooks.php');
        $this->loadTranslationsFrom(__DIR__ . '/../lang', 'qrgate');
        Blade::component('qrgate-button', Button::class);
        Blade::component('qrgate-signin-link', SigninLink::class);
        Event::listen(Validated::class, fn () => session()->put(HooksController::AUTH_TIME, time())); // a password was right
        if ($this->app->runningInConsole()) {
            $this->commands([StatusCommand::class]);
            $this->publishes([__DIR__ . '/../config/qrgate.php' => config_path('qrgate.php')], 'qrgate-config');
            $this->publishes([__DIR__ . '/../lang' => $this->app->resourcePath('lang/vendor/qrgate')], 'qrgate-lang');
        }
        if (class_exists(AboutCommand::class)) { // from Laravel 9.21 on
            AboutCommand::add('qrgate', fn () => ['Status' => implode('; ', Settings::problems()) ?: 'ready']);
        }
    }

    /**
     * The application's own classes for these, if the group `web` has them.
     *
     * @return list<class-string>
     */
    private function middleware(Router $router): array
    {
        $web = array_filter($router->getMiddlewareGroups()['web'] ?? [], 'is_string');
        $own = fn (string $needed): array => array_values(array_filter($web, fn (string $class) => is_a($class, $needed, true)));
        return [OnlySignInCookies::class, ...array_map(fn (string $needed) => $own($needed)[0] ?? $needed, self::NEEDED)];
    }
}
