<?php

declare(strict_types=1);

namespace Qrgate\Tests;

use PHPUnit\Framework\TestCase;
use Qrgate\Hooks;
use Qrgate\SetupError;
use function Qrgate\button;
use function Qrgate\signin_link;

final class HooksTest extends TestCase
{
    public function testAPathNamesAHook(): void
    {
        foreach (['/_qr/whoami', '/_qr/whoami.php', '/shop/_qr/whoami'] as $path) {
            $this->assertSame('whoami', Hooks::at($path), $path);
        }
        $this->assertSame('login', Hooks::at('/_qr/login'));
        $this->assertSame('revoke', Hooks::at('/_qr/revoke'));
        $this->assertSame('login', Hooks::at('/phone/login', '/phone/'));
        foreach (['/', '', '/_qr', '/_qr/', '/_qr/login/', '/_qr/login/x', '/_qr/loginx', '/x_qr/login', "/_qr/login\n", '/_qr/Login', '/login'] as $path) {
            $this->assertNull(Hooks::at($path), $path);
        }
        $this->assertNull(Hooks::at('/_qr/login', '/phone'));
    }

    public function testAScriptOfItsOwnServesTheHooksBelowItselfOnly(): void
    {
        $this->assertSame('login', Hooks::at('/_qr.php/login', script: '/srv/public/_qr.php'));
        $this->assertSame('login', Hooks::at('/shop/_qr.php/login', script: '/srv/public/_qr.php'));
        $this->assertNull(Hooks::at('/_qr/login', script: '/srv/public/_qr.php'), 'as MultiViews finds it, which qrgate does not hide');
        $this->assertNull(Hooks::at('/_qr.php/login', script: '/srv/public/index.php'));
    }

    public function testAMistakeInTheConfigurationIsNamed(): void
    {
        $good = ['load' => fn () => null, 'login' => fn () => null];
        foreach ([['lod', $good + ['lod' => 1]], ['login', ['load' => $good['load']]], ['load', ['load' => 'no such function'] + $good]] as [$name, $config]) {
            try {
                new Hooks($config);
                $this->fail("accepted: $name");
            } catch (SetupError $error) {
                $this->assertStringContainsString($name, $error->getMessage());
            }
        }
        $this->assertInstanceOf(Hooks::class, new Hooks($good));
    }

    public function testButtonAndLinkAreEscaped(): void
    {
        $this->assertSame('<form method="post" action="/qr/"><button>Sign in on your phone</button></form>', button());
        $this->assertStringContainsString('name="next" value="/a?b=1&amp;c=&quot;"', button(next: '/a?b=1&c="'));
        $this->assertSame('<a href="/shop/qr/code/?next=%2Fa%3Fb">&lt;b&gt;</a>', signin_link('<b>', '/shop/qr/', '/a?b'));
    }
}
