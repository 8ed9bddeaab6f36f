<?php

declare(strict_types=1);

namespace Qrgate\Tests;

use PHPUnit\Framework\TestCase;
use Qrgate\FolderStore;
use Qrgate\PdoStore;
use Qrgate\RedisStore;
use Qrgate\SetupError;

final class StoresTest extends TestCase
{
    private string $folder;

    protected function setUp(): void
    {
        $this->folder = sys_get_temp_dir() . '/qrgate-test-' . bin2hex(random_bytes(8));
        mkdir($this->folder, 0700);
    }

    protected function tearDown(): void
    {
        unset($_SERVER['DOCUMENT_ROOT']);
        exec('rm -rf ' . escapeshellarg($this->folder));
    }

    /** The results of `$store`, PHP code, in eight processes for one key. */
    private function race(string $store): array
    {
        $code = 'require ' . var_export(__DIR__ . '/bootstrap.php', true) . "; fgets(STDIN); echo ($store)('key') ? 'first ' : 'again ';";
        $processes = $outputs = [];
        foreach (range(1, 8) as $at) {
            $processes[] = proc_open([PHP_BINARY, '-r', $code], [['pipe', 'r'], ['pipe', 'w'], STDERR], $pipes[$at]);
        }
        foreach ($pipes as [$input]) {
            fclose($input);
        }
        foreach ($pipes as [, $output]) {
            $outputs[] = stream_get_contents($output);
        }
        array_map(proc_close(...), $processes);
        sort($outputs);
        return $outputs;
    }

    private function assertOnce(callable $store): void
    {
        $this->assertTrue($store('one'));
        $this->assertFalse($store('one'));
        $this->assertTrue($store('two'));
        $this->assertTrue($store("../../etc/passwd\0'; DROP TABLE qrgate_calls"));
    }

    /** A key at which a store removes old entries. */
    private static function removing(): string
    {
        for ($key = 0; hash('sha256', "key $key")[0] !== '0'; $key++) {
        }
        return "key $key";
    }

    private const ONE_OF_EIGHT = ['again ', 'again ', 'again ', 'again ', 'again ', 'again ', 'again ', 'first '];

    public function testAFolderRemembersAndOneOfEightProcessesIsFirst(): void
    {
        $this->assertOnce(new FolderStore("$this->folder/calls"));
        $this->assertSame(0700, fileperms("$this->folder/calls") & 0777);
        $this->assertSame(self::ONE_OF_EIGHT, $this->race("new Qrgate\\FolderStore('$this->folder/calls')"));
    }

    public function testOldFilesAreRemoved(): void
    {
        $store = new FolderStore($this->folder);
        $store('old');
        touch($this->folder . '/' . hash('sha256', 'old'), time() - 1000);
        $store('new');
        $store(self::removing());
        $this->assertTrue($store('old'));
        $this->assertFalse($store('new'));
    }

    public function testAFolderThatCannotBeUsedIsAMistakeThatNamesIt(): void
    {
        touch("$this->folder/file");
        mkdir("$this->folder/open");
        chmod("$this->folder/open", 0777);
        mkdir("$this->folder/public/calls", 0700, true);
        $_SERVER['DOCUMENT_ROOT'] = "$this->folder/public";
        foreach (['file', 'file/below', 'open', 'public', 'public/calls'] as $name) {
            try {
                (new FolderStore("$this->folder/$name"))('key');
                $this->fail("accepted: $name");
            } catch (SetupError $error) {
                $this->assertStringContainsString("$this->folder/$name", $error->getMessage());
            }
        }
        $this->assertTrue((new FolderStore("$this->folder/public-not"))('key'), 'a folder whose name begins alike');
    }

    /** @requires extension pdo_sqlite */
    public function testATableRemembersAndOneOfEightProcessesIsFirst(): void
    {
        foreach ([\PDO::ERRMODE_EXCEPTION, \PDO::ERRMODE_SILENT] as $mode) {
            $pdo = new \PDO("sqlite:$this->folder/$mode.db", options: [\PDO::ATTR_ERRMODE => $mode]);
            $pdo->exec('CREATE TABLE qrgate_calls (id CHAR(64) PRIMARY KEY, used_at BIGINT NOT NULL)');
            $this->assertOnce(new PdoStore($pdo));
            $this->assertSame(self::ONE_OF_EIGHT, $this->race("new Qrgate\\PdoStore(new PDO('sqlite:$this->folder/$mode.db'))"));
            $pdo->exec('UPDATE qrgate_calls SET used_at = used_at - 1000');
            $store = new PdoStore($pdo);
            $store(self::removing());
            $this->assertTrue($store('one'));
        }
    }

    /** @requires extension pdo_sqlite */
    public function testAMissingTableIsAMistakeThatNamesIt(): void
    {
        $this->expectException(SetupError::class);
        $this->expectExceptionMessage('qrgate_calls');
        (new PdoStore(new \PDO('sqlite::memory:')))('key');
    }

    /** @requires extension redis */
    public function testRedisRemembersAndOneOfEightProcessesIsFirst(): void
    {
        $socket = "$this->folder/redis.sock";
        $server = proc_open(['redis-server', '--port', '0', '--unixsocket', $socket, '--save', '', '--daemonize', 'no'], [1 => ['file', '/dev/null', 'w']], $pipes);
        try {
            $end = time() + 20;
            while (!file_exists($socket)) {
                $this->assertLessThan($end, time(), 'redis-server does not start');
                usleep(20_000);
            }
            $redis = new \Redis();
            $redis->connect($socket);
            $this->assertOnce(new RedisStore($redis));
            $connect = "(function () { \$redis = new Redis(); \$redis->connect('$socket'); return \$redis; })()";
            $this->assertSame(self::ONE_OF_EIGHT, $this->race("new Qrgate\\RedisStore($connect)"));
            $this->assertEqualsWithDelta(900, $redis->ttl($redis->keys('*')[0]), 5);
        } finally {
            proc_terminate($server);
            proc_close($server);
        }
    }
}
