<?php

/**
 * Russian texts for the settings of the plugin qrgate
 */

$lang['secret'] = 'Секрет: текст файла hook.secret. На время замены — два, через пробел. '
    . 'Пустое поле оставляет прежний.';
$lang['origins'] = 'Публичный адрес вики: как в адресной строке браузера и как public.url в proxy.toml. '
    . 'Несколько адресов разделяйте пробелами. Пусто: адрес из baseurl.';
$lang['administrators'] = 'Суперпользователи и менеджеры тоже могут входить по коду';
