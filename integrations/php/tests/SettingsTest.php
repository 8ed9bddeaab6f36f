<?php

declare(strict_types=1);

namespace Qrgate\Tests;

use PHPUnit\Framework\TestCase;
use Qrgate\Settings;
use Qrgate\SetupError;

final class SettingsTest extends TestCase
{
    private const VARIABLES = ['QRGATE_HOOK_SECRET', 'QRGATE_HOOK_SECRET_FILE', 'QRGATE_ORIGINS'];

    protected function setUp(): void
    {
        array_map(putenv(...), self::VARIABLES);
    }

    protected function tearDown(): void
    {
        array_map(putenv(...), self::VARIABLES);
    }

    private static function secret(string $letter, int $length = 32): string
    {
        return 'whsec_' . base64_encode(str_repeat($letter, $length));
    }

    private static function key(string $letter): string
    {
        return str_repeat($letter, 32);
    }

    public function testSecretsComeFromTheConfigurationThenTheEnvironmentThenAFile(): void
    {
        $file = tempnam(sys_get_temp_dir(), 'qrgate');
        file_put_contents($file, self::secret('f') . "\n");
        putenv("QRGATE_HOOK_SECRET_FILE=$file");
        $this->assertSame([self::key('f')], Settings::keys());
        putenv('QRGATE_HOOK_SECRET=' . self::secret('e'));
        $this->assertSame([self::key('e')], Settings::keys());
        $this->assertSame([self::key('c')], Settings::keys(self::secret('c')));
        unlink($file);
    }

    public function testThereCanBeSeveralSecretsDuringARotation(): void
    {
        $both = [self::secret('o'), self::secret('n')];
        foreach ([$both, implode(' ', $both), implode("\n", $both) . "\n"] as $configured) {
            $this->assertSame([self::key('o'), self::key('n')], Settings::keys($configured));
        }
    }

    public function testASecretThatIsMissingShortOrNoBase64IsAMistake(): void
    {
        foreach ([null, '', ' ', [], self::secret('s', 31), 'whsec_', 'whsec_!' . self::secret('x'), [self::secret('g'), 'short']] as $configured) {
            try {
                Settings::keys($configured);
                $this->fail('accepted: ' . json_encode($configured));
            } catch (SetupError $error) {
                $this->assertStringContainsString('QRGATE_HOOK_SECRET', $error->getMessage());
                $this->assertStringNotContainsString('whsec_', $error->getMessage());
            }
        }
    }

    public function testAFileThatCannotBeReadIsAMistakeThatNamesIt(): void
    {
        putenv('QRGATE_HOOK_SECRET_FILE=/nonexistent/hook.secret');
        $this->expectExceptionMessage('/nonexistent/hook.secret');
        Settings::keys();
    }

    public function testOriginsAreAListWithoutPaths(): void
    {
        $this->assertSame(['https://a.example', 'http://b.example:8080'], Settings::origins('https://a.example/ http://b.example:8080'));
        putenv('QRGATE_ORIGINS=https://e.example');
        $this->assertSame(['https://e.example'], Settings::origins());
        foreach (['a.example', 'https://a.example/path', 'https://', 'ftp://a.example', 'https://u@a.example'] as $wrong) {
            try {
                Settings::origins($wrong);
                $this->fail("accepted: $wrong");
            } catch (SetupError $error) {
                $this->assertStringContainsString($wrong, $error->getMessage());
            }
        }
    }

    public function testNoOriginAtAllIsAMistake(): void
    {
        $this->expectException(SetupError::class);
        Settings::origins();
    }
}
