<?php

return [
    // The text of hook.secret; or two, separated by a space, during a rotation. Without it the file QRGATE_HOOK_SECRET_FILE.
    'secret' => env('QRGATE_HOOK_SECRET'),

    // The origins that people see, separated by spaces, as public.url in proxy.toml. Without it that of app.url.
    'origins' => env('QRGATE_ORIGINS'),

    // The guard that signs people in, which must keep them in the session; null is the default guard.
    'guard' => null,

    // The cache that remembers accepted calls, which all processes share; null is the default one.
    'cache' => env('QRGATE_CACHE'),

    // The folder of the hooks, and tickets.path of proxy.toml.
    'hooks' => '/_qr',
    'path' => '/qr/',
];
