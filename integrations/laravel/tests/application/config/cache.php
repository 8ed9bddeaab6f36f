<?php

return [
    'default' => env('CACHE_DRIVER', 'file'),
    'prefix' => 'notes',
    'stores' => [
        'array' => ['driver' => 'array'],
        'file' => ['driver' => 'file', 'path' => storage_path('cache')],
        'database' => ['driver' => 'database', 'table' => 'cache', 'connection' => null],
    ],
];
