<?php

return [
    'button' => '在手机上登录',
    'signin' => '用手机登录',
    'refused' => '此账号无法登录。',
];
