<?php

declare(strict_types=1);

namespace Qrgate\Laravel;

use Illuminate\Contracts\Auth\Authenticatable;
use Illuminate\Http\JsonResponse;
use Illuminate\Http\Request;
use Illuminate\Http\Response;
use Illuminate\Session\CookieSessionHandler;
use Illuminate\Session\Store;
use Illuminate\Support\Facades\Gate;
use Illuminate\Support\Facades\Log;
use Qrgate\Call;
use Qrgate\Refused;
use Qrgate\SetupError;

/** The three hooks, version 1 of the contract. */
final class HooksController
{
    /** The session's keys: when the person last proved who they are, and how long the session lasts. */
    public const AUTH_TIME = 'qrgate.auth_time';
    public const STAY = 'qrgate.stay';

    /** The ability that decides who may use codes; everybody if the application does not define it. */
    public const ABILITY = 'use-qrgate';

    public function whoami(Request $request): JsonResponse
    {
        $request->headers->set('X-Requested-With', 'XMLHttpRequest'); // not a page to go back to
        $user = Settings::guard()->user();
        if ($user === null) {
            return self::json(401);
        }
        $content = ['qrgate' => 1, 'user_id' => (string) $user->getAuthIdentifier(), 'name' => (string) ($user->name ?? '')];
        $times = [$request->session()->get(self::AUTH_TIME), $request->session()->get('auth.password_confirmed_at')];
        $times = array_filter($times, 'is_int');
        return self::json(200, $content + ['allow' => self::may($user)] + ($times === [] ? [] : ['auth_time' => max($times)]));
    }

    public function login(Request $request): JsonResponse|Response
    {
        return self::signed($request, 'qr.login', function (array $message) use ($request) {
            $user = self::user($message['user_id'] ?? null);
            if ($user === null) {
                return self::json(404, ['message' => __('qrgate::messages.refused')]);
            }
            $session = $request->session();
            $session->flush();
            $session->setId(null); // a new id: never continues a session that the caller names
            Settings::guard()->login($user);
            $session->forget(self::AUTH_TIME);
            if (is_int($message['auth_time'] ?? null)) {
                $session->put(self::AUTH_TIME, $message['auth_time']);
            }
            self::stay($session, $message['stay'] ?? null);
            return $session->getHandler() instanceof CookieSessionHandler
                ? response()->noContent() // nothing to revoke on the server
                : self::json(200, ['session' => $session->getId()]); // signs nobody in without APP_KEY, which encrypts cookies
        });
    }

    public function revoke(Request $request): JsonResponse|Response
    {
        return self::signed($request, 'qr.revoke', function (array $message) use ($request) {
            $session = clone $request->session();
            $session->flush();
            $session->setId(is_string($message['session'] ?? null) ? $message['session'] : null);
            $session->start();
            $owner = $session->get(Settings::guard()->getName());
            if ($owner !== null && (string) $owner === ($message['user_id'] ?? null)) {
                $session->getHandler()->destroy($session->getId());
            }
            return response()->noContent();
        });
    }

    /** The response of `$then` to the message, if the call is accepted. */
    private static function signed(Request $request, string $type, \Closure $then): JsonResponse|Response
    {
        $field = fn (string $name): string => (string) $request->headers->get("webhook-$name");
        $call = new Call($request->getContent(), $field('id'), $field('timestamp'), $field('signature'));
        try {
            return $then(Settings::verifier()->accept($type, explode('?', $request->getRequestUri(), 2)[0], $call));
        } catch (Refused $refused) {
            Log::warning("qrgate: a $type call is refused: " . $refused->getMessage());
            return self::json(401);
        } catch (SetupError $error) {
            Log::error("qrgate: a $type call cannot be served: " . $error->getMessage());
            return self::json(500);
        }
    }

    private static function user(mixed $id): ?Authenticatable
    {
        if (!is_string($id) || $id === '') {
            return null;
        }
        $provider = Settings::guard()->getProvider();
        $isNumber = method_exists($provider, 'createModel') && $provider->createModel()->getKeyType() === 'int';
        $user = $isNumber && !ctype_digit($id) ? null : $provider->retrieveById($id);
        return $user !== null && (string) $user->getAuthIdentifier() === $id && self::may($user) ? $user : null;
    }

    private static function may(Authenticatable $user): bool
    {
        return !Gate::has(self::ABILITY) || Gate::forUser($user)->allows(self::ABILITY);
    }

    private static function stay(Store $session, mixed $stay): void
    {
        if ($stay === 'browser' || is_int($stay)) {
            $session->put(self::STAY, is_int($stay) ? time() + $stay : $stay);
            KeepStay::apply($session);
        }
    }

    private static function json(int $status, array $content = []): JsonResponse
    {
        return response()->json((object) $content, $status, ['Cache-Control' => 'no-store']);
    }
}
