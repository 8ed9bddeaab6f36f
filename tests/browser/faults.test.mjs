// What `qrgate check` reports for mistakes in real frameworks: each example with one typical mistake.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, test } from 'node:test';
import { startExample } from './lib/example.mjs';
import { BINARY } from './lib/gate.mjs';
import { ROOT } from './lib/process.mjs';

/** The hooks of the package behind decorators that ignore their exemption. */
const behind = (decorated) => [
  ['mysite/urls.py', 'from django.urls import', `from django.contrib.auth.decorators import login_required
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from qrgate_django import views
from django.urls import`],
  ['mysite/urls.py', 'path("_qr/", include("qrgate_django.urls")),', `path("_qr/whoami", ${decorated('lambda request: views.whoami(request)')}),
    path("_qr/login", ${decorated('lambda request: views.login(request)')}),`],
];

const FAULTS = {
  'django: the host is not allowed': {
    edits: [['mysite/settings.py', 'ALLOWED_HOSTS = ["*"]', 'ALLOWED_HOSTS = ["notes.example"]']],
    says: ['FAIL identify 400', 'FAIL login 400', 'does not know the host', 'Fix: ALLOWED_HOSTS'],
  },
  'django: the login hook is not exempt from CSRF protection': {
    edits: behind((hook) => `csrf_protect(${hook})`),
    says: ['ok identify signed out', 'FAIL login 403', 'CSRF protection', 'Fix: @csrf_exempt'],
  },
  'django: the scheme is not believed': {
    edits: [
      ['mysite/settings.py', 'SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")', 'SECURE_SSL_REDIRECT = True'],
      ['run.sh', '-m gunicorn', '-m gunicorn --forwarded-allow-ips 192.0.2.1'], // by default it trusts 127.0.0.1
    ],
    env: { QRGATE_PUBLIC__URL: 'https://notes.localhost:1' },
    says: ['FAIL identify 301 to https://notes.localhost:1/_qr/whoami', 'FAIL login 301 to https://notes.localhost:1/_qr/login', 'Fix: SECURE_PROXY_SSL_HEADER'],
  },
  'django: everything is behind a login wall': {
    edits: behind((hook) => `csrf_exempt(login_required(${hook}))`),
    says: ['warn identify 302 to /login/', 'FAIL login 302 to /login/', 'login wall', 'Fix: @login_not_required'],
  },
  'express: secure cookies, and the proxy is not trusted': {
    edits: [
      ['app.js', "app.set('trust proxy', 'loopback');", ''],
      ['app.js', "secure: 'auto'", 'secure: true'],
    ],
    env: { QRGATE_PUBLIC__URL: 'https://notes.localhost:1' },
    says: ['FAIL login 200 but no Set-Cookie', "app.set('trust proxy', 'loopback')", 'docs/recipes/express.md'],
  },
  'express: the body is parsed before the hook': {
    edits: [['app.js', 'app.use(qrgate(', 'app.use(express.json());\napp.use(qrgate(']],
    says: ['FAIL login 500', 'mount the hooks before express.json()'],
  },
  'flask: a function of the site asks for the CSRF token': {
    edits: [['app.py', '\nCSRFProtect(app)', '\napp.before_request(CSRFProtect(app).protect)']],
    says: ['FAIL login 400', 'CSRF protection', 'request.blueprint != "qrgate"'],
  },
  'rails: the host is not allowed': {
    edits: [['config/application.rb', 'config.log_level = :warn', 'config.log_level = :warn\n  config.hosts << "notes.example"']],
    says: ['FAIL login 403', 'does not know the host', 'config.hosts << the host of public.url'],
  },
  'rails: a secure session on an http address': {
    edits: [['config/application.rb', 'key: "_notes_session"', 'key: "_notes_session", secure: true']],
    says: ['FAIL login 200 but no Set-Cookie', 'secure: true of the session store is for https only'],
  },
  'php: the session is for another domain': {
    edits: [['app.php', "'httponly' => true,", "'httponly' => true, 'domain' => 'www.example.org',"]],
    says: ['FAIL verify PHPSESSID: is for a foreign Domain', 'session.cookie_domain empty'],
  },
  'php: another secret': {
    edits: [['public/_qr.php', "'login' =>", "'secret' => 'whsec_' . base64_encode(str_repeat('x', 32)), 'login' =>"]],
    says: ['FAIL login 401', 'another secret', 'the same hook.secret on both sides'],
  },
  'wordpress: a second factor takes the session back': {
    edits: [['serve.sh', 'cp wp-config.php "$SITE"', `cp wp-config.php "$SITE"
    echo "<?php add_action('wp_login', function () { wp_clear_auth_cookie(); exit('<form>Your code</form>'); });" > "$SITE/wp-content/mu-plugins/factor.php"`]],
    says: ['second factor', '"allow": false'],
  },
};

describe('check, of an example with one fault', () => {
  for (const [name, { edits, env = {}, says }] of Object.entries(FAULTS)) {
    test(name, async () => {
      const stack = name.split(':')[0];
      const app = await startExample(stack, { edits });
      try {
        const { code, said } = await check(stack, app, env);
        for (const words of says) assert.ok(said.includes(words), `“${words}” is missing in:\n${said}`);
        assert.equal(code, 1, said);
      } finally {
        await app.stop();
      }
    });
  }
});

/** Runs it for user 1; returns the exit code and the output, with white space collapsed. */
function check(stack, app, env) {
  const options = { cwd: ROOT, env: { ...process.env, ...env, QRGATE_APPLICATION__URL: app.url, QRGATE_LOGIN__SECRET_FILE: app.secretFile } };
  const file = `examples/${stack}/proxy.toml`;
  return new Promise((done) => {
    execFile(BINARY, ['check', '--config', file, '--user', '1'], options, (error, stdout) => {
      done({ code: error?.code ?? 0, said: stdout.replace(/\s+/g, ' ') });
    });
  });
}
