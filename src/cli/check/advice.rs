//! Likely causes and their fixes, in the terms of each framework. docs/troubleshooting.md lists them by symptom.

use crate::cli::app::App;
use crate::cli::stack::Stack;
use crate::cli::stack::Stack::{Aspnet, Django, Express, Flask, Laravel, Php, Rails, Spring, Wordpress};

/// A likely cause and its fix.
#[derive(Debug)]
pub struct Advice {
    /// The cause, in a sentence or two.
    pub cause: &'static str,
    /// The fix for an unknown framework.
    any: &'static str,
    /// The fix for a known one.
    own: &'static [(Stack, &'static str)],
}

impl Advice {
    /// Advice that is the same for every framework.
    const fn new(cause: &'static str, any: &'static str) -> Advice {
        Advice { cause, any, own: &[] }
    }

    /// The fix for an application or a stack, with its page, if one is known; else the general fix.
    pub fn fix(&self, stack: Option<Stack>, app: Option<App>) -> String {
        let own = stack.and_then(|stack| self.own.iter().find(|(of, _)| *of == stack));
        let page = app.map(App::page).or_else(|| own.map(|(stack, _)| stack.page()));
        let words = own.map_or(self.any, |(_, words)| words);
        page.map_or(words.to_owned(), |page| format!("{words}. See {}", page.path))
    }
}

pub const SCHEME: Advice = Advice {
    cause: "The application redirects to the same address: it does not trust the scheme or the host that qrgate sends.",
    any: "Django SECURE_PROXY_SSL_HEADER; gunicorn, uvicorn --forwarded-allow-ips; Express 'trust proxy'; WordPress \
          the HTTPS line; ASP.NET UseForwardedHeaders",
    own: &[
        (Django, "SECURE_PROXY_SSL_HEADER = (\"HTTP_X_FORWARDED_PROTO\", \"https\")"),
        (Flask, "app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)"),
        (Express, "app.set('trust proxy', 'loopback')"),
        (Laravel, "$middleware->trustProxies(at: '127.0.0.1')"),
        (Php, "the redirect to https: let it look at $_SERVER['HTTP_X_FORWARDED_PROTO']"),
        (Wordpress, "the HTTPS line in wp-config.php; in a folder, the folder in both hook paths"),
        (Spring, "server.forward-headers-strategy=framework"),
        (Aspnet, "UseForwardedHeaders before all else, with qrgate's address in KnownProxies"),
    ],
};

pub const SLASH: Advice = Advice::new(
    "The application's route ends in a slash and the path in proxy.toml does not, or the reverse.",
    "the same path on both sides: identify.path and login.path in proxy.toml, or the route of the hook",
);

pub const WALL: Advice = Advice {
    cause: "The hook is behind a login wall, which redirects every visitor to the sign-in page.",
    any: "Django @login_not_required; Laravel outside the auth middleware; Rails allow_unauthenticated_access; Spring \
          permitAll; ASP.NET AllowAnonymous",
    own: &[
        (Django, "@login_not_required on both hooks"),
        (Flask, "leave the blueprint of the hooks out of before_request and login_required"),
        (Express, "mount the hooks before the middleware that sends visitors to the sign-in page"),
        (Laravel, "the routes outside the auth middleware"),
        (Rails, "allow_unauthenticated_access, or skip_before_action :authenticate_user!"),
        (Spring, "requestMatchers(\"/_qr/**\").permitAll()"),
        (Aspnet, ".AllowAnonymous() on both; exempt /_qr from UseStatusCodePagesWithRedirects"),
    ],
};

pub const HOST: Advice = Advice {
    cause: "The application does not know the host it is called by.",
    any: "Django ALLOWED_HOSTS; Rails config.hosts; or application.host in proxy.toml",
    own: &[
        (Django, "ALLOWED_HOSTS, with the host of public.url; or application.host in proxy.toml"),
        (Rails, "config.hosts << the host of public.url"),
        (Flask, "TRUSTED_HOSTS, or SERVER_NAME, with the host of public.url"),
        (Laravel, "TrustHosts, with the host of public.url"),
        (Aspnet, "AllowedHosts, with the host of public.url"),
    ],
};

pub const ROUTE: Advice = Advice {
    cause: "The application has nothing at this path.",
    any: "add the hook, or set its path in proxy.toml; see docs/recipes",
    own: &[
        (
            Django,
            "path(\"_qr/\", include(\"qrgate_django.urls\")) in urls.py of the project; or the paths in proxy.toml",
        ),
        (Express, "app.use(qrgate(…)) before the handler that responds 404"),
        (Php, "identify.path = \"/_qr.php/whoami\", login.path = \"/_qr.php/login\"; nginx: location ~ ^/_qr\\.php/"),
        (Wordpress, "activate the plug-in qrgate; the web server sends unknown paths to index.php"),
        (Rails, "mount QRGate::Engine in config/routes.rb"),
    ],
};

pub const CSRF: Advice = Advice {
    cause: "CSRF protection stands in front of the hook, which is called by qrgate and not by a form.",
    any: "exempt the login hook only: Django @csrf_exempt; Flask-WTF csrf.exempt; Express mount it before; Laravel \
          except; Rails skip_forgery_protection; Spring ignoringRequestMatchers",
    own: &[
        (Django, "@csrf_exempt on the login hook"),
        (Flask, "csrf.exempt(the blueprint of the hooks); csrf.protect() only if request.blueprint != \"qrgate\""),
        (Express, "mount the hooks before the CSRF middleware"),
        (Laravel, "$middleware->validateCsrfTokens(except: ['_qr/login']); up to 10 VerifyCsrfToken::$except"),
        (Rails, "skip_forgery_protection only: :login"),
        (Spring, "csrf(c -> c.ignoringRequestMatchers(\"/_qr/login\"))"),
        (Aspnet, ".DisableAntiforgery() on the login hook"),
    ],
};

pub const BROKEN: Advice = Advice {
    cause: "The hook failed.",
    any: "the application's log has the line. Often QRGATE_HOOK_SECRET does not reach the application; Django lacks \
          its table (manage.py migrate); in Express express.json() reads the body first",
    own: &[
        (
            Django,
            "the application's log; QRGATE_HOOK_SECRET in its environment; the table: manage.py migrate (without the \
             package createcachetable)",
        ),
        (Flask, "the application's log; QRGATE_HOOK_SECRET in its environment"),
        (
            Express,
            "the application's log; mount the hooks before express.json(), which takes the raw body; \
             QRGATE_HOOK_SECRET",
        ),
        (Rails, "log/production.log; QRGATE_HOOK_SECRET and QRGATE_ORIGINS in its environment"),
        (Laravel, "storage/logs/laravel.log; QRGATE_HOOK_SECRET in .env, then php artisan config:clear"),
        (
            Php,
            "PHP's error log; QRGATE_HOOK_SECRET: php-fpm passes no variable on without env[QRGATE_HOOK_SECRET] or \
             clear_env = no",
        ),
        (
            Wordpress,
            "Tools → Site Health, and PHP's error log; the secret at Settings → qrgate, or in wp-config.php above \
             \"That's all\"",
        ),
        (Spring, "the application's log; QRGATE_HOOK_SECRET in its environment; a filter that reads the body first"),
        (Aspnet, "the application's log; QRGATE_HOOK_SECRET in its environment"),
    ],
};

pub const SIGN_IN_PAGE: Advice = Advice {
    cause: "Signed-out people are sent there before they get a code.",
    any: "identify.login_url: the path of the application's sign-in page, with {return} where it takes the way back. \
          Django: \"/accounts/login/?next={return}\"",
    own: &[
        (Django, "login_url = \"/accounts/login/?next={return}\" in [identify], or the path of LOGIN_URL"),
        (Flask, "login_url = \"/login?next={return}\" in [identify], or the path of the own view"),
        (Wordpress, "login_url = \"/wp-login.php?redirect_to={return}\" in [identify]"),
    ],
};

pub const NETWORK: Advice = Advice {
    cause: "The application does not know this machine's network address, which is how a phone opens it.",
    any: "the address in Django ALLOWED_HOSTS, Rails config.hosts or their like; or public.url",
    own: &[
        (Django, "the address in ALLOWED_HOSTS; or public.url"),
        (Flask, "the address in TRUSTED_HOSTS, or no SERVER_NAME; or public.url"),
        (Rails, "config.hosts << the address; or public.url"),
        (Laravel, "the address in TrustHosts; or public.url"),
        (Aspnet, "the address in AllowedHosts; or public.url"),
    ],
};

pub const PUBLIC_SCHEME: Advice = Advice::new(
    "Browsers end up at https, and every button under the ticket path would be refused.",
    "https in public.url",
);

pub const SIGNATURE: Advice = Advice::new(
    "The application did not accept the signature: another secret, a clock that is off, a body changed on the \
            way, a call seen before, or one for an origin that is not in its QRGATE_ORIGINS.",
    "the same hook.secret on both sides; time synchronisation; sign over the raw body; that origin in \
          QRGATE_ORIGINS",
);

pub const CLOCK: Advice = Advice::new(
    "The application's clock and this machine's differ, and a hook accepts a minute at most.",
    "time synchronisation on both: timedatectl set-ntp true",
);

pub const OPEN: Advice = Advice::new(
    "Anyone who reaches the hook can sign in as any user.",
    "refuse with 401 unless the signature is right; refuse a key under 32 bytes; see docs/recipes",
);

pub const OPEN_REVOKE: Advice = Advice::new(
    "Anyone who reaches the hook can sign people out.",
    "refuse with 401 unless the signature is right; refuse a key under 32 bytes; see docs/recipes",
);

pub const NOT_REVOKED: Advice = Advice::new(
    "The hook ended no session, or another one: the name that the login hook gives does not find the session.",
    "name the session after the framework's login function has made its new id; end it on the server. Where a \
          session lives in its cookie alone, leave login.revoke_path out",
);

pub const SESSION_NAME: Advice = Advice::new(
    "The login hook answers 200 with something else than {\"session\": \"<1 to 128 characters>\"}.",
    "that JSON beside the cookies, or 204 without content; see docs/recipes",
);

pub const NO_LOOK: Advice =
    Advice::new("The hook does not look at the session.", "answer 401 where no user is signed in; see docs/recipes");

pub const NO_COOKIE: Advice = Advice {
    cause: "The application accepted the call and set no cookie. In Express this happens when cookie.secure is true \
            and the application does not trust this proxy.",
    any: "app.set('trust proxy', 'loopback'). See docs/recipes/express.md",
    own: &[
        (Django, "login(request, user) in the hook, and SessionMiddleware in MIDDLEWARE"),
        (Express, "app.set('trust proxy', 'loopback'); on http, cookie.secure off"),
        (Rails, "secure: true of the session store is for https only: https in public.url, or the option off"),
        (Flask, "login_user(user), and SESSION_COOKIE_SECURE only on https"),
        (Php, "session_start() before the answer begins; no output before it"),
        (Wordpress, "wp_set_auth_cookie($user->ID) before status_header()"),
        (Spring, "HttpSessionSecurityContextRepository().saveContext(…): version 6 does not save by itself"),
    ],
};

pub const SECOND_FACTOR: Advice = Advice::new(
    "The password's step is done and no session came of it: a second factor took it back, or asks for itself \
            first.",
    "let whoami answer \"allow\": false until the second factor is passed, and let the login hook sign in fully; \
          see docs/recipes",
);

pub const ENCODED: Advice = Advice {
    cause: "Something between qrgate and the hook, or the hook's own file, changes the JSON that it answers.",
    any: "compression off for the hook's path; UTF-8 without a byte order mark",
    own: &[
        (Express, "compression() after the hooks, or with a filter"),
        (Php, "zlib.output_compression = Off; the file saved as UTF-8 without BOM"),
    ],
};

pub const PAGE: Advice = Advice {
    cause: "A page came instead: the path does not lead to the hook, it is a sign-in page, or an error page was shown \
            (PHP display_errors).",
    any: "the path, the rewriting rules, the application's log",
    own: &[
        (Wordpress, "activate the plug-in qrgate; in a folder, the folder in the paths of the hooks"),
        (Php, "identify.path and login.path below /_qr.php; display_errors = Off, and the error log"),
    ],
};

pub const REFUSED: Advice = Advice::new(
    "The application says that this user may not sign in.",
    "another user; or the hook's own condition: user_id arrives as text, so compare it as text",
);

pub const AWAY: Advice = Advice::new("The hook's server is away.", "the application's log; the hook's url");

pub const SLOW: Advice = Advice {
    cause: "The hook takes too long: it waits for something, or all workers of the application are busy.",
    any: "the application's log; more workers; or identify.timeout and login.timeout",
    own: &[
        (Php, "session_write_close() in slow pages: they lock the session that whoami waits for"),
        (Laravel, "no ->block() on slow routes: it locks the session that whoami waits for"),
    ],
};

pub const UNIDENTIFIED: Advice = Advice::new(
    "The identify hook fails where a user is signed in.",
    "the application's log; user_id in [identify]; see docs/recipes",
);

pub const STALE: Advice = Advice {
    cause: "The session has ended, is bound to the browser or the address it was made for, or the hook does not read \
            it.",
    any: "a fresh cookie, copied whole; see docs/recipes",
    own: &[
        (Wordpress, "a fresh cookie, copied whole; whoami not over REST, which answers user 0 without a nonce"),
        (Flask, "a fresh cookie, copied whole; session_protection binds it to browser and address: ProxyFix(x_for=1)"),
    ],
};

pub const UNNAMED: Advice = Advice::new(
    "Only cookies that are named there are sent to the identify hook; two of one name count as none.",
    "session_cookies in [identify]; globs are allowed, and \"*\" is all",
);

pub const SECURE: Advice = Advice {
    cause: "Browsers drop them there.",
    any: "https in public.url; or, for a trial on http, the application's setting for secure cookies off \
          (Django: SESSION_COOKIE_SECURE = False)",
    own: &[
        (Django, "https in public.url; or, for a trial on http, SESSION_COOKIE_SECURE = False"),
        (Flask, "https in public.url; or, for a trial on http, SESSION_COOKIE_SECURE = False"),
        (Express, "https in public.url; or, for a trial on http, cookie: { secure: false }"),
        (Php, "https in public.url; or, for a trial on http, 'secure' => false in session_set_cookie_params"),
        (Laravel, "https in public.url; or, for a trial on http, SESSION_SECURE_COOKIE=false"),
        (Rails, "https in public.url; or, for a trial on http, force_ssl off"),
        (Spring, "https in public.url; or, for a trial on http, server.servlet.session.cookie.secure=false"),
        (Aspnet, "https in public.url; or, for a trial on http, Cookie.SecurePolicy = SameAsRequest"),
    ],
};

pub const ATTRIBUTES: Advice = Advice {
    cause: "Browsers drop a cookie with SameSite=None, Partitioned or such a prefix that is not Secure, or whose other \
            conditions are not met.",
    any: "https in public.url, where qrgate adds Secure; or, for a trial on http, SameSite=Lax, no Partitioned and no \
          prefix",
    own: &[
        (Django, "https in public.url; or, for a trial on http, SESSION_COOKIE_SAMESITE = \"Lax\""),
        (
            Flask,
            "https in public.url; or, for a trial on http, SESSION_COOKIE_SAMESITE = \"Lax\", \
             SESSION_COOKIE_PARTITIONED = False",
        ),
        (Express, "https in public.url; or, for a trial on http, cookie: { sameSite: 'lax' } and no partitioned"),
        (Php, "https in public.url; or, for a trial on http, 'samesite' => 'Lax' in session_set_cookie_params"),
        (
            Laravel,
            "https in public.url; or, for a trial on http, SESSION_SAME_SITE=lax, SESSION_PARTITIONED_COOKIE=false",
        ),
        (Rails, "https in public.url; or, for a trial on http, same_site: :lax of the session store"),
        (Spring, "https in public.url; or, for a trial on http, server.servlet.session.cookie.same-site=lax"),
        (Aspnet, "https in public.url; or, for a trial on http, Cookie.SameSite = SameSiteMode.Lax"),
    ],
};

pub const TOO_LONG: Advice = Advice::new(
    "Browsers drop a cookie whose name and value are longer than 4096 bytes together.",
    "less data in a session that is kept in its cookie, or a session store on the server",
);

pub const UNUSABLE: Advice = Advice::new(
    "A cookie of that name, or with such a character in its line, cannot be a session.",
    "another name for the session cookie; no control characters in its name, value or attributes",
);

pub const DOMAIN: Advice = Advice {
    cause: "The session cookie has a Domain that is not the public host nor a parent of it, so it is not relayed.",
    any: "no Domain at all: Django SESSION_COOKIE_DOMAIN = None; Express cookie.domain; PHP session.cookie_domain; \
          Laravel SESSION_DOMAIN; or the right host in public.url",
    own: &[
        (Django, "SESSION_COOKIE_DOMAIN = None; or the right host in public.url"),
        (Flask, "SESSION_COOKIE_DOMAIN = None"),
        (Express, "no cookie.domain in session(…)"),
        (Php, "session.cookie_domain empty"),
        (Laravel, "SESSION_DOMAIN=null"),
        (Rails, "no domain: in session_store"),
        (Wordpress, "no COOKIE_DOMAIN in wp-config.php; the site's address is that of public.url"),
        (Spring, "no server.servlet.session.cookie.domain"),
        (Aspnet, "no Cookie.Domain in ConfigureApplicationCookie"),
    ],
};

pub const OTHER: Advice = Advice::new(
    "The two hooks name users differently, or the login hook keeps a session that was there before.",
    "the same id in both hooks, as text",
);

pub const SIGNED_OUT: Advice = Advice {
    cause: "The cookie's Path does not cover identify.path, a later line deletes it, the session waits for a second \
            factor, or it is bound to an address or a browser.",
    any: "the session cookie's settings; Flask: ProxyFix; see docs/recipes",
    own: &[
        (Flask, "ProxyFix(app.wsgi_app, x_for=1): session_protection binds a session to the address"),
        (Wordpress, "whoami not over REST; two-factor plug-ins: \"allow\": false until it is passed"),
        (Express, "req.session.save() before the answer; cookie.path is /"),
        (Spring, "HttpSessionSecurityContextRepository().saveContext(…): version 6 does not save by itself"),
    ],
};

pub const OUTSIDE: Advice = Advice::new(
    "People reach the hooks past qrgate: what stands at the public address sends them to the application.",
    "send everything through qrgate; or, where it is a side door, answer 404 for both hook paths in front",
);

pub const MOVED: Advice = Advice::new(
    "The application, or its server, takes the path from a request field, and what stands at the public address \
            passes that field on.",
    "send everything through qrgate; or, where it is a side door, remove these fields in front. See \
          docs/behind-a-proxy.md",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fix_names_the_page_of_the_application() {
        assert_eq!(ROUTE.fix(None, None), ROUTE.any);
        assert!(ROUTE.fix(Some(Stack::Rails), None).ends_with(". See docs/recipes/rails.md"));
        let fix = ROUTE.fix(None, Some(App::Redmine));
        assert_eq!(fix, format!("{}. See docs/applications/redmine.md", ROUTE.any));
    }
}
