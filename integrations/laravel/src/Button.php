<?php

declare(strict_types=1);

namespace Qrgate\Laravel;

use Illuminate\Support\HtmlString;
use Illuminate\View\Component;
use function Qrgate\button;

/** `<x-qrgate-button next="/inbox"/>`: shows a code to a person who is signed in. `next` is where the phone lands. */
final class Button extends Component
{
    public function __construct(private ?string $next = null)
    {
    }

    public function render(): HtmlString
    {
        return new HtmlString(button(__('qrgate::messages.button'), config('qrgate.path'), $this->next));
    }
}
