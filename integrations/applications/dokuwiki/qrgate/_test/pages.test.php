<?php

use dokuwiki\Extension\Event;
use dokuwiki\Form\Form;
use dokuwiki\Menu\UserMenu;
use dokuwiki\plugin\qrgate\Hooks;

/**
 * What people see, the settings, and the hooks as far as they need no request
 *
 * @group plugin_qrgate
 * @group plugins
 */
class pages_plugin_qrgate_test extends DokuWikiTest
{
    protected $pluginsEnabled = ['qrgate'];

    protected function setUp(): void
    {
        parent::setUp();
        global $ID, $USERINFO;
        $ID = 'start';
        $USERINFO = null;
        TestRequest::$redirect = null;
    }

    /** Signs somebody in for this request. */
    protected function signIn(string $user, array $groups = ['user'])
    {
        global $INPUT, $USERINFO;
        $INPUT->server->set('REMOTE_USER', $user);
        $USERINFO = ['name' => ucfirst($user), 'grps' => $groups];
    }

    /** The types of the items in the user menu. */
    protected function menu(): array
    {
        return array_map(fn ($item) => $item->getType(), (new UserMenu())->getItems());
    }

    protected function loginForm(): string
    {
        return (new Form())->toHTML('Login');
    }

    /** Where an action leads to, or null. */
    protected function redirect(string $action): ?string
    {
        TestRequest::$redirect = null;
        (new Event('ACTION_ACT_PREPROCESS', $action))->advise_before();
        return TestRequest::$redirect;
    }

    public function testTheMenuHasTheItemForPeopleWhoMayUseCodes()
    {
        $this->assertNotContains('qrgate', $this->menu());
        $this->signIn('walter');
        $this->assertSame(['profile', 'qrgate', 'logout'], $this->menu());
        $this->signIn('boss', ['admin', 'user']);
        $this->assertNotContains('qrgate', $this->menu());
    }

    public function testTheItemLeadsToTheCodeAndThePhoneToThePage()
    {
        $this->assertSame('/qr/?next=%2Fdoku.php%3Fid%3Dstart', $this->redirect('qrgate'));
        $this->assertNull($this->redirect('show'));
    }

    public function testTheLoginFormHasTheLink()
    {
        $html = $this->loginForm();
        $this->assertStringContainsString('href="/qr/code/?next=%2Fdoku.php%3Fid%3Dstart"', $html);
        $this->assertStringContainsString('Sign in with your phone', $html);
        $this->assertStringNotContainsString('name="qrgate"', $html);
    }

    public function testASignInLeadsBackToTheCodeAndNowhereElse()
    {
        global $INPUT;
        $this->signIn('walter');
        $back = ['/qr/?from=login', '//evil.example/qr/', '/doku.php', 'javascript:alert(1)', '', 'https://evil.example//x'];
        foreach ($back as $address) {
            $INPUT->set('qrgate', $address);
            $isOurs = $address === '/qr/?from=login';
            $this->assertSame($isOurs ? $address : null, $this->redirect('login'), $address);
            $this->assertSame($isOurs, str_contains($this->loginForm(), 'name="qrgate"'), $address);
        }
        $INPUT->set('qrgate', '/qr/?from=login');
        $this->assertNull($this->redirect('show'));
        $INPUT->server->remove('REMOTE_USER');
        $this->assertNull($this->redirect('login'));
    }

    public function testTheSettingsAcceptSecretsAndOriginsOnly()
    {
        $meta = [];
        require __DIR__ . '/../conf/metadata.php';
        $secret = 'whsec_' . base64_encode(random_bytes(32));
        foreach ([$secret, substr($secret, 6), "$secret\n", "$secret $secret"] as $good) {
            $this->assertMatchesRegularExpression($meta['secret']['_pattern'], $good);
        }
        foreach (['short', 'whsec_' . base64_encode('short'), "$secret short", "$secret;"] as $bad) {
            $this->assertDoesNotMatchRegularExpression($meta['secret']['_pattern'], $bad);
        }
        foreach (['', 'https://a.example', 'http://localhost:8080 https://a.example/'] as $good) {
            $this->assertMatchesRegularExpression($meta['origins']['_pattern'], $good);
        }
        foreach (['a.example', 'https://a.example/wiki', 'https://a.example, https://b.example/x'] as $bad) {
            $this->assertDoesNotMatchRegularExpression($meta['origins']['_pattern'], $bad);
        }
    }

    public function testEachLanguageHasEveryText()
    {
        $texts = function (string $file): array {
            $lang = [];
            require $file;
            return array_keys(array_filter($lang));
        };
        foreach (['lang', 'settings'] as $name) {
            $english = $texts(__DIR__ . "/../lang/en/$name.php");
            foreach (glob(__DIR__ . "/../lang/*/$name.php") as $file) {
                $this->assertSame($english, $texts($file), $file);
            }
        }
    }

    public function testTheHooksRefuseWhatTheyCannotJudge()
    {
        global $INPUT, $auth, $conf;
        $hooks = new Hooks(plugin_load('action', 'qrgate'));
        $INPUT->server->set('REQUEST_METHOD', 'POST');
        $this->assertSame([500, []], $hooks->respond('login'), 'no secret');
        $conf['plugin']['qrgate']['secret'] = base64_encode(random_bytes(32));
        $this->assertSame([500, []], (new Hooks(new action_plugin_qrgate()))->respond('login'), 'no origin');
        $conf['baseurl'] = 'https://wiki.example.com/';
        $this->assertSame([401, []], (new Hooks(new action_plugin_qrgate()))->respond('login'), 'no signature');
        [$accounts, $auth] = [$auth, null];
        $this->assertSame([500, []], $hooks->respond('login'), 'no accounts');
        $auth = $accounts;
        $this->assertSame([405, []], $hooks->respond('whoami'));
        $INPUT->server->set('REQUEST_METHOD', 'GET');
        $this->assertSame([405, []], $hooks->respond('revoke'));
    }

    public function testWhoamiNamesThePersonAndWhetherTheyMayUseCodes()
    {
        global $INPUT;
        $hooks = new Hooks(plugin_load('action', 'qrgate'));
        $INPUT->server->set('REQUEST_METHOD', 'GET');
        $this->assertSame([401, []], $hooks->respond('whoami'));
        $this->signIn('walter');
        $walter = ['qrgate' => 1, 'user_id' => 'walter', 'name' => 'Walter', 'allow' => true];
        $this->assertSame([200, $walter], $hooks->respond('whoami'));
        $this->signIn('boss', ['admin']);
        $this->assertFalse($hooks->respond('whoami')[1]['allow']);
    }
}
