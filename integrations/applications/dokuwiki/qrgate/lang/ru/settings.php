<?php

/**
 * Russian texts for the settings of the plugin qrgate
 */

$lang['secret'] = 'Текст файла hook.secret. На время замены — два, через пробел.';
$lang['origins'] = 'Как в адресной строке браузера и как public.url в proxy.toml. '
    . 'Несколько адресов разделяйте пробелами. Пусто: адрес из baseurl.';
$lang['administrators'] = 'Суперпользователи и менеджеры тоже могут входить по коду';
