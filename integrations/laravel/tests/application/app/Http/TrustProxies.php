<?php

namespace App\Http;

class TrustProxies extends \Illuminate\Http\Middleware\TrustProxies
{
    protected $proxies = '127.0.0.1';
}
