<?php

/**
 * Simplified Chinese texts for the settings of the plugin qrgate
 */

$lang['secret'] = '密钥：hook.secret 的内容。更换期间填写两个，用空格分隔。'
    . '留空则保持不变。';
$lang['origins'] = '本维基的公开地址，与浏览器中看到的一致，也与 proxy.toml 中的 public.url 一致。'
    . '多个地址用空格分隔。留空则使用 baseurl 的地址。';
$lang['administrators'] = '超级用户和管理员也可以用代码登录';
