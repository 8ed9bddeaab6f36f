<?php

namespace dokuwiki\plugin\qrgate;

use dokuwiki\Menu\Item\AbstractItem;

/**
 * "Sign in on your phone", for the user menu
 */
class MenuItem extends AbstractItem
{
    /** @inheritdoc */
    protected $type = 'qrgate';

    /** @inheritdoc */
    protected $svg = __DIR__ . '/icon.svg';

    /** @inheritdoc */
    public function __construct(string $label)
    {
        $this->label = $label;
        parent::__construct();
    }
}
