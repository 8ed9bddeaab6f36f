<?php

use dokuwiki\Extension\ActionPlugin;
use dokuwiki\Extension\Event;
use dokuwiki\Extension\EventHandler;
use dokuwiki\plugin\qrgate\MenuItem;
use dokuwiki\plugin\qrgate\Sessions;

/**
 * DokuWiki Plugin qrgate (Action Component)
 *
 * @license MIT OR Apache-2.0
 * @author The qrgate authors
 */
class action_plugin_qrgate extends ActionPlugin
{
    protected ?Sessions $sessions = null;

    /** @inheritdoc */
    public function register(EventHandler $controller)
    {
        $controller->register_hook('AUTH_LOGIN_CHECK', 'BEFORE', $this, 'handleLoginCheck');
        $controller->register_hook('AUTH_LOGIN_CHECK', 'AFTER', $this, 'handleLoginChecked');
        $controller->register_hook('AUTH_USER_CHANGE', 'AFTER', $this, 'handleUserChange');
        $controller->register_hook('ACTION_ACT_PREPROCESS', 'BEFORE', $this, 'handleAction');
        $controller->register_hook('MENU_ITEMS_ASSEMBLY', 'AFTER', $this, 'handleMenu');
        $controller->register_hook('FORM_LOGIN_OUTPUT', 'BEFORE', $this, 'handleLoginForm');
    }

    public function sessions(): Sessions
    {
        return $this->sessions ??= new Sessions((bool) $this->getConf('administrators'));
    }

    /** Signs the user of a cookie in that has no password. */
    public function handleLoginCheck(Event $event)
    {
        if (!empty($event->data['user'])) {
            return; // a password was typed
        }
        $isSignedIn = $this->sessions()->resume();
        if ($isSignedIn !== null) {
            $event->preventDefault();
            $event->result = $isSignedIn;
        }
    }

    /** Remembers when a password was typed. The credentials of HTTP authentication are stored by the browser. */
    public function handleLoginChecked(Event $event)
    {
        if ($event->result && !empty($event->data['user']) && !$event->data['silent']) {
            $this->sessions()->passwordTyped($event->data['user']);
        }
    }

    /** Ends the sessions of accounts that are deleted, renamed or created again, or have another password. */
    public function handleUserChange(Event $event)
    {
        ['type' => $type, 'params' => $params, 'modification_result' => $isDone] = $event->data;
        $isHarmless = $type === 'modify' && empty($params[1]['pass']) && empty($params[1]['user']);
        if ($isDone && !$isHarmless) {
            $this->sessions()->endAll(array_map('strval', (array) $params[0]));
        }
    }

    /** Leads to the code, leads back to it after a sign-in, and ends the session at a sign-out. */
    public function handleAction(Event $event)
    {
        global $ID, $INPUT;
        if ($event->data === 'qrgate') {
            send_redirect($this->address('?next=' . rawurlencode($this->local(wl($ID, '', false, '&')))));
        }
        $back = $this->local($INPUT->str('qrgate'));
        if ($event->data === 'login' && $INPUT->server->has('REMOTE_USER') && $this->isOurs($back)) {
            send_redirect($back);
        }
        if ($event->data === 'logout' && getSecurityToken() === $INPUT->str('sectok')) {
            $this->sessions()->endCurrent();
        }
    }

    /** Adds the item to the user menu of a person who may use codes. */
    public function handleMenu(Event $event)
    {
        global $INPUT, $USERINFO;
        $user = $INPUT->server->str('REMOTE_USER');
        if ($event->data['view'] !== 'user' || $user === '' || !$this->sessions()->isAllowed($user, $USERINFO)) {
            return;
        }
        try {
            array_splice($event->data['items'], 1, 0, [new MenuItem($this->getLang('button'))]); // after the profile
        } catch (RuntimeException $ignored) {
            // `disableactions` lists it
        }
    }

    /** Adds the link for typing a code to the login form. */
    public function handleLoginForm(Event $event)
    {
        global $ID, $INPUT;
        $back = $this->local($INPUT->str('qrgate'));
        if ($this->isOurs($back)) {
            $event->data->setHiddenField('qrgate', $back);
        }
        $address = $this->address('code/?next=' . rawurlencode($this->local(wl($ID, '', false, '&'))));
        $link = '<a href="' . hsc($address) . '" rel="nofollow">' . hsc($this->getLang('link')) . '</a>';
        $event->data->addHTML('<p>' . hsc($this->getLang('link_intro')) . ' ' . $link . '</p>');
    }

    /** An address of qrgate, whose `tickets.path` is `qr/` below the wiki's own path. */
    protected function address(string $rest): string
    {
        return DOKU_REL . 'qr/' . $rest;
    }

    /** Whether a path is one of qrgate's. */
    protected function isOurs(string $path): bool
    {
        return str_starts_with($path, $this->address(''));
    }

    /** An address of this wiki without scheme and host, which `canonical` adds. */
    protected function local(string $address): string
    {
        return (string) preg_replace('~^https?://[^/]+~', '', $address);
    }
}
