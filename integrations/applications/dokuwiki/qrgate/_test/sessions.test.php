<?php

use dokuwiki\Extension\Event;
use dokuwiki\plugin\qrgate\Records;
use dokuwiki\plugin\qrgate\Sessions;

/**
 * Sessions without a password, with DokuWiki's own authentication
 *
 * @group plugin_qrgate
 * @group plugins
 */
class sessions_plugin_qrgate_test extends DokuWikiTest
{
    protected $pluginsEnabled = ['qrgate'];

    protected function setUp(): void
    {
        parent::setUp();
        global $auth, $conf;
        $conf['passcrypt'] = 'smd5'; // fast
        foreach (['walter' => ['user'], 'wilma' => ['user'], 'boss' => ['admin', 'user']] as $name => $groups) {
            $auth->deleteUsers([$name]);
            $auth->createUser($name, 'password', ucfirst($name), "$name@example.com", $groups);
        }
    }

    /** Opens a session, and gives its name; the browser has its cookie. */
    protected function open(string $user, string|int|null $stay = null, ?int $authTime = null): string
    {
        $sessions = new class (false) extends Sessions {
            public array $cookie;

            protected function sendCookie(string $cookie, int $expires): void
            {
                $this->cookie = [$cookie, $expires];
            }
        };
        $name = $sessions->open($user, $authTime, $stay);
        [$_COOKIE[DOKU_COOKIE], $this->expires] = $sessions->cookie;
        return $name;
    }

    protected int $expires;

    /** The user of the request according to DokuWiki. */
    protected function visitor(): string
    {
        global $INPUT;
        $INPUT->server->remove('REMOTE_USER');
        auth_setup();
        return $INPUT->server->str('REMOTE_USER');
    }

    public function testSignsItsUserIn()
    {
        global $USERINFO;
        $this->assertSame('', $this->visitor());
        $this->open('walter');
        $this->assertSame('walter', $this->visitor());
        $this->assertSame('Walter', $USERINFO['name']);
        $_SESSION = []; // PHP has removed the old file, or the browser was closed
        $this->assertSame('walter', $this->visitor());
    }

    public function testNeverContinuesTheSessionThatWasThere()
    {
        $planted = session_id();
        $_SESSION['planted'] = true;
        $this->open('walter');
        $this->assertNotSame($planted, session_id());
        $this->assertSame([], $_SESSION);
    }

    public function testIsNobodyElsesAndNeedsTheWholeToken()
    {
        $this->open('walter');
        $cookie = explode('|', $_COOKIE[DOKU_COOKIE]);
        $_COOKIE[DOKU_COOKIE] = implode('|', [base64_encode('wilma')] + $cookie);
        $this->assertSame('', $this->visitor());
        $_COOKIE[DOKU_COOKIE] = implode('|', [2 => base64_encode('qrgate.')] + $cookie);
        $this->assertSame('', $this->visitor());
        $_COOKIE[DOKU_COOKIE] = implode('|', $cookie);
        $this->assertSame('walter', $this->visitor());
    }

    public function testLeavesSessionsWithAPasswordToDokuWiki()
    {
        $_COOKIE[DOKU_COOKIE] = 'nonsense';
        $this->assertNull((new Sessions(false))->resume());
        $_COOKIE[DOKU_COOKIE] = base64_encode('walter') . '|0|'
            . base64_encode(auth_encrypt('password', auth_cookiesalt(true, true)));
        $this->assertNull((new Sessions(false))->resume());
        $this->assertSame('walter', $this->visitor());
        $_COOKIE[DOKU_COOKIE] = ['a list'];
        $this->assertNull((new Sessions(false))->resume());
    }

    public function testLastsAsLongAsThePersonChose()
    {
        global $conf;
        $this->open('walter', 'browser');
        $this->assertSame(0, $this->expires);
        $name = $this->open('walter', 3600);
        $this->assertEqualsWithDelta(time() + 3600, $this->expires, 5);
        touch("$conf[metadir]/_qrgate/sessions/$name", time() - 1);
        $this->assertSame('', $this->visitor());
        $conf['rememberme'] = 0;
        $this->open('walter', 3600);
        $conf['rememberme'] = 1;
        $this->assertSame(0, $this->expires, 'without `rememberme` every cookie ends with the browser');
    }

    public function testEndsByNameForItsUserOnly()
    {
        $sessions = new Sessions(false);
        $name = $this->open('walter');
        $sessions->end($name, 'wilma');
        $sessions->end("../sessions/$name", 'walter');
        $this->assertSame('walter', $this->visitor());
        $sessions->end($name, 'walter');
        $this->assertSame('', $this->visitor());
        $sessions->end($name, 'walter');
    }

    /** @return array<string, array{string, array, bool}> */
    public function changes(): array
    {
        return [
            'another password' => ['modify', ['walter', ['pass' => 'another']], true],
            'another name in front' => ['modify', ['walter', ['name' => 'Walter W.']], false],
            'the account is renamed' => ['modify', ['walter', ['user' => 'walt']], true],
            'the account is deleted' => ['delete', [['wilma', 'walter']], true],
            'another account is deleted' => ['delete', [['wilma']], false],
        ];
    }

    /** @dataProvider changes */
    public function testEndsWithAPasswordOrAnAccount(string $type, array $parameters, bool $ends)
    {
        global $auth;
        $this->open('walter');
        $this->visitor();
        $auth->triggerUserMod($type, $parameters);
        $auth->deleteUsers(['walt']);
        $this->assertSame($ends ? '' : 'walter', $this->visitor());
    }

    public function testAsksForTheAccountAgainAsOftenAsForAPassword()
    {
        global $auth, $conf;
        $this->open('walter');
        $this->visitor();
        $auth->deleteUsers(['walter']); // not by DokuWiki itself
        $this->assertSame('walter', $this->visitor());
        $_SESSION[DOKU_COOKIE]['auth']['time'] = time() - $conf['auth_security_timeout'] - 1;
        $this->assertSame('', $this->visitor());
        $auth->createUser('walter', 'password', 'Another', 'another@example.com', ['user']);
        $this->assertSame('', $this->visitor(), 'it has ended for good');
    }

    public function testIsNotForAdministratorsUnlessTheSettingSaysSo()
    {
        global $auth;
        $this->assertNull((new Sessions(false))->userinfo('boss'));
        $this->assertNull((new Sessions(false))->userinfo(''));
        $this->assertNull((new Sessions(false))->userinfo('nobody'));
        $this->assertNull((new Sessions(false))->userinfo('Walter'), 'a name that DokuWiki writes differently');
        $this->assertIsArray((new Sessions(false))->userinfo('walter'));
        $this->assertIsArray((new Sessions(true))->userinfo('boss'));
        $this->open('walter');
        $auth->modifyUser('walter', ['grps' => ['admin']]);
        $this->assertSame('', $this->visitor(), 'who becomes one');
    }

    public function testRemembersWhenAPasswordWasTyped()
    {
        global $INPUT;
        $INPUT->set('u', 'walter');
        $INPUT->set('p', 'wrong');
        $this->assertSame('', $this->visitor());
        $this->assertNull((new Sessions(false))->authTime('walter'));
        $INPUT->set('u', 'walter');
        $INPUT->set('p', 'password');
        $this->assertSame('walter', $this->visitor());
        $this->assertEqualsWithDelta(time(), (new Sessions(false))->authTime('walter'), 5);
        $this->assertNull((new Sessions(false))->authTime('wilma'));
        $INPUT->remove('u');
        $INPUT->remove('p');
        $this->open('walter', null, 12345);
        $this->visitor();
        $this->assertSame(12345, (new Sessions(false))->authTime('walter'));
        $this->open('walter');
        $this->visitor();
        $this->assertNull((new Sessions(false))->authTime('walter'));
    }

    public function testSigningOutEndsItAndNeedsTheSecurityToken()
    {
        global $INPUT;
        $this->open('walter');
        foreach (['', 'wrong'] as $token) {
            $this->visitor();
            $INPUT->set('sectok', $token);
            $action = 'logout';
            (new Event('ACTION_ACT_PREPROCESS', $action))->advise_before();
            $this->assertSame('walter', $this->visitor());
        }
        $INPUT->set('sectok', getSecurityToken());
        $action = 'logout';
        (new Event('ACTION_ACT_PREPROCESS', $action))->advise_before();
        $this->assertSame('', $this->visitor());
    }

    public function testARecordIsAddedOnceAndEnds()
    {
        global $conf;
        $records = new Records('test');
        $name = hash('sha256', random_bytes(8));
        $this->assertTrue($records->add($name, ['user' => 'walter'], time() + 100));
        $this->assertFalse($records->add($name, ['user' => 'wilma'], time() + 100));
        $this->assertSame(['user' => 'walter'], $records->get($name));
        $records->removeWhere(fn (array $record) => $record['user'] === 'wilma');
        $this->assertNotNull($records->get($name));
        touch("$conf[metadir]/_qrgate/test/$name", time() - 100);
        $this->assertNull($records->get($name));
        $records->removeWhere(fn () => false);
        $this->assertFileDoesNotExist("$conf[metadir]/_qrgate/test/$name");
        $this->assertNull($records->get('../../_htcookiesalt2'));
    }
}
