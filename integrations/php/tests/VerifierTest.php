<?php

declare(strict_types=1);

namespace Qrgate\Tests;

use PHPUnit\Framework\TestCase;
use Qrgate\Call;
use Qrgate\Refused;
use Qrgate\Verifier;

final class VerifierTest extends TestCase
{
    private const ORIGIN = 'https://app.example.com';
    private const MESSAGE = [
        'type' => 'qr.login', 'user_id' => '1', 'method' => 'POST', 'origin' => self::ORIGIN, 'url' => self::ORIGIN . '/_qr/login',
    ];

    private static function key(string $letter = 'k'): string
    {
        return str_repeat($letter, 32);
    }

    private static function call(array $fields = [], string $key = '', ?string $timestamp = null, ?string $body = null): Call
    {
        $body ??= json_encode(array_filter([...self::MESSAGE, ...$fields], fn ($value) => $value !== null));
        $timestamp ??= (string) time();
        $signature = 'v1,' . base64_encode(hash_hmac('sha256', "id.$timestamp.$body", $key ?: self::key(), true));
        return new Call($body, 'id', $timestamp, $signature);
    }

    private static function accept(Call $call, array $keys = [], ?callable $isFirst = null): array
    {
        $verifier = new Verifier($keys ?: [self::key()], [self::ORIGIN], $isFirst ?? fn () => true);
        return $verifier->accept('qr.login', '/_qr/login', $call);
    }

    private function assertRefused(string $why, Call $call): void
    {
        $isUsed = false;
        try {
            self::accept($call, isFirst: function () use (&$isUsed) { $isUsed = true; return true; });
            $this->fail("accepted: $why");
        } catch (Refused) {
            $this->assertFalse($isUsed, "$why: a refused call is not remembered");
        }
    }

    public function testAGoodCallIsAccepted(): void
    {
        $this->assertSame('1', self::accept(self::call())['user_id']);
    }

    public function testTheSignatureOfStandardWebhooksExample(): void
    {
        $key = base64_decode('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
        $signed = 'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}';
        $this->assertSame('g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=', base64_encode(hash_hmac('sha256', $signed, $key, true)));
    }

    public function testEachKeyOfARotationAndOneOfTwoSignaturesIsEnough(): void
    {
        $keys = [self::key('o'), self::key('n')];
        foreach ($keys as $key) {
            $this->assertSame('1', self::accept(self::call(key: $key), $keys)['user_id']);
        }
        $call = self::call();
        $two = new Call($call->body, $call->id, $call->timestamp, "v1,AAAA $call->signatures");
        $this->assertSame('1', self::accept($two)['user_id']);
    }

    public function testAnotherSignatureIsRefused(): void
    {
        $good = self::call();
        $with = fn (string $signatures) => new Call($good->body, $good->id, $good->timestamp, $signatures);
        $this->assertRefused('none', $with(''));
        $this->assertRefused('version 2', $with(str_replace('v1,', 'v2,', $good->signatures)));
        $this->assertRefused('cut', $with(substr($good->signatures, 0, -4)));
        $this->assertRefused('another key', self::call(key: self::key('x')));
        $this->assertRefused('another id', new Call($good->body, 'other', $good->timestamp, $good->signatures));
        $this->assertRefused('another time', new Call($good->body, $good->id, (string) (time() - 1), $good->signatures));
        $this->assertRefused('another content', new Call("$good->body ", $good->id, $good->timestamp, $good->signatures));
    }

    public function testATimeThatIsOffIsRefused(): void
    {
        foreach ([(string) (time() - 90), (string) (time() + 90), 'soon', '', '-1', '9999999999999999999999', time() . '.5'] as $timestamp) {
            $this->assertRefused($timestamp, self::call(timestamp: $timestamp));
        }
    }

    public function testACallForSomethingElseIsRefused(): void
    {
        $other = 'https://staging.example.com';
        foreach ([
            ['type' => 'qr.revoke'], ['type' => null], ['method' => 'GET'], ['method' => null],
            ['origin' => $other], ['origin' => $other, 'url' => "$other/_qr/login"], ['origin' => null], ['origin' => [self::ORIGIN]],
            ['url' => self::ORIGIN . '/_qr/login/x'], ['url' => self::ORIGIN . '/a/_qr/login'], ['url' => null], ['url' => true],
            ['origin' => '', 'url' => '/_qr/login'],
        ] as $fields) {
            $this->assertRefused(json_encode($fields), self::call($fields));
        }
    }

    public function testContentThatIsNoObjectIsRefused(): void
    {
        foreach (['', 'null', '"text"', '7', '[]', '{', "\xff", str_repeat('[', 2000)] as $body) {
            $this->assertRefused($body, self::call(body: $body));
        }
    }

    public function testAcceptingTheSameCallAgainIsRefused(): void
    {
        $used = [];
        $isFirst = function (string $key) use (&$used): bool {
            $isFirst = !in_array($key, $used, true);
            $used[] = $key;
            return $isFirst;
        };
        $call = self::call();
        self::accept($call, isFirst: $isFirst);
        $this->assertSame(["id:$call->timestamp"], $used);
        $this->expectException(Refused::class);
        self::accept($call, isFirst: $isFirst);
    }
}
