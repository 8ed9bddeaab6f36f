<?php

namespace dokuwiki\plugin\qrgate;

use dokuwiki\Logger;
use Qrgate\Call;
use Qrgate\Refused;
use Qrgate\Settings;
use Qrgate\SetupError;
use Qrgate\Verifier;

require_once __DIR__ . '/library.php';

/**
 * The three hooks, version 1 of the contract. Each returns a status and JSON content.
 */
class Hooks
{
    /** How long an accepted call is remembered, in seconds. */
    protected const REMEMBERED = 900;

    protected Sessions $sessions;

    public function __construct(protected \action_plugin_qrgate $plugin)
    {
        $this->sessions = $plugin->sessions();
    }

    /** Responds to the request, which is for one of the hooks, and exits. */
    public static function serve(string $hook): never
    {
        $plugin = plugin_load('action', 'qrgate'); // null if an administrator has disabled it
        header_remove('Set-Cookie'); // of a visitor's session
        [$status, $content] = $plugin === null ? [404, []] : (new self($plugin))->respond($hook);
        if ($hook === 'whoami' && session_status() === PHP_SESSION_ACTIVE) {
            session_abort(); // keeps the messages for the person, and what DokuWiki knows of their browser
        }
        while (ob_get_level() > 0) {
            ob_end_clean();
        }
        http_response_code($status);
        header('Cache-Control: no-store');
        if ($content !== null) {
            header('Content-Type: application/json');
            echo json_encode((object) $content, JSON_INVALID_UTF8_SUBSTITUTE);
        }
        exit;
    }

    /** @return array{int, array<string, mixed>|null} */
    public function respond(string $hook): array
    {
        global $INPUT;
        $methods = $hook === 'whoami' ? ['GET', 'HEAD'] : ['POST'];
        if (!in_array($INPUT->server->str('REQUEST_METHOD'), $methods, true)) {
            header('Allow: ' . implode(', ', $methods));
            return [405, []];
        }
        try {
            return match ($hook) {
                'whoami' => $this->whoami(),
                'login' => $this->login($this->accept('qr.login')),
                'revoke' => $this->revoke($this->accept('qr.revoke')),
            };
        } catch (Refused $refused) {
            Logger::error("qrgate: the $hook hook refuses a call: " . $refused->getMessage());
            return [401, []];
        } catch (SetupError $error) {
            Logger::error("qrgate: the $hook hook cannot work: " . $error->getMessage());
            header_remove('Set-Cookie');
            return [500, []];
        }
    }

    /**
     * The message of a call.
     *
     * @throws Refused if the call is not accepted
     * @throws SetupError if a setting is missing
     */
    protected function accept(string $type): array
    {
        global $INPUT, $auth;
        if (!$auth) {
            throw new SetupError('the wiki has no accounts: useacl is off, or its authentication plugin does not work');
        }
        $calls = new Records('calls');
        $isFirst = fn (string $call) => $calls->add(hash('sha256', $call), [], time() + self::REMEMBERED);
        $path = explode('?', $INPUT->server->str('REQUEST_URI'), 2)[0];
        $keys = Settings::keys((string) $this->plugin->getConf('secret'));
        return (new Verifier($keys, $this->origins(), $isFirst))->accept($type, $path, Call::current());
    }

    /** The origins of this wiki: the setting, else that of `baseurl`, else QRGATE_ORIGINS. */
    protected function origins(): array
    {
        global $conf;
        $base = preg_replace('~^(https?://[^/]+).*$~', '$1', (string) $conf['baseurl']);
        return Settings::origins(trim((string) $this->plugin->getConf('origins')) ?: $base);
    }

    protected function whoami(): array
    {
        global $INPUT, $USERINFO, $auth;
        $user = $auth ? $INPUT->server->str('REMOTE_USER') : '';
        if ($user === '') {
            return [401, []];
        }
        $authTime = $this->sessions->authTime($user);
        return [200, [
            'qrgate' => 1,
            'user_id' => $user,
            'name' => $USERINFO['name'] ?? $user,
            'allow' => $this->sessions->isAllowed($user, $USERINFO),
        ] + ($authTime === null ? [] : ['auth_time' => $authTime])];
    }

    protected function login(array $message): array
    {
        $user = $message['user_id'] ?? null;
        if (!is_string($user) || $this->sessions->userinfo($user) === null) {
            return [404, ['message' => $this->plugin->getLang('refused')]];
        }
        $authTime = is_int($message['auth_time'] ?? null) ? $message['auth_time'] : null;
        return [200, ['session' => $this->sessions->open($user, $authTime, $message['stay'] ?? null)]];
    }

    protected function revoke(array $message): array
    {
        [$session, $user] = [$message['session'] ?? null, $message['user_id'] ?? null];
        if (is_string($session) && is_string($user)) {
            $this->sessions->end($session, $user);
        }
        return [204, null];
    }
}
