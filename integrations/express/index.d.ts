import type { Request, RequestHandler } from 'express';

/**
 * Express middleware with the hooks that qrgate calls: `GET PATH/whoami`, `POST PATH/login` and `POST PATH/revoke`.
 * Mount it after the session (and Passport), and before body parsers, CSRF protection and rate limits.
 * Throws if the secret or the origins are missing or malformed.
 */
declare function qrgate<User = any>(options?: qrgate.Options<User>): RequestHandler;

declare namespace qrgate {
  interface Options<User = any> {
    /**
     * The text of hook.secret; several during a rotation. Default: QRGATE_HOOK_SECRET, or the file
     * QRGATE_HOOK_SECRET_FILE.
     */
    secret?: string | readonly string[];
    /** The site's public origins, such as `https://app.example.com`. Default: QRGATE_ORIGINS. */
    origins?: string | readonly string[];
    /**
     * The user with this id, or nothing for an account that must not sign in. Default with Passport: its
     * `deserializeUser`.
     */
    load?: (id: string, req: Request) => User | null | undefined | false | Promise<User | null | undefined | false>;
    /**
     * Signs the user in, in a session that has just been renewed. `req.qrgate` is qrgate's call. A function of three
     * parameters calls `done`; one of two returns, or returns a promise. Default with Passport: `req.login`; without:
     * `req.session[sessionKey] = id(user)`.
     */
    login?: (req: Request, user: User, done: (error?: unknown) => void) => unknown;
    /** The key under which `req.session` has the id of the signed-in user, without Passport. Default: `userId`. */
    sessionKey?: string;
    /**
     * The id of the signed-in user, where neither Passport nor `sessionKey` says it. Also called with a stored
     * session.
     */
    userId?: (holder: { session: any }) => Id | Promise<Id>;
    /** A user's id. Default: `user.id`, or `user._id`. */
    id?: (user: User) => string | number;
    /** The name that the pages show. Default: `user.name`, `displayName`, `username` or `email`. */
    name?: (user: User) => string | null | undefined;
    /** Whether an account is active. Default: unless `user.active` is `false`. */
    active?: (user: User) => boolean;
    /**
     * Whether this person may sign in by code: false for administrators, for instance. `req` is the signed-in
     * computer's request, and missing when the login hook asks. Default: everybody may.
     */
    allow?: (user: User, req?: Request) => boolean | Promise<boolean>;
    /** The Passport instance, where `passport.initialize()` is not mounted. */
    passport?: object;
    /** Remembers accepted calls. Default: memory; with several processes pass one that they share. */
    replay?: Replay;
    /** Where the hooks are, below the place where the middleware is mounted. Default: `/_qr`. */
    path?: string;
    /** `tickets.path` in proxy.toml. Default: `/qr/`. */
    ticketPath?: string;
  }

  type Id = string | number | null | undefined;

  /** A store of accepted calls. */
  interface Replay {
    /** Adds a key for some seconds, in one atomic step. False if it is there already. */
    add(key: string, seconds: number): Promise<boolean>;
  }

  /** What `res.locals.qrgate` offers to pages: HTML, with everything that they are given escaped. */
  interface Helpers {
    /** A button to the page with the code. */
    button(options?: { label?: string; className?: string }): string;
    /** A link to the page for typing a code. `next`: the path where this device lands. */
    signinLink(options?: { label?: string; next?: string; className?: string }): string;
  }

  /** Remembers accepted calls in this process: the default, where it is the only one. */
  function memoryReplay(): Replay;
  /** Remembers accepted calls in Redis. `client` is one of the package `redis` (4 or later) or of `ioredis`. */
  function redisReplay(client: object, options?: { prefix?: string }): Replay;
}

export = qrgate;
