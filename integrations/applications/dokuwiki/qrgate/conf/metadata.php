<?php

/**
 * What the Configuration Manager accepts for the settings of the plugin qrgate
 */

$meta['secret'] = [
    'password',
    '_caution' => 'security',
    '_pattern' => '~^\s*(whsec_)?[A-Za-z0-9+/]{43,}=*(\s+(whsec_)?[A-Za-z0-9+/]{43,}=*)*\s*$~D',
];
$meta['origins'] = ['string', '_caution' => 'security', '_pattern' => '~^\s*(https?://[^/?#@\s]+/?(\s+|$))*$~D'];
$meta['administrators'] = ['onoff', '_caution' => 'security'];
