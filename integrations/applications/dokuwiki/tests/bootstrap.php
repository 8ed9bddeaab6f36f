<?php

// Loads the wiki that tests/wiki.sh made, and stands in for the parts of DokuWiki's own test suite, which Debian's
// package does not have, that the tests of the plugin use: php -c FOLDER/php.ini, and FOLDER in WIKI.

define('DOKU_UNITTEST', true); // redirects do not exit
$_SERVER += ['REMOTE_ADDR' => '127.0.0.1', 'REQUEST_METHOD' => 'GET'];
$_SERVER['SCRIPT_NAME'] = $_SERVER['PHP_SELF'] = '/doku.php';
require getenv('WIKI') . '/wiki/inc/init.php';

abstract class DokuWikiTest extends PHPUnit\Framework\TestCase
{
    /** @var string[] */
    protected $pluginsEnabled = [];

    protected function setUp(): void
    {
        global $INPUT, $EVENT_HANDLER;
        [$_GET, $_POST, $_REQUEST, $_COOKIE, $_SESSION] = [[], [], [], [], []];
        unset($_SERVER['REMOTE_USER']);
        $INPUT = new dokuwiki\Input\Input();
        $EVENT_HANDLER = new dokuwiki\Extension\EventHandler();
    }
}

class TestRequest
{
    public static ?string $redirect = null;

    public static function getRunning(): self
    {
        return new self();
    }

    public function addData(string $name, string $value): void
    {
        self::$redirect = $value;
    }
}
