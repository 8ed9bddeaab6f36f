<?php

use Illuminate\Support\Facades\Route;
use Qrgate\Laravel\HooksController;

Route::name('qrgate.')->prefix(config('qrgate.hooks'))->middleware('qrgate')->group(function (): void {
    Route::get('whoami', [HooksController::class, 'whoami'])->name('whoami');
    Route::post('login', [HooksController::class, 'login'])->name('login');
    Route::post('revoke', [HooksController::class, 'revoke'])->name('revoke');
});
