<?php

return [
    'button' => 'Sign in on your phone',
    'signin' => 'Sign in with your phone',
    'refused' => 'This account cannot sign in.',
];
