<?php

use Illuminate\Http\Request;
use Illuminate\Support\Facades\Auth;
use Illuminate\Support\Facades\Route;

Route::view('/', 'home');
Route::view('/login', 'login')->name('login');
Route::post('/login', function (Request $request) {
    $given = ['name' => $request->input('username'), 'password' => $request->input('password'), 'active' => true];
    if (!Auth::attempt($given)) {
        return back();
    }
    $request->session()->regenerate();
    return redirect()->intended('/');
});
Route::post('/logout', function (Request $request) {
    Auth::logout();
    $request->session()->invalidate();
    return redirect('/');
});
