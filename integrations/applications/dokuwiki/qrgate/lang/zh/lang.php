<?php

/**
 * Simplified Chinese texts of the plugin qrgate
 */

$lang['button'] = '在手机上登录';
$lang['link'] = '用手机登录';
$lang['link_intro'] = '已在其他设备上登录？';
$lang['refused'] = '此账号无法登录。';
