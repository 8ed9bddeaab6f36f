<?php
// Creates the database: the accounts, and tables for sessions and the cache.

$app = require __DIR__ . '/bootstrap/app.php';
foreach (['sessions', 'cache', 'views'] as $folder) {
    @mkdir($app->storagePath() . "/$folder", 0700, true);
}
touch($app->storagePath() . '/notes.sqlite');
@mkdir(__DIR__ . '/bootstrap/cache');
$app->make(Illuminate\Contracts\Console\Kernel::class)->bootstrap();
$schema = Illuminate\Support\Facades\Schema::getFacadeRoot();
$schema->create('users', function ($table): void {
    $table->id();
    $table->string('name');
    $table->string('password');
    $table->boolean('active');
    $table->timestamps();
});
$schema->create('sessions', function ($table): void {
    $table->string('id')->primary();
    $table->foreignId('user_id')->nullable();
    $table->string('ip_address')->nullable();
    $table->text('user_agent')->nullable();
    $table->text('payload');
    $table->integer('last_activity');
});
$schema->create('cache', function ($table): void {
    $table->string('key')->primary();
    $table->text('value');
    $table->integer('expiration');
});
foreach (['ana', 'bob', 'cleo'] as $name) {
    App\Models\User::create(['name' => $name, 'password' => Illuminate\Support\Facades\Hash::make($name), 'active' => $name !== 'cleo']);
}
