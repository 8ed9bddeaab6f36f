<?php

return [
    'button' => 'Inicia sesión en tu teléfono',
    'signin' => 'Inicia sesión con tu teléfono',
    'refused' => 'Esta cuenta no puede iniciar sesión.',
];
