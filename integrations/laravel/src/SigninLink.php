<?php

declare(strict_types=1);

namespace Qrgate\Laravel;

use Illuminate\Support\HtmlString;
use Illuminate\View\Component;
use function Qrgate\signin_link;

/** `<x-qrgate-signin-link next="/inbox"/>`: for the sign-in page. `next` is where the person lands. */
final class SigninLink extends Component
{
    public function __construct(private ?string $next = null)
    {
    }

    public function render(): HtmlString
    {
        return new HtmlString(signin_link(__('qrgate::messages.signin'), config('qrgate.path'), $this->next));
    }
}
