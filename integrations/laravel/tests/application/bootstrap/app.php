<?php
// A small Laravel application: accounts ana, bob and cleo, who is deactivated. Its passwords are the names.

require_once __DIR__ . '/../vendor/autoload.php';
require_once 'Illuminate/autoload.php'; // Debian's package php-laravel-framework

$app = new Illuminate\Foundation\Application(dirname(__DIR__));
$app->useStoragePath(getenv('STORAGE') ?: dirname(__DIR__) . '/storage');
$app->singleton(Illuminate\Contracts\Http\Kernel::class, App\Http\Kernel::class);
$app->singleton(Illuminate\Contracts\Console\Kernel::class, App\Console\Kernel::class);
$app->singleton(Illuminate\Contracts\Debug\ExceptionHandler::class, Illuminate\Foundation\Exceptions\Handler::class);

return $app;
